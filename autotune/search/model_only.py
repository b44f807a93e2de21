"""model: what the cost model finds best, without a search by measuring.

One proposal of one candidate: the best by score among the default and an even sample of the space.
A model that knows nothing proposes the default.
"""

from __future__ import annotations

from typing import ClassVar

from mlc.autotune.search.base import Search
from mlc.autotune.search.problem import Problem, Proposal


class ModelOnly(Search):
    """See the top of this file. `sample`: how many points are scored."""

    name: ClassVar[str] = "model"

    def __init__(self, problem: Problem, seed: int = 0, *, sample: int = 128) -> None:
        super().__init__(problem, seed)
        self.sample = sample

    def propose(self, number: int) -> list[Proposal]:
        """The best by score, at the first call alone."""
        if number < 1:
            return []
        if self._proposed:
            return []
        found = self.fresh(1, [self.problem.space.default])
        if self.problem.guided:
            found.update(self.any_new(self.sample))
        return self.take(self.ranked(list(found.values()))[:1])
