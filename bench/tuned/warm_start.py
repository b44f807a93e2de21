"""What another model's records are worth: trials until a task runs as fast as the best known.

A cold and a warm search tune the same tasks, round by round in turn, so that whatever disturbs the
machine disturbs both; neither is told of the default schedules. How fast a search was after so many
trials is not read off what it measured, for the least of many times is a lucky one: everything that
led a search at some time is measured again in the end, several times over, all of a task in turns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.tuned.common import equal_trials, fresh_database, host, name_of, tasks_of
from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.measurement import MeasureInput
from mlc.autotune.records import Database
from mlc.autotune.session import make_learner
from mlc.autotune.task import Task
from mlc.autotune.tuner import Settings, Tuner
from mlc.autotune.warm import warm_up
from mlc.passes.schedule.trace import Trace

Leaders = list[tuple[int, str]]
"""What was fastest so far, by the text of its steps, and since which trial."""

STARTS = ("cold", "warm")

PAIRS = ("resnet50:densenet121", "resnet50:inception_v2", "bert_base:gpt2_prompt")
"""Models whose records are known, and models that are tuned."""


@dataclass(frozen=True)
class Plan:
    """How much is searched, and how long.

    `tasks` of each model, the heaviest, by `searches` of each kind, each from a seed of its own,
    with so many `trials` per task; before, so many `known_tasks` of the other model with
    `known_trials` each.
    """

    tasks: int = 4
    trials: int = 20
    searches: int = 3
    known_tasks: int = 8
    known_trials: int = 40
    batch: int = 4
    threads: int = 1
    seed: int = 0


@dataclass
class Outcome:
    """Of one task: what led each search, and what the machine makes of all these in the end."""

    task: Task
    leaders: dict[str, list[Leaders]] = field(default_factory=lambda: {name: [] for name in STARTS})
    traces: dict[str, Trace] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def best(self) -> float:
        """The fastest seconds known, of all searches."""
        return min(self.seconds.values())

    def needed(self, start: str, slack: float, most: int) -> list[int]:
        """Trials of each search until within `slack` of the best; `most` where it never is."""
        goal = self.best * (1 + slack)
        return [trials_until(each, self.seconds, goal) or most for each in self.leaders[start]]

    def after(self, trials: int, start: str, search: int) -> float:
        """The seconds of what led a search after so many trials."""
        leaders = [steps for trial, steps in self.leaders[start][search] if trial <= trials]
        return self.seconds[leaders[-1]] if leaders else math.inf


TrialsNeeded = Callable[[Sequence[Outcome], str, float, Plan], list[int]]
"""The trials per task of each search, cold or warm, until within a slack of the best known."""


def rows_of(pairs: Iterable[str], plan: Plan, slacks: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Two rows per pair, as they come: its tasks alone, and together as the model calls them.

    The records of a source are made once.
    """
    models: dict[str, list[str]] = {}
    for pair in pairs:
        source, _, model = pair.partition(":")
        models.setdefault(source, []).append(model)
    for source, helped in models.items():
        with Measurer() as measurer, fresh_database() as known:
            machine = host(plan.threads)
            tasks = heaviest(source, plan.known_tasks, plan.threads)
            equal_trials(
                tasks, machine, known, measurer, "evolutionary", plan.known_trials, plan.seed
            )
            keys = {task.key for task in tasks}
            for model in helped:
                outcomes = cold_and_warm(model, plan, known, keys, measurer)
                for judged, trials in {"each task": by_task, "all together": together}.items():
                    row = {"source": source, "model": model, "judged": judged}
                    yield {**row, **figures(outcomes, plan, slacks, trials)}


def cold_and_warm(
    model: str, plan: Plan, known: Database, but: Iterable[str], measurer: Measurer
) -> list[Outcome]:
    """Search for the heaviest tasks of a model with nothing known, and with the records `known`.

    Tasks with the keys `but`, those of `known`, are left out: there is nothing to search for.
    """
    outcomes = [Outcome(task) for task in heaviest(model, plan.tasks, plan.threads, but)]
    for search in range(plan.searches):
        _search(outcomes, plan, plan.seed + 1 + search, measurer, known)
    for outcome in outcomes:
        outcome.seconds = _measured_again(outcome, measurer, plan.threads)
    return outcomes


def figures(
    outcomes: Sequence[Outcome], plan: Plan, slacks: Sequence[float], trials: TrialsNeeded
) -> dict[str, Any]:
    """Medians over all searches, and the geometric mean of warm by cold trials.

    A search that never gets there counts as if the trial after its last one did, cold or warm.
    """
    row: dict[str, Any] = {"tasks": len(outcomes)}
    for slack in slacks:
        cold, warm = (trials(outcomes, start, slack, plan) for start in STARTS)
        row[f"cold {slack:.0%}"] = float(median(cold))
        row[f"warm {slack:.0%}"] = float(median(warm))
        row[f"share {slack:.0%}"] = share(cold, warm)
    row["details"] = [_details(outcome, plan, slacks) for outcome in outcomes]
    return row


