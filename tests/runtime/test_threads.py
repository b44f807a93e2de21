from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlc.runtime.threads import available_processors


@pytest.mark.parametrize(
    ("content", "granted"),
    [("50000 100000", 1), ("100000 100000", 1), ("150000 100000", 2), ("0 100000", 1)],
)
def test_the_control_group_limits(content: str, granted: int, tmp_path: Path) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text(content + "\n")
    assert available_processors(limit) == min(granted, len(os.sched_getaffinity(0)))


@pytest.mark.parametrize("content", ["max 100000", "nonsense", "1 0", ""])
def test_without_a_limit_the_affinity_mask_counts(content: str, tmp_path: Path) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text(content)
    assert available_processors(limit) == len(os.sched_getaffinity(0))
    assert available_processors(tmp_path / "absent") == len(os.sched_getaffinity(0))
