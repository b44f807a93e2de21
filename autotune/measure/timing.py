"""How long one call of a kernel takes: the shortest of several timings, or kernels in turns.

Other programs only ever make a kernel slower. On a busy machine a second measurement orders 88 % of
the pairs of a task's candidates as the first did where the shortest timing counts, and 78 % where
the median does.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlc.autotune.measurement import MeasureOptions

Timed = Callable[[int], float]
"""Calls a kernel so many times and gives the seconds that this took."""

_FIRST_CALLS = 2
_WAKING_SECONDS = 1e-4
"""What one call may take longer than many, because threads of the pool have to be woken."""

_FEWEST_SAMPLES = 5
_CALIBRATIONS = 3
_LONG_ENOUGH = 0.8


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds per call of each sample; `abandoned` where it was too slow to go on."""

    samples: tuple[float, ...]
    abandoned: bool = False

    @property
    def shortest(self) -> float:
        """The seconds of one call that nothing disturbed."""
        return min(self.samples)

    @property
    def spread(self) -> float:
        """The distance between the quartiles as a part of the median."""
        low, median, high = np.percentile(self.samples, [25, 50, 75])
        return float((high - low) / median) if median > 0 else 0.0


def time_kernel(
    timed: Timed, options: MeasureOptions, evict: Callable[[], None], best: float | None
) -> Timing:
    """Time a kernel; `best` is the fastest so far of its task, in seconds per call.

    One that is slower than `best` by the factor of the options, in each of its first calls, is
    abandoned: those calls are its samples.
    """
    timed(1)
    if best is not None and options.abandon_factor > 0:
        once = functools.partial(_cold, timed, evict if options.cold else _nothing)
        first = tuple(once() for _ in range(_FIRST_CALLS))
        if min(first) > best * options.abandon_factor + _WAKING_SECONDS:
            return Timing(first, abandoned=True)
    if options.cold:
        return Timing(_sampled(functools.partial(_cold, timed, evict), 1, options))
    calls = _calibrate(timed, options.min_repeat_ms)
    return Timing(_sampled(functools.partial(timed, calls), calls, options))


def _sampled(timed: Callable[[], float], calls: int, options: MeasureOptions) -> tuple[float, ...]:
    """Seconds per call, again and again; fewer samples of a kernel that takes its time."""
    samples: list[float] = []
    budget = options.repeats * options.min_repeat_ms * 1e-3
    fewest = min(_FEWEST_SAMPLES, options.repeats)
    while len(samples) < fewest or (len(samples) < options.repeats and budget > 0):
        spent = timed()
        budget -= spent
        samples.append(spent / calls)
    return tuple(samples)


def time_in_turns(
    kernels: Sequence[Timed], rounds: int, options: MeasureOptions, evict: Callable[[], None]
) -> list[tuple[float, ...]]:
    """Seconds per call of each kernel, round by round; every other round goes backwards."""
    calls = [1 if options.cold else _calibrate(timed, options.min_repeat_ms) for timed in kernels]
    table = []
    for number in range(rounds):
        row = [0.0] * len(kernels)
        order = range(len(kernels)) if number % 2 == 0 else reversed(range(len(kernels)))
        for which in order:
            if options.cold:
                row[which] = _cold(kernels[which], evict)
            else:
                row[which] = kernels[which](calls[which]) / calls[which]
        table.append(tuple(row))
    return table


def _calibrate(timed: Timed, milliseconds: float) -> int:
    """How many calls take so long; the first calls of a kernel are often slow."""
    seconds = timed(1)
    for _ in range(_CALIBRATIONS):
        calls = calls_for(seconds, milliseconds)
        spent = timed(calls)
        if spent >= milliseconds * 1e-3 * _LONG_ENOUGH:
            break
        seconds = spent / calls
    return calls


def calls_for(seconds: float, milliseconds: float) -> int:
    """How many calls of `seconds` fill so many milliseconds.

    >>> calls_for(0.0004, 5.0), calls_for(0.1, 5.0)
    (13, 1)
    """
    return max(1, math.ceil(milliseconds * 1e-3 / max(seconds, 1e-9)))


def _nothing() -> None:
    """Leave the caches as they are."""


def _cold(timed: Timed, evict: Callable[[], None]) -> float:
    evict()
    return timed(1)


class Evictor:
    """Fills all caches with something else; `cache_bytes` is the size of the largest."""

    def __init__(self, cache_bytes: int) -> None:
        self._bytes = 2 * cache_bytes
        self._area: np.ndarray[tuple[int], np.dtype[np.uint8]] | None = None

    def __call__(self) -> None:
        if self._area is None:
            self._area = np.zeros(self._bytes, np.uint8)
        self._area += 1
