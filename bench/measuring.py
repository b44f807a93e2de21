"""What measuring candidates costs beside building and running them, and whether it leaks.

    python -m bench.measuring overhead [--trials 200]
    python -m bench.measuring leaks [--trials 5000]

`overhead` measures the same small candidates again and again: what is left of the wall time after
building and running is the measurer's own. `leaks` does so for long, with a failure now and then,
and compares memory, descriptors and threads of this process after a tenth of the trials with those
at the end; a worker's memory must not grow either.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.measurement import MeasureInput, MeasureOptions
from mlc.backends.llvm.targets import resolve
from mlc.ir.text import parse_func
from mlc.passes.schedule.trace import Step, Trace

_PLAIN = """
func kernel(in0: f32[64,96], in1: f32[96], out0: f32[64,96]) {
  for i in 64 {
    for j in 96 {
      out0[i, j] = in0[i, j] * in1[j]
    }
  }
}
"""
_BATCH = 50
_FAILURE_EVERY = 25


@dataclass(frozen=True)
class Overhead:
    """Seconds per candidate: of the clock, of building, of running, and what is left of it.

    Builds take place side by side, so that `own` is the clock less running and less the share of
    building that was not hidden.
    """

    trials: int
    wall: float
    build: float
    run: float
    own: float


@dataclass(frozen=True)
class State:
    """Megabytes of this process and of all workers, open descriptors and threads."""

    megabytes: float
    worker_megabytes: float
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Leaks:
    """Before and after, and how the measurements ended."""

    trials: int
    statuses: dict[str, int]
    before: State
    after: State

    @property
    def grown(self) -> list[str]:
        """What grew more than noise explains."""
        checks = {
            "memory": self.after.megabytes - self.before.megabytes > 32,
            "workers' memory": self.after.worker_megabytes
            > self.before.worker_megabytes * 1.2 + 64,
            "descriptors": self.after.descriptors > self.before.descriptors + 2,
            "threads": self.after.threads > self.before.threads + 1,
        }
        return [name for name, bad in checks.items() if bad]


def candidates(count: int, *, failures: bool = False) -> list[MeasureInput]:
    """Small candidates that differ in one number; with `failures`, one in 25 is refused."""
    func, target = parse_func(_PLAIN), resolve("host")
    made = []
    for number in range(count):
        factor = 2 + number % 31
        steps = [Step("split", {"loop": "j", "factor": factor, "names": ["jo", "ji"]})]
        if failures and number % _FAILURE_EVERY == 0:
            steps = [Step("split", {"loop": "nowhere", "factor": 2})]
        made.append(MeasureInput.of(func, Trace(tuple(steps)), target))
    return made


def measure_overhead(trials: int) -> Overhead:
    """Per-candidate times of `trials` measurements, after a few that are not counted."""
    with Measurer(MeasureOptions(repeats=3, min_repeat_ms=1.0)) as measurer:
        list(measurer.measure(candidates(8)))
        started = time.perf_counter()
        found = [each for _, each in measurer.measure(candidates(trials))]
        wall = time.perf_counter() - started
        builders = measurer.builders
    build = sum(each.build_seconds for each in found)
    run = sum(each.run_seconds for each in found)
    own = wall - run - build / builders
    return Overhead(trials, *(seconds / trials for seconds in (wall, build, run, own)))


def measure_leaks(trials: int) -> Leaks:
    """Measure `trials` candidates and look at what has grown since the first tenth."""
    statuses: Counter[str] = Counter()
    with Measurer(MeasureOptions(repeats=1, min_repeat_ms=0.1)) as measurer:
        before = None
        for start in range(0, trials, _BATCH):
            if before is None and start * 10 >= trials:
                before = _state(measurer.pids())
            batch = candidates(min(_BATCH, trials - start), failures=True)
            statuses.update(each.status for _, each in measurer.measure(batch))
        after = _state(measurer.pids())
    return Leaks(trials, dict(statuses), before or after, after)


def _state(workers: Sequence[int]) -> State:
    return State(
        _megabytes(os.getpid()),
        max(map(_megabytes, workers), default=0.0),
        len(list(Path("/proc/self/fd").iterdir())),
        threading.active_count(),
    )


def _megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def main() -> None:
    """Print what was asked for as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("overhead", "leaks"))
    parser.add_argument("--trials", type=int)
    asked = parser.parse_args()
    if asked.what == "overhead":
        print(json.dumps(asdict(measure_overhead(asked.trials or 200)), indent=1))
        return
    found = measure_leaks(asked.trials or 5000)
    print(json.dumps({**asdict(found), "grown": found.grown}, indent=1))
    if found.grown:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
