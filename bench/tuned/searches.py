"""Search against chance: equal trials; and few trials against many.

Who is faster is decided by racing the leaders of both searches in turns, not by comparing times
that were measured minutes apart.
"""

from __future__ import annotations

from typing import Any

from bench.tuned.common import equal_trials, fresh_database, host, name_of, representative
from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.records import Database
from mlc.autotune.task import Task
from mlc.autotune.task_tuner import TaskTuner
from mlc.autotune.tuner import Tuner

Row = dict[str, Any]


def against_random(
    models: list[str],
    number: int,
    threads: int,
    trials: int,
    seed: int,
    rounds: int,
    tie: float,
    *,
    from_default: bool = True,
) -> list[Row]:
    """Per task: how much faster the search's leader is than that of random search.

    A leader within `tie` of the other's time is no loss: it is below what can be measured. Both
    measure the default first, or `from_default` is False and neither is told of it: then all that
    they find, they find themselves.
    """
    tasks = representative(models, threads, number)
    with Measurer() as measurer, fresh_database() as ours, fresh_database() as theirs:
        machine = host(threads)
        guided, chance = (
            equal_trials(
                tasks, machine, database, measurer, strategy, trials, seed,
                from_default=from_default,
            )
            for strategy, database in (("evolutionary", ours), ("random", theirs))
        )  # fmt: skip
        rows = [
            raced(measurer, left, right, rounds)
            for left, right in zip(guided.tasks, chance.tasks, strict=True)
        ]
    return [{**row, "win": row["ratio"] >= 1 - tie} for row in rows]


def few_against_many(
    models: list[str], number: int, threads: int, few: int, many: int, seed: int, rounds: int
) -> list[Row]:
    """Per task: the leader of `few` trials by the best of `many` random and evolutionary ones."""
    tasks = representative(models, threads, number)
    machine = host(threads)
    with Measurer() as measurer, fresh_database() as small, fresh_database() as large:
        quick = equal_trials(tasks, machine, small, measurer, "evolutionary", few, seed)
        long = _many(tasks, threads, large, measurer, many, seed + 1)
        return [
            raced(measurer, left, right, rounds)
            for left, right in zip(quick.tasks, long.tasks, strict=True)
        ]


def _many(
    tasks: list[Task], threads: int, database: Database, measurer: Measurer, many: int, seed: int
) -> Tuner:
    """Half of the trials at random; then evolution, which begins with the records of those."""
    machine = host(threads)
    equal_trials(tasks, machine, database, measurer, "random", many // 2, seed)
    return equal_trials(tasks, machine, database, measurer, "evolutionary", many - many // 2, seed)


def raced(measurer: Measurer, ours: TaskTuner, theirs: TaskTuner, rounds: int) -> Row:
    """A row: the best of both, and the race of the two."""
    return {
        "task": name_of(ours.task),
        "space": ours.problem.space.size,
        "trials": len(ours.trials),
        "other_trials": len(theirs.trials) + theirs.recalled,
        "best_us": ours.best.seconds * 1e6 if ours.best else None,
        "other_best_us": theirs.best.seconds * 1e6 if theirs.best else None,
        "default_us": ours.default_seconds * 1e6 if ours.default_seconds else None,
        "ratio": ratio(measurer, ours, theirs, rounds),
    }


def ratio(measurer: Measurer, ours: TaskTuner, theirs: TaskTuner, rounds: int) -> float:
    """The other leader's time by ours, in turns; 1 where both are the same."""
    if ours.best is None or theirs.best is None:
        return 1.0 if ours.best is theirs.best else float(ours.best is not None) * 2
    if ours.best.proposal.key == theirs.best.proposal.key:
        return 1.0
    first, second = theirs.input_of(theirs.best.proposal), ours.input_of(ours.best.proposal)
    return measurer.compare(first, second, rounds).speedup
