"""How many threads this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def available_processors(cgroup_limit: Path = _CGROUP_LIMIT) -> int:
    """Processors this process may run on: its affinity mask, cut to the control group's share."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _cgroup_processors(cgroup_limit, allowed)))


def _cgroup_processors(path: Path, unlimited: int) -> int:
    """The processor time a cgroup v2 file "quota period" grants, in whole processors."""
    try:
        quota, period = path.read_text(encoding="ascii").split()
        return unlimited if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return unlimited
