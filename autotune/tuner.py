"""The loop: choose a task, propose, measure, learn, until the budget or the hope is used up.

Every measurement is on record before the next begins, so that a run that is interrupted or killed
loses nothing, and the next run goes on from there. What is fastest in the end must win against the
default in turns before it decides anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlc.autotune.allocate import Allocation, Allocator, nominal_limits
from mlc.autotune.extents import extents_of
from mlc.autotune.keeper import Keeper
from mlc.autotune.learner import Learner
from mlc.autotune.measurement import Comparison, Measurement
from mlc.autotune.records import Database, machine_key
from mlc.autotune.search.base import Search
from mlc.autotune.search.strategies import STRATEGIES
from mlc.autotune.seeds import KEPT, Seed, Seeds
from mlc.autotune.space import algorithm_of
from mlc.autotune.task import Task
from mlc.autotune.task_problem import TaskProblem
from mlc.autotune.task_tuner import Batch, Entry, Measures, TaskTuner
from mlc.errors import TuningError
from mlc.passes.schedule.templates.base import Machine

Clock = Callable[[], float]

_SEEDS = 4
_FINALISTS = 3
_WORTH_COMPARING = 0.995


@dataclass(frozen=True, slots=True)
class Settings:
    """How to tune.

    `seconds` and `trials` bound the search as a whole (None: no bound); `batch`: candidates per
    round; `strategy`: a name in `STRATEGIES`; `from_default`: whether the default of each task is
    measured before all others; `seed`: of all chance.
    """

    seconds: float | None = None
    trials: int | None = None
    batch: int = 8
    strategy: str = "evolutionary"
    from_default: bool = True
    allocation: Allocation = field(default_factory=Allocation)
    seed: int = 0


@dataclass(slots=True)
class Flight:
    """A batch of a task on its way; `measurements` once it is being measured."""

    tuner: TaskTuner
    batch: Batch
    measurements: Iterable[tuple[int, Measurement]] = ()


class Tuner:
    """Tunes some tasks for a machine; `watch` is called after every round.

    Holds after `search`: each measurement is in the database. After `settle`: of each task the
    database accepts what won against the default, if anything did.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        machine: Machine,
        database: Database,
        measurer: Measures,
        learner: Learner,
        settings: Settings = Settings(),
        watch: Callable[[Tuner], None] = lambda tuner: None,
        clock: Clock = time.perf_counter,
    ) -> None:
        if settings.strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise TuningError(
                f"unknown strategy {settings.strategy!r}", hint=f"choose one of {known}"
            )
        self.machine = machine
        self.database = database
        self.keeper = Keeper(database)
        self.measurer = measurer
        self.learner = learner
        self.settings = settings
        self.watch = watch
        self.clock = clock
        self.started = clock()
        self.seeds = Seeds()
        target, threads = machine.target, machine.threads
        self.limits = measurer.limits(target, threads) or nominal_limits(target, threads)
        self.tasks = [self._task_tuner(number, task) for number, task in enumerate(tasks)]
        self.comparisons: dict[str, Comparison] = {}
        self.measuring_seconds = 0.0
        self.interrupted = False
        self.stopped_because = ""

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started

    @property
    def trials(self) -> int:
        """Measurements of this run."""
        return sum(len(each.trials) for each in self.tasks)

    @property
    def seconds_left(self) -> float | None:
        """What is left of the budget; None where there is none."""
        bound = self.settings.seconds
        return None if bound is None else max(0.0, bound - self.elapsed)

    def resume(self) -> None:
        """Take in what the database knows of these tasks on this machine."""
        key = machine_key(self.machine.target, self.machine.threads, self.machine.exact)
        for each in self.tasks:
            each.recall(list(self.database.records(each.task.key, key)))
            self._seed_from(each)
        self.learner.learn()

    def search(self) -> None:
        """Measure until the budget is used up, nothing more is expected, or Ctrl-C is pressed."""
        busy_before = self.measurer.busy_seconds
        try:
            self._search()
        except KeyboardInterrupt:
            self.interrupted = True
            self.stopped_because = "interrupted"
        finally:
            self.measuring_seconds += self.measurer.busy_seconds - busy_before

    def round(self, chosen: TaskTuner) -> None:
        """One round of one task."""
        flight = self._depart(chosen, self.settings.batch)
        if flight is not None:
            self._begin(flight)
            self._land(flight)
            self._learn_from(chosen)

    def _search(self) -> None:
        """Rounds that overlap: while candidates are built, the next ones are thought of.

        Nothing is computed here while one runs, which would disturb its time.
        """
        allocator = Allocator(
            [each.progress for each in self.tasks], self.settings.allocation, self.settings.seed
        )
        by_key = {each.task.key: each for each in self.tasks}
        current: Flight | None = None
        while True:
            following = self._next(allocator, by_key, current)
            if current is not None:
                self._land(current)
            elif following is None:
                return
            if following is not None:
                self._begin(following)
            if current is not None:
                self._learn_from(current.tuner)
            current = following

    def _next(
        self, allocator: Allocator, by_key: Mapping[str, TaskTuner], current: Flight | None
    ) -> Flight | None:
        """What is measured after what is measured now; None where that is not known yet."""
        in_flight = len(current.batch.inputs) if current else 0
        while not self._budget_is_used(in_flight):
            chosen = allocator.next(current.tuner.progress if current else None)
            if chosen is None:
                self.stopped_because = "nothing more is expected"
                return None
            each = by_key[chosen.key]
            if current is not None and each is current.tuner:
                return None
            number = self.settings.batch
            if self.settings.trials is not None:
                number = min(number, self.settings.trials - self.trials - in_flight)
            flight = self._depart(each, number)
            if flight is not None:
                return flight
        return None

    def _depart(self, chosen: TaskTuner, number: int) -> Flight | None:
        """The next proposals for a task; None where there are no more."""
        if not chosen.trials:
            chosen.search.suggest(self.seeds.near(chosen.task, chosen.problem.space, _SEEDS))
        batch = chosen.next_batch(number)
        return None if batch is None else Flight(chosen, batch)

    def _begin(self, flight: Flight) -> None:
        flight.measurements = self.measurer.measure(flight.batch.inputs)

    def _land(self, flight: Flight) -> None:
        flight.tuner.take(flight.batch, flight.measurements)

    def _learn_from(self, chosen: TaskTuner) -> None:
        self._seed_from(chosen)
        self.learner.learn()
        self.watch(self)

    def settle(self, seconds: float | None = None) -> None:
        """Let the leaders race against the defaults, those that promise most first.

        After `seconds` the rest has to do without; nothing of it is accepted here.
        """
        started = self.clock()
        for each in sorted(self.tasks, key=_saving, reverse=True):
            if seconds is not None and self.clock() - started >= seconds:
                break
            self._settle(each)

    def _settle(self, each: TaskTuner) -> None:
        if each.default is None:
            return
        default = each.input_of(each.default)
        for entry in finalists(each)[:1]:
            comparison = self.measurer.compare(default, each.input_of(entry.proposal))
            self.comparisons[each.task.key] = comparison
            each.compared(comparison)
            if comparison.accepted:
                self.keeper.flush()
                self.database.accept(entry.record)
                return
            key = machine_key(self.machine.target, self.machine.threads, self.machine.exact)
            standing = self.database.accepted(each.task.key, each.task.text, key)
            if standing == entry.record.trace:
                self.database.reject(each.task.key, key)

    def _budget_is_used(self, in_flight: int) -> bool:
        left = self.seconds_left
        if left is not None and left <= 0:
            self.stopped_because = "the time is used up"
            return True
        if self.settings.trials is not None and self.trials + in_flight >= self.settings.trials:
            self.stopped_because = "the trials are used up"
            return True
        return False

    def _task_tuner(self, number: int, task: Task) -> TaskTuner:
        problem = TaskProblem(task, self.machine, self.learner)
        seed = self.settings.seed * 10_007 + number
        search: Search = STRATEGIES[self.settings.strategy](problem, seed)
        return TaskTuner(
            task, self.machine, search, problem, self.learner, self.keeper, self.limits,
            self.started, from_default=self.settings.from_default,
        )  # fmt: skip

    def _seed_from(self, each: TaskTuner) -> None:
        extents = extents_of(each.task.func)
        for entry in each.ranking[:KEPT]:
            if entry.proposal.knobs:
                knobs, seconds = entry.proposal.knobs, entry.seconds
                self.seeds.add(Seed(each.task.key, extents, knobs, seconds))


def finalists(each: TaskTuner) -> list[Entry]:
    """The measured proposals that seem faster than the default, the fastest first.

    Then one of another algorithm, if any: what moves more data may be slower in a model.
    """
    if each.default_seconds is None:
        return []
    enough = _WORTH_COMPARING * each.default_seconds
    faster = [entry for entry in each.ranking if entry.seconds < enough]
    if not faster:
        return []
    algorithms = [algorithm_of(entry.proposal.knobs) for entry in faster]
    other = next((n for n, found in enumerate(algorithms) if found != algorithms[0]), 0)
    order = dict.fromkeys((0, other, *range(1, len(faster))))
    return [faster[number] for number in order][:_FINALISTS]


def _saving(each: TaskTuner) -> float:
    if each.best is None or each.default_seconds is None:
        return 0.0
    return each.task.count * (each.default_seconds - each.best.seconds)
