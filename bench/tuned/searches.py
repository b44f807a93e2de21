"""Search against chance: equal trials; and few trials against many.

Who is faster is decided by racing the leaders of both searches in turns, not by comparing times
that were measured minutes apart. A race has several heats, for which both are loaded anew, each of
them first in every other heat: where in memory a kernel lies makes it a percent faster or slower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.tuned.common import equal_trials, fresh_database, host, name_of, representative
from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.records import Database
from mlc.autotune.task import Task
from mlc.autotune.task_tuner import TaskTuner
from mlc.autotune.tuner import Tuner
from mlc.errors import TuningError

Row = dict[str, Any]

_HEATS = 4
_BY_CHANCE = 0.01
"""How likely chance may make one of two equally fast kernels look faster."""


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

    `as_fast`: within `tie` of the other's time or faster, for less is below what differs from one
    quiet minute to another; `faster` and `slower`: as the rounds of the race say, and not by
    chance. Both measure the default first, or `from_default` is False and neither is told of it:
    then all that they find, they find themselves.
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
    return [{**row, "as_fast": row["ratio"] >= 1 - tie} for row in rows]


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
    ratios = race(measurer, ours, theirs, rounds)
    faster, slower = (sum(ratio > 1 for ratio in ratios), sum(ratio < 1 for ratio in ratios))
    return {
        "task": name_of(ours.task),
        "space": ours.problem.space.size,
        "trials": len(ours.trials),
        "other_trials": len(theirs.trials) + theirs.recalled,
        "best_us": ours.best.seconds * 1e6 if ours.best else None,
        "other_best_us": theirs.best.seconds * 1e6 if theirs.best else None,
        "default_us": ours.default_seconds * 1e6 if ours.default_seconds else None,
        "ratio": float(np.median(ratios)),
        "faster": faster > slower and by_chance(faster, slower) < _BY_CHANCE,
        "slower": slower > faster and by_chance(slower, faster) < _BY_CHANCE,
    }


def race(measurer: Measurer, ours: TaskTuner, theirs: TaskTuner, rounds: int) -> Sequence[float]:
    """The other leader's time by ours in each round of all heats; 1 where both are the same.

    Raises `TuningError` where one of the two has no leader, or does not run any more.
    """
    if ours.best is None or theirs.best is None:
        raise TuningError(f"nothing was measured of {name_of(ours.task)}")
    if ours.best.proposal.key == theirs.best.proposal.key:
        return [1.0]
    other, own = theirs.input_of(theirs.best.proposal), ours.input_of(ours.best.proposal)
    ratios: list[float] = []
    for heat in range(_HEATS):
        first, second = (other, own) if heat % 2 == 0 else (own, other)
        found = measurer.compare(first, second, -(-rounds // _HEATS))
        if not found.rounds:
            raise TuningError(f"no race of {name_of(ours.task)}: {found.leader.message}")
        ahead = np.array([one / two for one, two in found.rounds])
        ratios += (ahead if heat % 2 == 0 else 1 / ahead).tolist()
    return ratios


def by_chance(won: int, lost: int) -> float:
    """How likely equals win so unevenly (sign test, both sides; ties count for nobody).

    >>> by_chance(5, 0), by_chance(3, 3)
    (0.0625, 1.0)
    """
    number = won + lost
    fewer = sum(math.comb(number, count) for count in range(min(won, lost) + 1))
    return min(1.0, fewer / 2.0 ** (number - 1))
