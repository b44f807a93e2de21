"""The cost model while tuning: fed with every measurement, fitted anew as they come.

All tasks share one model. Candidates that failed teach it nothing: what makes a schedule wrong is a
bug, and what makes it too large is not about speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlc.autotune.cost_model import Sample

Features = NDArray[np.float32]

FEWEST = 12
"""Samples before the model is believed."""

_TREES = 10
_NEWS = 16
"""The more samples are known, the more it takes to tell something new: this part of them."""


class Model(Protocol):
    """What is needed of a cost model."""

    def fit(self, samples: Sequence[Sample]) -> None:
        """Learn from all samples anew."""

    def refit(self, samples: Sequence[Sample], rounds: int = ...) -> None:
        """Learn a little more, in a few trees."""

    def predict(self, features: Features) -> NDArray[Any]:
        """The score of each row: higher is faster."""


class Learner:
    """Samples and the model that learnt from them.

    `model` may be None: nothing is learnt then, and nothing is predicted. `step`: so many samples
    at least are news; `growth`: by how much the samples must have grown for learning everything
    anew; what comes in between only adds to what is known.
    """

    def __init__(self, model: Model | None, *, step: int = 16, growth: float = 2.0) -> None:
        self.model = model
        self.samples: list[Sample] = []
        self.step = step
        self.growth = growth
        self._learnt = 0
        self._learnt_anew = 0

    @property
    def guided(self) -> bool:
        """Whether predictions mean something."""
        return self._learnt > 0

    def add(self, task_key: str, features: Features, seconds: float) -> None:
        """A measurement more."""
        self.samples.append(Sample(task_key, features, seconds))

    def learn(self) -> None:
        """Bring the model up to date, where enough is new."""
        number = len(self.samples)
        if self.model is None or number < FEWEST:
            return
        if self.guided and number - self._learnt < max(self.step, self._learnt // _NEWS):
            return
        if number >= self.growth * self._learnt_anew:
            self.model.fit(self.samples)
            self._learnt_anew = number
        else:
            self.model.refit(self.samples, _TREES)
        self._learnt = number

    def scores(self, features: Sequence[Features]) -> NDArray[np.float32]:
        """One score per candidate; zeros as long as nothing is known."""
        if not features or self.model is None or not self.guided:
            return np.zeros(len(features), np.float32)
        scores: NDArray[np.float32] = self.model.predict(np.stack(features))
        return scores
