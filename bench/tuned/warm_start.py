"""What another model's records are worth: trials until the speed that a cold start ends with."""

from __future__ import annotations

from typing import Any

from bench.tuned.common import equal_trials, fresh_database, host, tasks_of
from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.records import Database
from mlc.autotune.tuner import Tuner
from mlc.autotune.warm import warm_up

Curve = list[tuple[int, float]]


def cold_and_warm(
    source: str,
    model: str,
    number: int,
    threads: int,
    trials: int,
    seed: int,
    slack: float,
    from_default: bool = True,
) -> dict[str, Any]:
    """Tune `source`, then `model` twice: with nothing known, and with the records of `source`.

    Both are judged by the seconds of the model's heaviest tasks, calls counted. The trials that the
    warm start needs until it is within `slack` of where the cold one ended are compared with those
    that the cold one itself needed until there.
    """
    with Measurer() as measurer, fresh_database() as known, fresh_database() as empty:
        machine = host(threads)
        first = heaviest(source, number, threads)
        equal_trials(first, machine, known, measurer, "evolutionary", trials, seed)
        tasks = heaviest(model, number, threads)
        cold = _curve_of(tasks, threads, empty, measurer, trials, seed + 1, None, from_default)
        warm = _curve_of(tasks, threads, known, measurer, trials, seed + 1, known, from_default)
    goal = cold[-1][1] * (1 + slack)
    needed_cold, needed_warm = trials_until(cold, goal), trials_until(warm, goal)
    return {
        "source": source,
        "model": model,
        "tasks": len(tasks),
        "goal_us": goal * 1e6,
        "cold_trials": needed_cold,
        "warm_trials": needed_warm,
        "share": None if needed_warm is None or not needed_cold else needed_warm / needed_cold,
        "cold": cold,
        "warm": warm,
    }


def heaviest(model: str, number: int, threads: int) -> list[Any]:
    """The tasks of a model with most work."""
    tasks = sorted(tasks_of(model, threads), key=lambda task: -task.count * task.work.flops)
    return tasks[:number]


def trials_until(curve: Curve, goal: float) -> int | None:
    """The trials after which a curve is at its goal; None where it never is.

    >>> trials_until([(8, 5.0), (16, 3.0), (24, 2.0)], 3.0)
    16
    """
    return next((trials for trials, seconds in curve if seconds <= goal), None)


def _curve_of(
    tasks: list[Any],
    threads: int,
    database: Database,
    measurer: Measurer,
    trials: int,
    seed: int,
    known: Database | None,
    from_default: bool,
) -> Curve:
    """The trials so far, and the seconds of the best of all tasks, after each round."""
    machine = host(threads)
    curve: Curve = []

    def note(tuner: Tuner) -> None:
        if all(each.best is not None for each in tuner.tasks):
            best = sum(each.task.count * each.best.seconds for each in tuner.tasks if each.best)
            curve.append((tuner.trials, best))

    def warm(tuner: Tuner) -> None:
        if known is not None:
            keys = {each.task.key for each in tuner.tasks}
            warm_up(tuner.learner, tuner.seeds, known, machine, keys)

    equal_trials(
        tasks,
        machine,
        database,
        measurer,
        "evolutionary",
        trials,
        seed,
        note,
        warm,
        batch=4,
        from_default=from_default,
    )
    return curve
