"""grid: every point, in the space's order."""

from __future__ import annotations

from typing import ClassVar

from mlc.autotune.search.base import Search
from mlc.autotune.search.problem import Problem, Proposal


class GridSearch(Search):
    """See the top of this file."""

    name: ClassVar[str] = "grid"

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        super().__init__(problem, seed)
        self._points = problem.space.enumerate()

    def propose(self, number: int) -> list[Proposal]:
        """The next candidates in order."""
        return self.take(self.fresh(number, self._points).values())
