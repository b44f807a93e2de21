"""Seconds of tasks as they are scheduled by default: from records, else measured and recorded."""

from __future__ import annotations

from collections.abc import Sequence

from mlc.autotune.measurement import MeasureInput
from mlc.autotune.records import Database, Record, machine_key
from mlc.autotune.space import Candidate, TaskSpace, candidate_of
from mlc.autotune.task import Task
from mlc.autotune.task_tuner import Measures
from mlc.passes.schedule.templates.base import Machine


class DefaultTimes:
    """Called with tasks, gives the seconds of one call by key, of those that could be measured."""

    def __init__(self, machine: Machine, database: Database, measurer: Measures) -> None:
        self.machine = machine
        self.database = database
        self.measurer = measurer
        self._key = machine_key(machine.target, machine.threads, machine.exact)

    def __call__(self, tasks: Sequence[Task]) -> dict[str, float]:
        """Measures what is not known."""
        known: dict[str, float] = {}
        unknown: list[tuple[Task, Candidate]] = []
        for task in tasks:
            default = candidate_of(task, TaskSpace(task, self.machine).default, self.machine)
            if default is None:
                continue
            seconds = self._recorded(task, default)
            if seconds is None:
                unknown.append((task, default))
            else:
                known[task.key] = seconds
        return known | self._measured(unknown)

    def _recorded(self, task: Task, default: Candidate) -> float | None:
        for record in self.database.records(task.key, self._key):
            if record.measurement.ok and record.trace == default.schedule.trace:
                return record.measurement.seconds
        return None

    def _measured(self, defaults: Sequence[tuple[Task, Candidate]]) -> dict[str, float]:
        machine = self.machine
        inputs = [
            MeasureInput.of(
                task.func, default.schedule.trace, machine.target, machine.threads,
                exact=machine.exact,
            )
            for task, default in defaults
        ]  # fmt: skip
        found: dict[str, float] = {}
        for number, measurement in self.measurer.measure(inputs):
            task, default = defaults[number]
            self.database.add(Record.of(inputs[number], measurement, default.knobs))
            if measurement.seconds is not None:
                found[task.key] = measurement.seconds
        return found
