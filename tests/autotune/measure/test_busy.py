"""Busy: moments in which several threads work count once."""

from __future__ import annotations

import pytest

from mlc.autotune.measure import busy as module
from mlc.autotune.measure.busy import Busy


def test_overlapping_work_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    busy = Busy()
    assert busy.seconds == 0.0
    with busy:
        now[0] += 1.0
        with busy:
            now[0] += 2.0
            assert busy.seconds == 3.0
        now[0] += 4.0
    now[0] += 100.0
    assert busy.seconds == 7.0
    with busy:
        now[0] += 1.0
    assert busy.seconds == 8.0
