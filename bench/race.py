"""A race of engines over one ONNX file: results checked first, then turns, round by round.

Every engine runs in a process of its own. A machine that slows down slows all of them, as they take
turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.engines import ENGINES, Feeds
from bench.worker import Job, Worker

REFERENCE = "onnxruntime"
LARGEST_ERROR = 1e-3  # of the output's range; the tests hold mlc to a tenth of this

Row = dict[str, Any]


def installed_engines() -> list[str]:
    """The engines that can run here."""
    return [name for name, each in ENGINES.items() if each.installed]


def race(
    path: Path, feeds: Feeds, engines: Sequence[str], threads: int, rounds: int, seconds: float
) -> Row:
    """Milliseconds per engine, or why there are none, and the seconds that loading took."""
    workers = {name: Worker(Job(name, path, threads, feeds)) for name in engines}
    try:
        check(workers)
        for _ in range(rounds):
            for worker in workers.values():
                worker.round(seconds)
        return {
            "milliseconds": {
                name: worker.milliseconds() for name, worker in workers.items() if not worker.error
            },
            "errors": {name: worker.error for name, worker in workers.items() if worker.error},
            "seconds_to_load": {name: worker.seconds_to_load for name, worker in workers.items()},
        }
    finally:
        for worker in workers.values():
            worker.close()


def check(workers: dict[str, Worker]) -> None:
    """An engine whose outputs differ from the reference is not timed."""
    if REFERENCE not in workers:
        return
    expected = workers[REFERENCE].outputs
    for worker in workers.values():
        if worker.error:
            continue
        for right, left in zip(expected, worker.outputs, strict=True):
            difference = np.abs(left.reshape(right.shape).astype(np.float64) - right).max()
            # With zero, so that an output of one element has a range.
            error = float(difference / max(np.ptp(np.append(right, 0)), 1e-30))
            if not error <= LARGEST_ERROR:
                worker.error = f"wrong by {error:.1e} of the output's range"


def speed(row: Row) -> float | None:
    """The best peer's time over mlc's: above 1, mlc is the faster one."""
    times = dict(row["milliseconds"])
    ours = times.pop("mlc", None)
    return min(times.values()) / ours if ours and times else None


def mean_speed(rows: Iterable[Row]) -> float | None:
    """The geometric mean of the speed; None where no row has one."""
    ratios = [ratio for row in rows if (ratio := speed(row))]
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else None
