"""A quick guess at the points of one task by their knobs alone.

Scheduling a point and describing its loops take milliseconds, a guess takes microseconds: many
points are thought of, and only those whose knobs promise most are scheduled and scored by the cost
model. The guess is a Gaussian process over the logarithm of the time. Two points are the less alike
the more their knobs differ: each knob counts twice, whether it differs at all, and by how many
octaves; and which knobs matter is learnt. Where little is known, points promise more than is
expected of them (the lower confidence bound of their times).

Source of the bound: N. Srinivas et al., "Gaussian process optimization in the bandit setting",
ICML 2010.

    >>> model = KnobModel(fewest=4)
    >>> for rows, seconds in ((1, 8.0), (2, 4.0), (4, 2.0), (8, 3.0)):
    ...     for order, factor in (("columns", 1.0), ("rows", 2.0)):
    ...         model.learn({"rows": rows, "order": order}, factor * seconds)
    >>> model.order([{"rows": 8, "order": "rows"}, {"rows": 4, "order": "columns"}])
    [{'rows': 4, 'order': 'columns'}, {'rows': 8, 'order': 'rows'}]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.autotune.search.gaussian_process import Floats, GaussianProcess
from mlc.passes.schedule.templates.base import Knobs

_SLOWEST = 4.0
"""Times of the fastest beyond which it does not matter how slow a point is."""
_FARTHEST = 3.0
"""Octaves beyond which values are not farther apart; so far is a knob that only one point has."""
_PER_OCTAVE, _IF_DIFFERENT, _NOISE = np.log([0.3, 0.15, 0.01])
"""What is expected of the weight of a knob's octaves, of its being different, and of the noise."""


class KnobModel:
    """Learns measured points; `fewest` is how many it takes before it guesses at all.

    It guesses by the fastest `most` of them.
    """

    def __init__(self, fewest: int = 8, most: int = 96) -> None:
        self.fewest = fewest
        self.most = most
        self._points: list[Knobs] = []
        self._seconds: list[float] = []
        self._columns: dict[str, None] = {}
        self._words: dict[str, int] = {}
        self._logs: dict[tuple[str, int], float] = {}
        self._fitted: tuple[Floats, GaussianProcess] | None = None

    def learn(self, knobs: Knobs, seconds: float) -> None:
        """Take in a measurement."""
        self._points.append(knobs)
        self._seconds.append(seconds)
        self._columns.update(dict.fromkeys(knobs))
        self._fitted = None

    @property
    def ready(self) -> bool:
        """Whether enough is known for a guess."""
        return len(self._points) >= self.fewest

    def order(self, points: Sequence[Knobs], hope: float = 1.0) -> list[Knobs]:
        """The points, those first that promise most; as given while too little is known."""
        promises = self.promises(points, hope)
        return [points[index] for index in np.argsort(-promises, kind="stable")]

    def promises(self, points: Sequence[Knobs], hope: float = 1.0) -> Floats:
        """How fast each point may be, as a logarithm: higher is faster; zeros while not ready.

        That is `hope` standard deviations faster than is expected of it.
        """
        if not self.ready or not points:
            return np.zeros(len(points))
        if self._fitted is None:
            self._fitted = self._fit()
        known, process = self._fitted
        means, doubts = process.predict(_distances(self._coded(points), known))
        return hope * doubts - means

    def _fit(self) -> tuple[Floats, GaussianProcess]:
        """The coded points and their process, which begins with the weights of the last one."""
        fastest = np.argsort(self._seconds, kind="stable")[: self.most]
        known = self._coded([self._points[index] for index in fastest])
        times = np.asarray(self._seconds)[fastest]
        slower = np.log(np.minimum(times / times.min(), _SLOWEST))
        kinds = [(name, kind) for kind in (0, 1) for name in self._columns] + [("", 2)]
        expected = np.array([(_PER_OCTAVE, _IF_DIFFERENT, _NOISE)[kind] for _, kind in kinds])
        start = np.array([self._logs.get(*each) for each in zip(kinds, expected, strict=True)])
        process = GaussianProcess(_distances(known, known), slower, expected, start)
        self._logs.update(zip(kinds, map(float, process.logs), strict=True))
        return known, process

    def _coded(self, points: Sequence[Knobs]) -> Floats:
        """A row per point, a column per knob; not a number where a point does not have the knob."""
        rows = [[self._code(knobs.get(name)) for name in self._columns] for knobs in points]
        return np.array(rows, np.float64)

    def _code(self, value: int | str | bool | None) -> float:
        """Octaves of a number; words lie farther apart than counts."""
        if value is None:
            return np.nan
        if isinstance(value, str):
            return 100.0 * self._words.setdefault(value, 1 + len(self._words))
        return float(np.log2(1 + abs(value)))


def _distances(first: Floats, second: Floats) -> Floats:
    """Rows of `first` by rows of `second` by kinds: octaves of each knob, then whether it differs.

    A word is the farthest from any other.
    """
    here, there = first[:, None, :], second[None, :, :]
    octaves = np.minimum(np.abs(here - there), _FARTHEST)
    octaves = np.where(np.isnan(octaves), _FARTHEST, octaves)
    octaves = np.where(np.isnan(here) & np.isnan(there), 0.0, octaves)
    return np.concatenate([octaves, np.sign(octaves)], axis=-1)
