"""Timing, with kernels that keep a clock of their own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest

from mlc.autotune.measure.timing import Evictor, Timing, time_in_turns, time_kernel
from mlc.autotune.measurement import MeasureOptions

OPTIONS = MeasureOptions(repeats=5, min_repeat_ms=10.0, abandon_factor=3.0)


@dataclass
class Fake:
    """A kernel whose calls take `seconds`, the first ones `slow` times as long."""

    seconds: float
    slow: float = 1.0
    first: int = 0
    asked: list[int] = field(default_factory=list)
    evicted: int = 0

    def __call__(self, calls: int) -> float:
        start = sum(self.asked)
        self.asked.append(calls)
        slow = max(0, min(self.first - start, calls))
        return self.seconds * (calls - slow + slow * self.slow)

    def evict(self) -> None:
        self.evicted += 1


def test_repeats_are_long_enough() -> None:
    kernel = Fake(1e-3)
    found = time_kernel(kernel, OPTIONS, kernel.evict, None)
    assert found.samples == pytest.approx([1e-3] * 5)
    assert kernel.asked[-5:] == [10] * 5
    assert kernel.evicted == 0
    assert not found.abandoned


def test_a_kernel_that_takes_its_time_is_sampled_less() -> None:
    options = MeasureOptions(repeats=20, min_repeat_ms=10.0)
    for seconds, samples in ((0.015, 14), (0.1, 5)):
        kernel = Fake(seconds)
        assert len(time_kernel(kernel, options, kernel.evict, None).samples) == samples
    kernel = Fake(0.1)
    few = MeasureOptions(repeats=3)
    assert len(time_kernel(kernel, few, kernel.evict, None).samples) == 3


def test_slow_first_calls_do_not_make_repeats_short() -> None:
    kernel = Fake(1e-5, slow=50.0, first=6)
    time_kernel(kernel, OPTIONS, kernel.evict, None)
    assert all(calls >= 800 for calls in kernel.asked[-5:])


@pytest.mark.parametrize(
    ("best", "factor", "abandoned"),
    [(None, 3.0, False), (1e-3, 3.0, True), (4e-3, 3.0, False), (1e-3, 0.0, False)],
)
def test_losers(best: float | None, factor: float, abandoned: bool) -> None:
    kernel = Fake(1e-2)
    options = MeasureOptions(repeats=5, abandon_factor=factor)
    found = time_kernel(kernel, options, kernel.evict, best)
    assert found.abandoned == abandoned
    assert len(found.samples) == (2 if abandoned else 5)
    assert found.shortest == pytest.approx(1e-2)
    assert sum(kernel.asked) == (3 if abandoned else sum(kernel.asked))


def test_one_slow_call_does_not_make_a_loser() -> None:
    kernel = Fake(1e-3, slow=100.0, first=2)
    assert not time_kernel(kernel, OPTIONS, kernel.evict, 1e-3).abandoned


def test_waking_threads_does_not_make_a_loser() -> None:
    kernel = Fake(1e-5, slow=9.0, first=10)
    assert not time_kernel(kernel, OPTIONS, kernel.evict, 1e-5).abandoned


def test_cold() -> None:
    kernel = Fake(1e-3)
    options = MeasureOptions(repeats=4, cold=True)
    assert len(time_kernel(kernel, options, kernel.evict, None).samples) == 4
    assert kernel.evicted == 4
    assert set(kernel.asked) == {1}


def test_shortest_and_spread() -> None:
    timing = Timing((4.0, 1.0, 2.0, 3.0, 100.0))
    assert timing.shortest == 1.0
    assert timing.spread == pytest.approx((4.0 - 2.0) / 3.0)
    assert Timing((2.0, 2.0)).spread == 0.0


def test_turns() -> None:
    order: list[str] = []
    counter = itertools.count()

    def kernel(name: str, seconds: float):  # type: ignore[no-untyped-def]
        def timed(calls: int) -> float:
            order.append(name)
            next(counter)
            return seconds * calls

        return timed

    fast, slow = kernel("fast", 1e-3), kernel("slow", 4e-3)
    rows = time_in_turns([slow, fast], 4, OPTIONS, lambda: None)
    assert [row == pytest.approx((4e-3, 1e-3)) for row in rows] == [True] * 4
    turns = ["slow", "fast", "fast", "slow"] * 2
    assert order[-8:] == turns


def test_evicting_touches_more_than_the_cache() -> None:
    evict = Evictor(1000)
    evict()
    evict()
    assert evict._area is not None
    assert evict._area.nbytes == 2000
    assert (evict._area == 2).all()
