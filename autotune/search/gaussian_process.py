"""Regression by a Gaussian process: a mean and a doubt for each point, from few noisy values.

Points are known by their distances alone, of several kinds: the values of two points are the more
alike the nearer they are, by exp(-Σ weight · distance). The weight of each kind, which says how
much it matters, and the share of noise are those that make the values most likely, held near an
expectation while there are few values; they are found by steps along one of them at a time.

Source: C. E. Rasmussen, C. K. I. Williams, "Gaussian processes for machine learning", MIT Press
2006, sections 2.2 and 5.4.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_HOLD = 0.35
"""How strongly the logarithms of the weights are held near what is expected of them."""
_STEP = 1.0
"""How far a logarithm is moved at once."""
_LEAST_VARIANCE = 1e-9


class GaussianProcess:
    """Fitted to `values` (n) of points that are `distances` (n, n, kinds) apart.

    `expected` and `start` are logarithms: the weight of each kind, and last the variance of the
    noise as a share of that of the values. `logs` are those found in `passes` over all of them.
    """

    def __init__(
        self, distances: Floats, values: Floats, expected: Floats, start: Floats, passes: int = 2
    ) -> None:
        self._distances = distances
        self._expected = expected
        self._mean = float(values.mean())
        self._values = values - self._mean
        self.logs = self._likeliest(start, passes)
        root = self._root(self.logs)
        half = np.linalg.solve(root, self._values)
        self._root_of_best = root
        self._pull: Floats = np.linalg.solve(root.T, half)
        self._variance = max(_LEAST_VARIANCE, float(half @ half) / len(values))

    def predict(self, distances: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of points (m) so far (m, n, kinds) from those known."""
        alike = _alike(distances, self.logs)
        known = np.linalg.solve(self._root_of_best, alike.T)
        unknown = np.maximum(1.0 - np.square(known).sum(axis=0), 0.0)
        return self._mean + alike @ self._pull, np.sqrt(self._variance * unknown)

    def _likeliest(self, logs: Floats, passes: int) -> Floats:
        least = self._surprise(logs)
        for index in [*range(len(logs))] * passes:
            for step in (_STEP, -_STEP):
                moved = logs.copy()
                moved[index] += step
                surprise = self._surprise(moved)
                if surprise < least:
                    least, logs = surprise, moved
                    break
        return logs

    def _surprise(self, logs: Floats) -> float:
        """The negative logarithm of how likely the values and the weights are, but a constant."""
        root = self._root(logs)
        half = np.linalg.solve(root, self._values)
        number = len(half)
        misfit = 0.5 * number * np.log(_LEAST_VARIANCE + half @ half / number)
        held = 0.5 * _HOLD * np.square(logs - self._expected).sum()
        return float(misfit + np.log(np.diag(root)).sum() + held)

    def _root(self, logs: Floats) -> NDArray[Any]:
        """Cholesky's factor of how much alike the known points are, noise included."""
        noise = np.exp(logs[-1]) * np.eye(len(self._values))
        root: NDArray[Any] = np.linalg.cholesky(_alike(self._distances, logs) + noise)
        return root


def _alike(distances: Floats, logs: Floats) -> Floats:
    alike: Floats = np.exp(-(distances @ np.exp(logs[:-1])))
    return alike
