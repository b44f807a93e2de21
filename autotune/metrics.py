"""How well scores rank candidates, as TenSet (Zheng et al., 2021) measures it, and regret.

All take the scores of one task's candidates (higher is thought faster) and their measured seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def pairwise_accuracy(scores: ArrayLike, seconds: ArrayLike, tolerance: float = 0.0) -> float:
    """The share of pairs of candidates whose order is told right; an equal score is half right.

    Pairs that took equally long say nothing, nor do those that differ by no more than `tolerance`
    (0.05: a twentieth), which tells what is noise; 0.5 where there are no others.

    >>> pairwise_accuracy([3.0, 2.0, 1.0], [0.1, 0.3, 0.2])
    0.6666666666666666
    """
    score, time = _arrays(scores, seconds)
    first, second = np.triu_indices(len(time), 1)
    slower = np.log(time[second] / time[first])
    better = np.sign(score[first] - score[second])
    clear = np.abs(slower) > np.log1p(tolerance)
    told = (1 + np.sign(slower) * better)[clear] / 2
    return float(told.mean()) if told.size else 0.5


def peak_score(scores: ArrayLike, seconds: ArrayLike, top: int) -> float:
    """The speed of the fastest of the `top` candidates by score, relative to the fastest of all.

    >>> peak_score([3.0, 2.0, 1.0], [0.2, 0.4, 0.1], 2)
    0.5
    """
    score, time = _arrays(scores, seconds)
    chosen = np.argsort(-score, kind="stable")[:top]
    return float(time.min() / time[chosen].min())


def regret(scores: ArrayLike, seconds: ArrayLike, top: int = 1) -> float:
    """How much longer the best of the `top` candidates takes than the best of all; 0 at best."""
    return 1 / peak_score(scores, seconds, top) - 1


@dataclass(frozen=True, slots=True)
class Ranking:
    """The candidates of one task: scores, seconds, and how much the task counts."""

    scores: Floats
    seconds: Floats
    weight: float = 1.0


def top_score(rankings: Sequence[Ranking], top: int) -> float:
    """TenSet's top-k score: the weighted sum of best times, over that of the best `top` by score.

    >>> fast = Ranking(np.array([2.0, 1.0]), np.array([1.0, 2.0]))
    >>> slow = Ranking(np.array([2.0, 1.0]), np.array([4.0, 2.0]))
    >>> top_score([fast, slow], 1)
    0.6
    """
    best = [ranking.weight * float(ranking.seconds.min()) for ranking in rankings]
    peaks = [peak_score(ranking.scores, ranking.seconds, top) for ranking in rankings]
    return sum(best) / sum(time / peak for time, peak in zip(best, peaks, strict=True))


def _arrays(scores: ArrayLike, seconds: ArrayLike) -> tuple[Floats, Floats]:
    return np.asarray(scores, np.float64), np.asarray(seconds, np.float64)
