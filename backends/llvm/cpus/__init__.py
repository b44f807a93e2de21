"""Tables of CPUs, one file per family: figures that default schedules are derived from.

They need not be exact (the tuner measures); they only have to rank register tiles and block sizes.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlc.backends.llvm.cpus import amd, arm, generic, intel
from mlc.backends.llvm.cpus.cpu import Cpu

ALL: tuple[Cpu, ...] = generic.CPUS + amd.CPUS + intel.CPUS + arm.CPUS

CPUS: Mapping[str, Cpu] = {name: cpu for cpu in ALL for name in (cpu.name, *cpu.aliases)}
"""Every CPU under LLVM's name and under its aliases."""

FEATURES: Mapping[str, frozenset[str]] = {
    "x86_64": generic.X86_64_FEATURES,
    "aarch64": arm.FEATURES,
}
"""The instruction-set features that may be switched on and off, by family."""
