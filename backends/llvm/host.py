"""This machine: its CPU, what instructions it has, its caches, and how many threads it grants.

Everything is read once per process.
"""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import llvmlite.binding as llvm

from mlc.backends.llvm.machine import initialize

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
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
        cores=count_cores(),
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


def count_cores() -> int:
    """Threads worth using: the CPUs this process may run on, no more than its share of time."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    try:
        membership = _OWN_CGROUP.read_text()
    except OSError:
        return allowed
    share = cgroup_cores(membership, _CGROUPS)
    return allowed if share is None else max(1, min(allowed, math.ceil(share)))


def cgroup_cores(membership: str, root: Path) -> float | None:
    """The least CPU limit of a process's control groups, in CPUs; None where there is no limit.

    `membership` is the text of /proc/self/cgroup. Version 2 has `cpu.max` ("quota period"), version
    1 has two files under the controller "cpu"; limits of the groups above hold as well.
    """
    limits: list[float] = []
    for line in membership.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            limits += _limits(root, path, _read_version_2)
            limits += _limits(root / "unified", path, _read_version_2)
        elif "cpu" in controllers.split(","):
            limits += _limits(root / controllers, path, _read_version_1)
            limits += _limits(root / "cpu", path, _read_version_1)
    return min(limits, default=None)


def _limits(root: Path, path: str, read: Callable[[Path], float | None]) -> Iterator[float]:
    """The limits set on a group and on those above it."""
    group = PurePosixPath(path.lstrip("/"))
    for part in (group, *group.parents):
        if ".." in part.parts:
            continue
        try:
            limit = read(root / part)
        except (OSError, ValueError):
            continue
        if limit is not None and limit > 0:
            yield limit


def _read_version_2(folder: Path) -> float | None:
    quota, period = (folder / "cpu.max").read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _read_version_1(folder: Path) -> float | None:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    period = int((folder / "cpu.cfs_period_us").read_text())
    return None if quota < 0 else quota / period
