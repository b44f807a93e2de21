"""A tuning in which candidates crash, hang and lie, workers are killed and the disk is full.

Some candidates are replaced by loops that misbehave; at times a worker is killed, at times the
database refuses to write. The tuning must reach its number of trials, every fault must be on record
under its status, and candidates that were not tampered with must be measured all the same.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.tuned.common import equal_trials, host, representative
from bench.tuned.cost import children_of
from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.measurement import Comparison, MeasureInput, Measurement, MeasureOptions
from mlc.autotune.records import Database, Record
from mlc.autotune.tuner import Tuner
from mlc.errors import TuningError
from mlc.ir.text import parse_func
from mlc.passes.schedule.trace import Trace
from mlc.runtime.roofline import Limits
from mlc.target import Target

_BAD = {
    "crash": """
func kernel(in0: f32[16], out0: f32[16]) {
  for i in 16 { out0[i * 100000000000] = in0[i] }
}""",
    "timeout": """
func kernel(in0: f32[16], out0: f32[16]) {
  for n in 1000000000000000 { for i in 16 { out0[i] = out0[i] + in0[i] } }
}""",
    "wrong": """
func kernel(in0: f32[16], out0: f32[16]) {
  for i in 16 { out0[i] = in0[i] + 10000000000.0:f32 - 10000000000.0:f32 }
}""",
}
"""Loops by the status that they must get; f32 loses what the check in f64 keeps."""

_CHECKED = MeasureOptions(repeats=2, min_repeat_ms=0.2, run_limit_seconds=2.0)


class Saboteur:
    """A measurer that tampers with every `every`-th candidate, in turn with each fault."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.expected: list[str] = []
        self.got: list[str] = []
        self.untouched: Counter[str] = Counter()
        self.killed = 0
        self._good = Measurer(_CHECKED)
        self._unchecked = Measurer(replace(_CHECKED, check=False))
        self._count = 0

    @property
    def busy_seconds(self) -> float:
        """Of both."""
        return self._good.busy_seconds + self._unchecked.busy_seconds

    def measure(self, inputs: Sequence[MeasureInput]) -> Iterator[tuple[int, Measurement]]:
        """Each candidate's number and measurement."""
        for number, item in enumerate(inputs):
            self._count += 1
            if self._count % self.every:
                yield number, self._plain(item)
                continue
            fault = list(_BAD)[len(self.expected) % len(_BAD)]
            measured = self._only(self._for(fault), bad(item, fault))
            self.expected.append(fault)
            self.got.append(measured.status)
            yield number, measured

    def compare(self, default: MeasureInput, leader: MeasureInput, rounds: int = 20) -> Comparison:
        """As it is."""
        return self._good.compare(default, leader, rounds)

    def limits(self, target: Target, threads: int) -> Limits | None:
        """As it is."""
        return self._good.limits(target, threads)

    def close(self) -> None:
        """End all processes."""
        self._good.close()
        self._unchecked.close()

    def _plain(self, item: MeasureInput) -> Measurement:
        if self._count % (3 * self.every) == 1:
            for child in children_of(os.getpid())[:1]:
                os.kill(child, signal.SIGKILL)
                self.killed += 1
        measured = self._only(self._good, item)
        self.untouched[measured.status] += 1
        return measured

    def _for(self, fault: str) -> Measurer:
        # What crashes or hangs cannot be checked either: there is nothing to check it against.
        return self._good if fault == "wrong" else self._unchecked

    @staticmethod
    def _only(measurer: Measurer, item: MeasureInput) -> Measurement:
        ((_, measured),) = measurer.measure([item])
        return measured


class FullAtTimes:
    """A database whose disk is full at every seventh attempt to write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.attempts = 0
        self.refused = 0

    def add_all(self, records: Iterable[Record]) -> None:
        """Keep records, or refuse."""
        self.attempts += 1
        if self.attempts % 7 == 0:
            self.refused += 1
            raise TuningError("database or disk is full")
        self._database.add_all(records)


def bad(item: MeasureInput, fault: str) -> MeasureInput:
    """A candidate that misbehaves."""
    func = parse_func(_BAD[fault])
    return MeasureInput.of(func, Trace(), item.target, item.threads)


def sabotaged(
    models: list[str], number: int, threads: int, trials: int, every: int, path: Path
) -> dict[str, Any]:
    """What a sabotaged tuning left behind."""
    saboteur = Saboteur(every)
    with Database(path) as database:
        disk = FullAtTimes(database)

        def fill(tuner: Tuner) -> None:
            tuner.keeper.database = disk

        try:
            tasks = representative(models, threads, number)
            machine = host(threads)
            tuner = equal_trials(
                tasks, machine, database, saboteur, "evolutionary", trials, prepare=fill
            )
        finally:
            saboteur.close()
        tuner.keeper.flush()
        recorded = Counter(record.measurement.status for record in database.records())
    return {
        "trials": tuner.trials,
        "records": sum(recorded.values()),
        "lost_records": tuner.trials - sum(recorded.values()),
        "statuses": dict(recorded),
        "faults": len(saboteur.expected),
        "faults_named_right": sum(map(str.__eq__, saboteur.expected, saboteur.got)),
        "workers_killed": saboteur.killed,
        "writes_refused": disk.refused,
        "untouched": dict(saboteur.untouched),
    }
