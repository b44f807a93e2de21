"""This machine: its CPU, what instructions it has, its caches, and how many threads it grants.

Everything is read once per process.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import llvmlite.binding as llvm

from mlc.backends.llvm.machine import initialize
from mlc.runtime.threads import available_processors

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_FAMILIES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_UNITS = {"": 1, "K": 1024, "M": 1024 * 1024}


@dataclass(frozen=True, slots=True)
class Host:
    """This machine as LLVM and the operating system describe it.

    `features` maps each feature LLVM knows to whether it is there (empty where LLVM cannot tell);
    `caches` maps level to bytes (data or unified); `cores` is the number of threads to use.
    """

    family: str
    triple: str
    cpu: str
    features: dict[str, bool]
    caches: dict[int, int]
    cores: int


@functools.lru_cache(maxsize=1)
def detect() -> Host:
    """Describe this machine."""
    initialize()
    triple = llvm.get_process_triple()
    try:
        features = dict(llvm.get_host_cpu_features())
    except RuntimeError:
        features = {}
    return Host(
        family=family_of(triple) or "unknown",
        triple=triple,
        cpu=llvm.get_host_cpu_name(),
        features=features,
        caches=read_caches(_CACHES),
        cores=available_processors(),
    )


def family_of(triple: str) -> str | None:
    """The family of CPUs a triple is for: "x86_64", "aarch64", or None."""
    return _FAMILIES.get(triple.split("-", 1)[0])


def read_caches(folder: Path) -> dict[int, int]:
    """Sizes in bytes of the data and unified caches by level; empty where no kernel lists them."""
    sizes: dict[int, int] = {}
    for index in sorted(folder.glob("index*")):
        try:
            kind = (index / "type").read_text().strip()
            level = int((index / "level").read_text())
            size = re.fullmatch(r"(\d+)([KM]?)", (index / "size").read_text().strip())
        except (OSError, ValueError):
            continue
        if size and kind in ("Data", "Unified"):
            sizes[level] = int(size[1]) * _UNITS[size[2]]
    return sizes
