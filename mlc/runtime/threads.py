"""How many threads this process may really use."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

_GROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def available_processors(membership: Path = _MEMBERSHIP, groups: Path = _GROUPS) -> int:
    """Processors this process may run on: its affinity mask, cut to its control groups' share.

    `membership` is the file that says which control groups the process belongs to, `groups` the
    folder where they are.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    try:
        share = processor_limit(membership.read_text(encoding="ascii", errors="replace"), groups)
    except OSError:
        return allowed
    return allowed if share is None else max(1, min(allowed, math.ceil(share)))


def processor_limit(membership: str, groups: Path) -> float | None:
    """The least limit of a process's control groups, in processors; None where there is none.

    `membership` is the text of /proc/self/cgroup. Version 2 has `cpu.max` ("quota period"), version
    1 has two files under the controller "cpu"; limits of the groups above hold as well.
    """
    limits: list[float] = []
    for line in membership.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            limits += _limits(groups, path, _read_version_2)
            limits += _limits(groups / "unified", path, _read_version_2)
        elif "cpu" in controllers.split(","):
            limits += _limits(groups / controllers, path, _read_version_1)
            limits += _limits(groups / "cpu", path, _read_version_1)
    return min(limits, default=None)


def _limits(root: Path, path: str, read: Callable[[Path], float | None]) -> Iterator[float]:
    """The limits set on a group and on those above it."""
    group = PurePosixPath(path.lstrip("/"))
    for part in (group, *group.parents):
        if ".." in part.parts:
            continue
        try:
            limit = read(root / part)
        except (OSError, ValueError, ZeroDivisionError):
            continue
        if limit is not None and limit > 0:
            yield limit


def _read_version_2(folder: Path) -> float | None:
    quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    return None if quota == "max" else int(quota) / int(period)


def _read_version_1(folder: Path) -> float | None:
    quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
    period = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    return None if quota < 0 else quota / period
