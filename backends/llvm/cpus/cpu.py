"""What is known of a CPU before anything is measured on it."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cpu:
    """One row of a table of CPUs.

    `name` is LLVM's name for it, `aliases` are other names users know. `vector_bits` is the widest
    vector worth using and `vector_registers` the number of registers at that width.
    `fma_ports` counts the vector multiply-adds started per cycle at widths up to 256 bits,
    `wide_fma_ports` at 512 bits; `fma_latency` is in cycles (of a multiply and an add where there
    is no fused instruction). Caches are in bytes: L1 data and L2 of a core, L3 as one core sees it.
    """

    name: str
    family: str
    vector_bits: int
    vector_registers: int
    fma_latency: int
    fma_ports: int
    l1_bytes: int
    l2_bytes: int
    l3_bytes: int
    wide_fma_ports: int = 0
    aliases: tuple[str, ...] = ()
