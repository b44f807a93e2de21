"""Shares of the limits, and which of them binds."""

from __future__ import annotations

import pytest

from mlc.runtime.roofline import Limits, Rate

LIMITS = Limits(flops=100e9, bytes=10e9)


def test_the_slower_side_takes_the_time() -> None:
    assert LIMITS.seconds(200, 10) == pytest.approx(2e-9)
    assert LIMITS.seconds(200, 40) == pytest.approx(4e-9)


def test_rates_are_relative_to_the_limits() -> None:
    rate = Rate(3_000_000, 60_000, 60e-6, LIMITS)
    assert (rate.gigaflops, rate.of_peak) == pytest.approx((50, 0.5))
    assert (rate.gigabytes, rate.of_bandwidth) == pytest.approx((1, 0.1))


@pytest.mark.parametrize(
    ("flops", "moved", "bound"),
    [
        (90_000, 1_000, "compute"),
        (60_000, 8_000, "memory"),
        (90_000, 12_000, "memory"),
        (90_000, 30_000, "compute"),
        (20_000, 30_000, "cache"),
        (20_000, 2_000, "overhead"),
        (0, 0, "overhead"),
    ],
)
def test_the_nearest_limit_binds_unless_none_is_near(flops: int, moved: int, bound: str) -> None:
    assert Rate(flops, moved, 1e-6, LIMITS).bound == bound
