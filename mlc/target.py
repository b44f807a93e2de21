"""What code is generated for: triple, CPU, features, and the figures that schedules derive from.

A `Target` is plain data. `mlc.backends.llvm.targets.resolve` makes one of a name such as "x86",
"arm", "host", "x86-64-v3" or a triple.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved target.

    `vector_bits`: width of the vectors that kernels use; `vector_registers`: how many there are;
    `fma_latency` in cycles and `fma_ports` (vector multiply-adds started per cycle); cache sizes in
    bytes (L1 data and L2 per core, L3 shared); `cores`: threads to use when the caller names none.
    """

    name: str
    triple: str
    cpu: str
    features: str
    vector_bits: int
    vector_registers: int
    fma_latency: int = 4
    fma_ports: int = 2
    l1_bytes: int = 32 * 1024
    l2_bytes: int = 512 * 1024
    l3_bytes: int = 32 * 1024 * 1024
    cores: int = 1

    def lanes(self, bits: int) -> int:
        """Elements of `bits` width in one vector; in memory, none takes less than a byte."""
        return self.vector_bits // max(bits, 8)

    def __str__(self) -> str:
        return f"{self.name} ({self.triple}, {self.cpu}, {self.vector_bits}-bit vectors)"
