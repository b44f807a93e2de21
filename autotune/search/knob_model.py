"""A quick guess at the points of one task by their knobs alone.

Scheduling a point and describing its loops take milliseconds, a guess takes microseconds: many
points are thought of, and only those whose knobs did well so far are scheduled and scored by the
cost model. The guess is that every value of a knob adds its part to the logarithm of the time
(ridge regression over one column per value); what knobs do together is left to the cost model.

    >>> model = KnobModel(fewest=4)
    >>> for rows, seconds in ((1, 8.0), (2, 4.0), (4, 2.0), (8, 3.0)):
    ...     for order, factor in (("columns", 1.0), ("rows", 2.0)):
    ...         model.learn({"rows": rows, "order": order}, factor * seconds)
    >>> model.order([{"rows": 8, "order": "rows"}, {"rows": 4, "order": "columns"}])
    [{'rows': 4, 'order': 'columns'}, {'rows': 8, 'order': 'rows'}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.passes.schedule.templates.base import Knobs

_Value = tuple[str, int | str | bool]

_SLOWEST = 4.0
"""Times of the fastest beyond which it does not matter how slow a point is."""
_RIDGE = 1.0
"""The weight of the guess that a value makes no difference, in measurements."""


class KnobModel:
    """Learns measured points; `fewest` is how many it takes before it guesses at all."""

    def __init__(self, fewest: int = 16) -> None:
        self.fewest = fewest
        self._points: list[Knobs] = []
        self._seconds: list[float] = []
        self._costs: dict[_Value, float] | None = None

    def learn(self, knobs: Knobs, seconds: float) -> None:
        """Take in a measurement."""
        self._points.append(knobs)
        self._seconds.append(seconds)
        self._costs = None

    def order(self, points: Sequence[Knobs]) -> list[Knobs]:
        """The points, those first that are thought fastest; as given while too little is known."""
        if len(self._points) < self.fewest:
            return list(points)
        if self._costs is None:
            self._costs = _fit(self._points, self._seconds)
        costs = self._costs
        return sorted(points, key=lambda knobs: _cost(costs, knobs))


def _cost(costs: Mapping[_Value, float], knobs: Knobs) -> float:
    return sum(costs.get(value, 0.0) for value in knobs.items())


def _fit(points: Sequence[Knobs], seconds: Sequence[float]) -> dict[_Value, float]:
    """What each value adds to the logarithm of the time, against the mean."""
    values = {value: None for knobs in points for value in knobs.items()}
    column = {value: number for number, value in enumerate(values)}
    rows = np.zeros((len(points), len(column)))
    for row, knobs in zip(rows, points, strict=True):
        row[[column[value] for value in knobs.items()]] = 1.0
    times: NDArray[np.float64] = np.asarray(seconds)
    slower = np.log(np.minimum(times / times.min(), _SLOWEST))
    weights: NDArray[Any] = np.linalg.solve(
        rows.T @ rows + _RIDGE * np.eye(len(column)), rows.T @ (slower - slower.mean())
    )
    return dict(zip(column, map(float, weights), strict=True))
