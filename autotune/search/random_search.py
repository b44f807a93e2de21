"""random: points drawn evenly. What every other strategy has to beat."""

from __future__ import annotations

from typing import ClassVar

from mlc.autotune.search.base import Search
from mlc.autotune.search.problem import Proposal


class RandomSearch(Search):
    """See the top of this file."""

    name: ClassVar[str] = "random"

    def propose(self, number: int) -> list[Proposal]:
        """Proposals at random until the space is exhausted."""
        return self.take(self.any_new(number).values())
