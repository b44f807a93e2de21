"""One task while it is tuned: proposals out, measurements in, and every one of them on record."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mlc.autotune.allocate import Progress, least_seconds
from mlc.autotune.keeper import Keeper
from mlc.autotune.learner import Learner
from mlc.autotune.measurement import Comparison, MeasureInput, Measurement
from mlc.autotune.records import Record
from mlc.autotune.search.base import Search
from mlc.autotune.search.problem import Proposal
from mlc.autotune.space import algorithm_of
from mlc.autotune.task import Task
from mlc.autotune.task_problem import TaskProblem
from mlc.passes.schedule.templates.base import Machine
from mlc.runtime.roofline import Limits
from mlc.target import Target

_KEPT = 16
"""Of the fastest measurements of each algorithm."""


class Measures(Protocol):
    """What measures candidates."""

    @property
    def busy_seconds(self) -> float:
        """How long candidates were built or run so far."""

    def measure(self, inputs: Sequence[MeasureInput]) -> Iterator[tuple[int, Measurement]]:
        """Each candidate's number and measurement, as they come; some may be built at once."""

    def compare(self, default: MeasureInput, leader: MeasureInput, rounds: int = 20) -> Comparison:
        """Time two candidates of one task in turns."""

    def limits(self, target: Target, threads: int) -> Limits | None:
        """What the machine that measures reaches at best; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A measurement of this run: when (seconds since its start), what was expected, what came.

    `score` is the model's, None where it knew nothing yet; it compares candidates of one task.
    """

    elapsed: float
    score: float | None
    seconds: float | None
    status: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Proposals, what the model thinks of them where it knows something, and what is measured."""

    proposals: Sequence[Proposal]
    scores: Sequence[float] | None
    inputs: Sequence[MeasureInput]


@dataclass(frozen=True, slots=True)
class Entry:
    """A measured proposal and its record."""

    seconds: float
    proposal: Proposal
    record: Record


class TaskTuner:
    """See the top of this file.

    `limits`: of the machine that measures; `started`: when the run began, of `time.perf_counter`;
    `from_default`: whether the default is measured first.
    """

    def __init__(
        self,
        task: Task,
        machine: Machine,
        search: Search,
        problem: TaskProblem,
        learner: Learner,
        keeper: Keeper,
        limits: Limits,
        started: float = 0.0,
        *,
        from_default: bool = True,
    ) -> None:
        self.task = task
        self.machine = machine
        self.search = search
        self.problem = problem
        self.learner = learner
        self.keeper = keeper
        self.started = started
        self.from_default = from_default
        limit = least_seconds(task, limits, problem.space.boxes)
        self.progress = Progress(task.key, task.count, limit, task.template)
        self.trials: list[Trial] = []
        self.statuses: Counter[str] = Counter()
        self.ranking: list[Entry] = []
        self.default = problem.candidate(problem.space.default)
        self.default_seconds: float | None = None
        self.recalled = 0
        self.build_seconds = 0.0
        self.run_seconds = 0.0

    @property
    def best(self) -> Entry | None:
        """The fastest measured so far."""
        return self.ranking[0] if self.ranking else None

    @property
    def speedup(self) -> float:
        """The default's time by the best; 1 where either is not known."""
        if self.best is None or self.default_seconds is None:
            return 1.0
        return self.default_seconds / self.best.seconds

    @property
    def gigaflops(self) -> float:
        """The rate of the best, by the operations of the plain loops."""
        return self.task.work.flops / self.best.seconds / 1e9 if self.best else 0.0

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to propose."""
        return self.progress.exhausted

    def recall(self, records: Sequence[Record], most: int = 64) -> None:
        """Take in what earlier runs measured: the best wholly, of the others that they were."""
        ranked = sorted(records, key=lambda record: record.measurement.seconds or math.inf)
        for record in ranked[:most]:
            proposal = self.problem.recall(record.knobs or {}, record.trace)
            if proposal is not None:
                self._learn(proposal, record)
        self.search.remember(record.trace for record in ranked[most:])
        self.recalled += len(records)
        if records:
            best = self.best.seconds if self.best else math.inf
            self.progress.note(best, 0, 0.0)

    def next_batch(self, number: int) -> Batch | None:
        """Up to `number` proposals; None where there is nothing more to propose."""
        proposals = self._propose(number)
        if not proposals:
            self.progress.exhausted = True
            return None
        scores = None
        if self.problem.guided:
            scores = [float(score) for score in self.problem.scores(proposals)]
        return Batch(proposals, scores, [self.input_of(each) for each in proposals])

    def take(self, batch: Batch, measurements: Iterable[tuple[int, Measurement]]) -> None:
        """Take in what measuring a batch gives."""
        spent_before = self.build_seconds + self.run_seconds
        for index, measurement in measurements:
            score = None if batch.scores is None else batch.scores[index]
            self._note(batch.proposals[index], batch.inputs[index], measurement, score)
        best = self.best.seconds if self.best else math.inf
        # Not by the clock: equal measurements make equal choices.
        spent = self.build_seconds + self.run_seconds - spent_before
        self.progress.note(best, len(batch.proposals), spent)

    def compared(self, comparison: Comparison) -> None:
        """Believe a race of the best against the default rather than what was measured before."""
        default, leader = comparison.default.seconds, comparison.leader.seconds
        if default is not None and leader is not None:
            self.default_seconds = default
            self.ranking[0] = replace(self.ranking[0], seconds=leader)

    def input_of(self, proposal: Proposal) -> MeasureInput:
        """What a worker is given."""
        machine = self.machine
        return MeasureInput.of(
            self.task.func, proposal.trace, machine.target, machine.threads, exact=machine.exact
        )

    def _rank(self, entry: Entry) -> None:
        self.ranking.append(entry)
        self.ranking.sort(key=lambda other: other.seconds)
        chosen = algorithm_of(entry.proposal.knobs)
        alike = [e for e in self.ranking if algorithm_of(e.proposal.knobs) == chosen]
        if len(alike) > _KEPT:
            self.ranking.remove(alike[-1])

    def _propose(self, number: int) -> list[Proposal]:
        """The default first of all where that is wanted, unless it was measured before."""
        if self.default is None:
            return []
        first = [self.default] if self.from_default and self.search.is_new(self.default) else []
        self.search.take(first)
        return [*first, *self.search.propose(number - len(first))]

    def _note(
        self, proposal: Proposal, item: MeasureInput, measurement: Measurement, score: float | None
    ) -> None:
        record = Record.of(item, measurement, proposal.knobs)
        self.keeper.add(record)
        elapsed = time.perf_counter() - self.started
        self.trials.append(Trial(elapsed, score, measurement.seconds, measurement.status))
        self.statuses[measurement.status] += 1
        self.build_seconds += measurement.build_seconds
        self.run_seconds += measurement.run_seconds
        self._learn(proposal, record)

    def _learn(self, proposal: Proposal, record: Record) -> None:
        seconds = record.measurement.seconds
        self.search.tell([(proposal, seconds)])
        if self.default is not None and proposal.key == self.default.key and seconds is not None:
            self.default_seconds = seconds
        if seconds is None:
            return
        self._rank(Entry(seconds, proposal, record))
        if self.learner.model is not None:
            self.learner.add(self.task.key, self.problem.features(proposal), seconds)
