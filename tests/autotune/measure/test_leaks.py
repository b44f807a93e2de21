"""Thousands of measurements leave nothing behind."""

from __future__ import annotations

import pytest

from bench.measuring import measure_leaks


@pytest.mark.slow
def test_thousands_of_measurements() -> None:
    found = measure_leaks(3000)
    assert found.statuses == {"ok": 2880, "build-error": 120}
    assert found.grown == []


def test_what_grew_is_seen() -> None:
    found = measure_leaks(60)
    assert found.statuses == {"ok": 57, "build-error": 3}
    assert found.after.threads >= found.before.threads > 1