def by_task(outcomes: Sequence[Outcome], start: str, slack: float, plan: Plan) -> list[int]:
    """The trials per task of all searches of one kind, task by task."""
    return [n for each in outcomes for n in each.needed(start, slack, plan.trials + 1)]


def together(outcomes: Sequence[Outcome], start: str, slack: float, plan: Plan) -> list[int]:
    """The trials per task of each search until all tasks in sum, calls counted, are near the best.

    The best is that of all searches, task by task.
    """
    goal = sum(each.task.count * each.best for each in outcomes) * (1 + slack)
    return [
        next(
            (
                trials
                for trials in range(1, plan.trials + 1)
                if sum(each.task.count * each.after(trials, start, n) for each in outcomes) <= goal
            ),
            plan.trials + 1,
        )
        for n in range(plan.searches)
    ]


def share(cold: Sequence[int], warm: Sequence[int]) -> float:
    """The geometric mean of warm by cold trials.

    >>> share([8, 16], [4, 2])
    0.25
    """
    logs = [math.log(after / before) for before, after in zip(cold, warm, strict=True)]
    return math.exp(math.fsum(logs) / len(logs))


def heaviest(model: str, number: int, threads: int, but: Iterable[str] = ()) -> list[Task]:
    """The tasks of a model with most work, without those that have the keys `but`."""
    left_out = set(but)
    tasks = [task for task in tasks_of(model, threads) if task.key not in left_out]
    return sorted(tasks, key=lambda task: -task.count * task.work.flops)[:number]


def trials_until(leaders: Leaders, seconds: Mapping[str, float], goal: float) -> int | None:
    """The trials after which the leader is at its goal; None where none ever is.

    >>> trials_until([(1, "unroll(i)"), (5, "split(i)")], {"unroll(i)": 3.0, "split(i)": 2.0}, 2.5)
    5
    """
    return next((trials for trials, steps in leaders if seconds[steps] <= goal), None)


def _search(
    outcomes: Sequence[Outcome], plan: Plan, seed: int, measurer: Measurer, known: Database
) -> None:
    """A cold and a warm search that measure round by round in turn; notes what led them."""
    tasks = [outcome.task for outcome in outcomes]
    with ExitStack() as stack:
        tuners = {}
        for start in STARTS:
            database = stack.enter_context(fresh_database())
            tuners[start] = _tuner(tasks, plan, seed, measurer, database)
        keys = {task.key for task in tasks}
        warm = tuners["warm"]
        warm_up(warm.learner, warm.seeds, known, warm.machine, keys)
        warm.resume()
        for number in range(-(-plan.trials // plan.batch)):
            turn = STARTS if number % 2 else STARTS[::-1]
            for index in range(len(tasks)):
                for start in turn:
                    tuners[start].round(tuners[start].tasks[index])
        for start, tuner in tuners.items():
            for outcome in outcomes:
                outcome.leaders[start].append(_leaders(tuner.database, outcome))


def _tuner(
    tasks: Sequence[Task], plan: Plan, seed: int, measurer: Measurer, database: Database
) -> Tuner:
    settings = Settings(batch=plan.batch, seed=seed, from_default=False)
    return Tuner(tasks, host(plan.threads), database, measurer, make_learner(settings), settings)


def _leaders(database: Database, outcome: Outcome) -> Leaders:
    """What led a search, by its records, which are in the order of its trials."""
    fastest = math.inf
    found: Leaders = []
    for number, record in enumerate(database.records(outcome.task.key), 1):
        seconds = record.measurement.seconds
        if seconds is not None and seconds < fastest:
            fastest = seconds
            found.append((number, str(record.trace)))
            outcome.traces[str(record.trace)] = record.trace
    return found


def _measured_again(
    outcome: Outcome, measurer: Measurer, threads: int, rounds: int = 3
) -> dict[str, float]:
    """The median seconds of all that ever led a search of a task."""
    target, func = host(threads).target, outcome.task.func
    inputs = [MeasureInput.of(func, trace, target, threads) for trace in outcome.traces.values()]
    times: list[list[float]] = [[] for _ in inputs]
    for _ in range(rounds):
        for number, measurement in measurer.measure(inputs):
            if measurement.seconds is not None:
                times[number].append(measurement.seconds)
    middle = [median(seen) if seen else math.inf for seen in times]
    return dict(zip(outcome.traces, middle, strict=True))


def _details(outcome: Outcome, plan: Plan, slacks: Sequence[float]) -> dict[str, Any]:
    needed = {
        f"{start} {slack:.0%}": outcome.needed(start, slack, plan.trials + 1)
        for slack in slacks
        for start in STARTS
    }
    return {"task": name_of(outcome.task), "best_us": outcome.best * 1e6, **needed}
