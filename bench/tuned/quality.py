"""The cost model on tasks that it was not trained on, by recorded measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from bench.tuned.common import equal_trials, host, representative
from mlc.autotune.cost_model import OBJECTIVES, Sample
from mlc.autotune.evaluation import evaluate
from mlc.autotune.learner import Learner
from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.records import Database
from mlc.autotune.seeds import Seeds
from mlc.autotune.warm import warm_up
from mlc.passes.schedule.templates.base import Machine


class Collector:
    """A model that learns nothing: it is there for the samples."""

    def fit(self, samples: Sequence[Sample]) -> None:
        """Nothing."""

    def refit(self, samples: Sequence[Sample], rounds: int = 0) -> None:
        """Nothing."""

    def predict(self, features: Any) -> Any:
        """Nothing that anybody asks for."""
        return features[:, 0]


def collect(
    database: Database, models: list[str], number: int, threads: int, trials: int, seed: int
) -> int:
    """Record random candidates of some tasks; gives how many records there are."""
    tasks = representative(models, threads, number)
    with Measurer() as measurer:
        equal_trials(tasks, host(threads), database, measurer, "random", trials, seed)
    return len(database)


def samples_of(databases: Iterable[Database], machine: Machine, most: int) -> list[Sample]:
    """All measured candidates that databases know, described."""
    learner = Learner(Collector())
    for database in databases:
        warm_up(learner, Seeds(), database, machine, (), most, per_task=most)
    return learner.samples


def left_out(samples: Sequence[Sample], folds: int, fewest: int, seed: int) -> list[dict[str, Any]]:
    """A row per objective; tasks with fewer candidates than `fewest` say little and are left."""
    counts: dict[str, int] = {}
    for sample in samples:
        counts[sample.task] = counts.get(sample.task, 0) + 1
    kept = [sample for sample in samples if counts[sample.task] >= fewest]
    return [
        {"objective": objective, **asdict(evaluate(kept, folds, objective=objective, seed=seed))}
        for objective in OBJECTIVES
    ]
