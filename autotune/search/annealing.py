"""annealing: walks through the space that the cost model draws uphill, less and less patiently.

Each of several walkers steps to a neighbour where the score is higher, and with a probability that
falls with the temperature where it is lower. The best points that were passed are proposed.

Source: S. Kirkpatrick, C. D. Gelatt, M. P. Vecchi, "Optimization by simulated annealing", Science
220 (1983); walkers over a cost model as in T. Chen et al., "Learning to optimize tensor programs",
NeurIPS 2018.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mlc.autotune.search.base import Search, spread
from mlc.autotune.search.problem import Problem, Proposal


class Annealing(Search):
    """See the top of this file. `walkers` take `steps` each per proposal."""

    name: ClassVar[str] = "annealing"

    def __init__(
        self, problem: Problem, seed: int = 0, *, walkers: int = 8, steps: int = 6,
        greedy: float = 0.85,
    ) -> None:  # fmt: skip
        super().__init__(problem, seed)
        self.walkers = walkers
        self.steps = steps
        self.greedy = greedy
        self._places: list[Proposal] = []

    def propose(self, number: int) -> list[Proposal]:
        """The best that the walkers passed, and a share at random."""
        chosen: dict[str, Proposal] = {}
        if self.problem.guided:
            passed = self._walk()
            chosen.update((each.key, each) for each in spread(passed, round(number * self.greedy)))
        chosen.update(self.any_new(number - len(chosen), chosen))
        return self.take(chosen.values())

    def _walk(self) -> list[Proposal]:
        """New candidates that the walkers passed, from the best score to the worst."""
        places = self._places or self._starts()
        if not places:
            return []
        scores = self.problem.scores(places)
        passed = {each.key: (score, each) for each, score in zip(places, scores, strict=True)}
        for step in range(self.steps):
            temperature = 1.0 - step / self.steps
            moves = [self._neighbour(place) for place in places]
            found = self.problem.scores(moves)
            width = float(np.ptp(found)) or 1.0
            rise = (found - scores) / (width * max(temperature, 1e-3))
            chances = np.array([self.rng.random() for _ in places])
            accepted = chances < np.exp(np.minimum(rise, 0.0))
            pairs = zip(moves, places, accepted, strict=True)
            places = [move if yes else place for move, place, yes in pairs]
            scores = np.where(accepted, found, scores)
            seen = zip(moves, found, strict=True)
            passed.update((each.key, (score, each)) for each, score in seen)
        self._places = places
        ranked = sorted(passed.values(), key=lambda entry: -entry[0])
        return [candidate for _, candidate in ranked if self.is_new(candidate)]

    def _starts(self) -> list[Proposal]:
        best = [candidate for _, candidate in self.ranking[: self.walkers // 2]]
        return best + list(self.any_new(self.walkers - len(best)).values())

    def _neighbour(self, place: Proposal) -> Proposal:
        """A point beside a place that applies; the place itself where a few tries find none."""
        for _ in range(4):
            found = self.problem.candidate(self.problem.space.mutate(place.knobs, self.rng))
            if found is not None:
                return found
        return place
