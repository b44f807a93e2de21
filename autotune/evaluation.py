"""How good a cost model is on tasks that it was not trained on, from recorded measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlc.autotune.cost_model import CostModel, Sample
from mlc.autotune.metrics import Ranking, pairwise_accuracy, peak_score, regret, top_score
from mlc.errors import TuningError


@dataclass(frozen=True, slots=True)
class TaskQuality:
    """The figures of one task, see `mlc.autotune.metrics`.

    `clear`: the pairwise accuracy of those pairs that differ by more than what is noise.
    """

    task: str
    candidates: int
    pairwise: float
    clear: float
    top1: float
    top5: float
    regret1: float
    regret5: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Means over the tasks, TenSet's weighted top-k scores, and the figures of every task."""

    pairwise: float
    clear: float
    top1: float
    top5: float
    weighted_top1: float
    weighted_top5: float
    regret1: float
    regret5: float
    tasks: tuple[TaskQuality, ...]


def evaluate(
    samples: Sequence[Sample],
    folds: int = 5,
    *,
    objective: str = "rank",
    seed: int = 0,
    rounds: int = 100,
    weights: Mapping[str, float] | None = None,
    tolerance: float = 0.05,
) -> Evaluation:
    """Leave tasks out: train on those of all folds but one, score those of that one.

    Tasks are dealt to the folds in the order of their keys. `weights`: how much each task counts
    in the weighted scores, 1 where absent; `tolerance`: what is noise, see `pairwise_accuracy`.
    Raises `TuningError` where there are fewer tasks than folds, or fewer than two folds.
    """
    tasks = sorted({sample.task for sample in samples})
    if not 2 <= folds <= len(tasks):
        raise TuningError(f"{len(tasks)} tasks cannot be left out in {folds} folds")
    known = weights or {}
    qualities: list[TaskQuality] = []
    rankings: list[Ranking] = []
    for fold in range(folds):
        held = set(tasks[fold::folds])
        model = CostModel(objective, seed=seed, rounds=rounds)
        model.fit([sample for sample in samples if sample.task not in held])
        for task, ranking in _rankings(model, samples, held, known):
            qualities.append(_quality(task, ranking, tolerance))
            rankings.append(ranking)
    return _mean(qualities, rankings)


def _rankings(
    model: CostModel, samples: Sequence[Sample], tasks: set[str], weights: Mapping[str, float]
) -> Iterator[tuple[str, Ranking]]:
    for task in sorted(tasks):
        own = [sample for sample in samples if sample.task == task]
        scores = model.predict(np.stack([sample.features for sample in own]))
        seconds = np.array([sample.seconds for sample in own], np.float64)
        yield task, Ranking(scores.astype(np.float64), seconds, weights.get(task, 1.0))


def _quality(task: str, ranking: Ranking, tolerance: float) -> TaskQuality:
    scores, seconds = ranking.scores, ranking.seconds
    return TaskQuality(
        task,
        len(seconds),
        pairwise_accuracy(scores, seconds),
        pairwise_accuracy(scores, seconds, tolerance),
        peak_score(scores, seconds, 1),
        peak_score(scores, seconds, 5),
        regret(scores, seconds, 1),
        regret(scores, seconds, 5),
    )


def _mean(qualities: Sequence[TaskQuality], rankings: Sequence[Ranking]) -> Evaluation:
    def mean(name: str) -> float:
        return float(np.mean([getattr(quality, name) for quality in qualities]))

    return Evaluation(
        mean("pairwise"),
        mean("clear"),
        mean("top1"),
        mean("top5"),
        top_score(rankings, 1),
        top_score(rankings, 5),
        mean("regret1"),
        mean("regret5"),
        tuple(sorted(qualities, key=lambda quality: quality.task)),
    )
