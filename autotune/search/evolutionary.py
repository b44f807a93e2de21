"""evolutionary: generations of points that the cost model finds ever better.

The first generation is the best measured so far, points that were fast elsewhere, and random ones.
Parents are drawn by their rank; children are mutations and crossovers. The best of all generations
are proposed, apart from one another in their knobs, together with a share of random ones
(ε-greedy), so that the model hears of what it does not know. A generation is small, because
scheduling a candidate takes a part of the time of measuring it; but what was not proposed stays in
the pool, where the next generation has to beat it.

Source: L. Zheng et al., "Ansor: generating high-performance tensor programs for deep learning",
OSDI 2020, section 5.1; the spread of a batch follows T. Chen et al., "Learning to optimize tensor
programs", NeurIPS 2018.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from mlc.autotune.search.base import Result, Search, spread
from mlc.autotune.search.knob_model import KnobModel
from mlc.autotune.search.problem import Problem, Proposal
from mlc.passes.schedule.templates.base import Knobs

_Point = frozenset[tuple[str, int | str | bool]]

_POOL = 8
"""How many candidates wait for each one proposed."""
_THOUGHT_OF = 16
"""Children that are thought of for each one that is scheduled."""
_TRIED = 4
"""Children that are scheduled at most for each one that is found: many are known, or refused."""


class Evolutionary(Search):
    """See the top of this file.

    `generations` of `children` new candidates per proposed one; `mutation`: the share of children
    that have one parent; `greedy`: the share of a proposal that the model chooses.
    """

    name: ClassVar[str] = "evolutionary"

    def __init__(
        self,
        problem: Problem,
        seed: int = 0,
        *,
        generations: int = 1,
        children: int = 2,
        mutation: float = 0.7,
        greedy: float = 0.85,
    ) -> None:
        super().__init__(problem, seed)
        self.generations = generations
        self.children = children
        self.mutation = mutation
        self.greedy = greedy
        self._pool: dict[str, Proposal] = {}
        self._suggested: list[Knobs] = []
        self._guess = KnobModel()
        self._tried: set[_Point] = set()

    def tell(self, results: Iterable[Result]) -> None:
        """Take notice of measurements, and of what their knobs promise."""
        told = list(results)
        super().tell(told)
        for candidate, seconds in told:
            if seconds is not None:
                self._guess.learn(candidate.knobs, seconds)

    def suggest(self, points: Iterable[Knobs]) -> None:
        """Points to propose before all others, as far as this space has them."""
        self._suggested += [knobs for knobs in points if knobs in self.problem.space]

    def propose(self, number: int) -> list[Proposal]:
        """The seeds first; then by the model, with a share of chance."""
        firsts = self.fresh(number, self._firsts())
        if not self.problem.guided:
            firsts.update(self.any_new(number - len(firsts), firsts))
            return self.take(firsts.values())
        by_model = round((number - len(firsts)) * self.greedy)
        chosen = {**firsts, **self._evolved(by_model, firsts)}
        chosen.update(self.any_new(number - len(chosen), chosen))
        return self.take(chosen.values())

    def _firsts(self) -> Iterator[Knobs]:
        """What is worth a measurement whatever the model thinks."""
        while self._suggested:
            yield self._suggested.pop(0)

    def _evolved(self, number: int, known: dict[str, Proposal]) -> dict[str, Proposal]:
        """The model's choice among what was thought of so far and what a generation adds."""
        if number <= 0:
            return {}
        pool = {key: each for key, each in self._pool.items() if self.is_new(each)}
        if not pool:
            pool = self.any_new(number)
        for _ in range(self.generations):
            parents = self.ranked([*pool.values(), *self._best()])
            pool.update(self.fresh(self.children * number, self._offspring(parents, number)))
        ranked = self.ranked([each for key, each in pool.items() if key not in known])
        self._pool = {each.key: each for each in ranked[: _POOL * number]}
        return {each.key: each for each in spread(ranked, number)}

    def _best(self) -> list[Proposal]:
        return [candidate for _, candidate in self.ranking[:8]]

    def _offspring(self, parents: Sequence[Proposal], number: int) -> Iterator[Knobs]:
        """Children as they come, and those that promise most, in turns; the limits end it."""
        if not parents:
            return
        odds = [1.0 / rank for rank in range(1, len(parents) + 1)]
        count = self.children * number
        thought_of = (self._child(parents, odds) for _ in range(_THOUGHT_OF * count))
        children = {_point(knobs): knobs for knobs in thought_of}
        promising = self._guess.order(list(children.values()))
        in_turns = itertools.chain.from_iterable(zip(promising, children.values(), strict=True))
        new = (knobs for knobs in in_turns if _point(knobs) not in self._tried)
        for knobs in itertools.islice(new, _TRIED * count):
            self._tried.add(_point(knobs))
            yield knobs

    def _child(self, parents: Sequence[Proposal], odds: Sequence[float]) -> Knobs:
        """A child of parents that are drawn by rank."""
        space, rng = self.problem.space, self.rng
        first, second = rng.choices(parents, odds, k=2)
        if rng.random() < self.mutation or first is second:
            return space.mutate(first.knobs, rng)
        return space.crossover(first.knobs, second.knobs, rng)


def _point(knobs: Knobs) -> _Point:
    return frozenset(knobs.items())
