"""A whole model compiled with some choice of schedules, and how long it takes.

All of it, and each task inside of it, where caches and neighbours are what they will be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlc.passes.schedule.trace import Trace
from mlc.runtime.module import Module

Choice = Mapping[str, Trace]
"""The steps that schedule some tasks, by the key of the task; the others have the default."""

Arrays = Mapping[str, NDArray[Any]]

_SECONDS_PER_TIMING = 0.004


class Version(Protocol):
    """A compiled model that can be timed."""

    def seconds(self) -> float:
        """Seconds per call, timed once over a few milliseconds."""

    def task_seconds(self) -> dict[str, float]:
        """Seconds that the calls of each task take in one inference, by the task's key."""

    def outputs(self) -> Arrays:
        """What the model computes."""

    def weight_bytes(self) -> int:
        """Bytes of the constants, laid out as the schedules want them."""

    def close(self) -> None:
        """Free it."""


Build = Callable[[Choice], Version]


class ModuleVersion:
    """A `Module` as a version; `task_keys` are the tasks of its kernels, in order."""

    def __init__(self, module: Module, task_keys: Sequence[str], feeds: Arrays) -> None:
        self.module = module
        self.feeds = feeds
        self._task_of = dict(zip(module.kernels, task_keys, strict=True))
        self._calls = 0

    def seconds(self) -> float:
        """Seconds per call, timed once over a few milliseconds."""
        if not self._calls:
            self._timed(1)
            self._calls = max(1, int(_SECONDS_PER_TIMING / max(self._timed(1), 1e-7)))
        return self._timed(self._calls)

    def task_seconds(self) -> dict[str, float]:
        """Seconds that the calls of each task take in one inference, by the task's key."""
        spent = dict.fromkeys(self._task_of.values(), 0.0)
        arrays = [self.feeds[port.name] for port in self.module.inputs]
        for row in self.module.profile(*arrays, repeat=3):
            spent[self._task_of[row.kernel]] += row.nanoseconds / 1e9
        return spent

    def outputs(self) -> Arrays:
        """What the model computes."""
        return self.module.run(self.feeds)

    def weight_bytes(self) -> int:
        """Bytes of the constants, laid out as the schedules want them."""
        return int(self.module.compiled.constants.nbytes)

    def close(self) -> None:
        """Free it."""
        self.module.close()

    def _timed(self, calls: int) -> float:
        started = time.perf_counter()
        for _ in range(calls):
            self.module.run(self.feeds)
        return (time.perf_counter() - started) / calls


def race(versions: Sequence[Version], rounds: int) -> NDArray[np.float64]:
    """Seconds per call of each version [rounds, versions]; they take turns, in changing order."""
    table = np.zeros((rounds, len(versions)))
    for number in range(rounds):
        order = range(len(versions))
        for index in order if number % 2 == 0 else reversed(order):
            table[number, index] = versions[index].seconds()
    return table


def race_tasks(versions: Sequence[Version], rounds: int) -> list[dict[str, float]]:
    """The shortest seconds of each task in each version; they take turns.

    What else runs on the machine only ever adds time.
    """
    samples: list[dict[str, list[float]]] = [{} for _ in versions]
    for _ in range(rounds):
        for version, spent in zip(versions, samples, strict=True):
            for key, seconds in version.task_seconds().items():
                spent.setdefault(key, []).append(seconds)
    return [{key: min(each) for key, each in spent.items()} for spent in samples]


def agree(first: Arrays, second: Arrays, tolerance: float = 1e-3) -> bool:
    """Whether two results differ by no more than a part of their range, NaN and infinity alike."""
    for name, right in first.items():
        left = second[name]
        if right.dtype.kind not in "fc":
            if not np.array_equal(left, right):
                return False
            continue
        finite = np.isfinite(right)
        if not np.array_equal(finite, np.isfinite(left)):
            return False
        wide, other = right[finite].astype(np.float64), left[finite].astype(np.float64)
        if wide.size and np.abs(wide - other).max() > tolerance * max(float(np.ptp(wide)), 1e-6):
            return False
    return True
