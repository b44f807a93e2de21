"""How many processors a process may use, by its affinity mask and its control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlc.runtime.threads import available_processors, processor_limit

MASK = len(os.sched_getaffinity(0))


def processors(tmp_path: Path, limit: str) -> int:
    membership = tmp_path / "membership"
    membership.write_text("0::/job\n")
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "cpu.max").write_text(limit + "\n")
    return available_processors(membership, tmp_path)


@pytest.mark.parametrize(
    ("limit", "granted"), [("50000 100000", 1), ("100000 100000", 1), ("150000 100000", 2)]
)
def test_the_control_group_limits(limit: str, granted: int, tmp_path: Path) -> None:
    assert processors(tmp_path, limit) == min(granted, MASK)


@pytest.mark.parametrize("limit", ["max 100000", "nonsense", "1 0", "0 100000", "", "1 2 3"])
def test_without_a_limit_the_affinity_mask_counts(limit: str, tmp_path: Path) -> None:
    assert processors(tmp_path, limit) == MASK


def test_without_control_groups_the_affinity_mask_counts(tmp_path: Path) -> None:
    assert available_processors(tmp_path / "absent", tmp_path) == MASK


def test_limits_of_both_versions_and_of_the_groups_above(tmp_path: Path) -> None:
    version_2, version_1 = tmp_path / "two", tmp_path / "one"
    (version_2 / "a" / "b").mkdir(parents=True)
    (version_2 / "a" / "b" / "cpu.max").write_text("max 100000\n")
    (version_2 / "a" / "cpu.max").write_text("150000 100000\n")
    assert processor_limit("0::/a/b\n", version_2) == 1.5
    assert processor_limit("0::/elsewhere\n", version_2) is None
    assert processor_limit("0::/../a\n", version_2) is None
    group = version_1 / "cpu,cpuacct" / "job"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text("400000\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert processor_limit("3:memory:/job\n2:cpu,cpuacct:/job\n", version_1) == 4.0
    (group / "cpu.cfs_quota_us").write_text("-1\n")
    assert processor_limit("2:cpu,cpuacct:/job\n", version_1) is None
