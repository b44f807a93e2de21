"""evolutionary: children of the best points measured, chosen by what is known of the task.

Each proposal begins with many children that are only thought of: mutations and crossovers of the
best so far, whose parents are drawn by their rank, and points at random. The model of the knobs,
which costs next to nothing, says which of them promise most; only those are scheduled, a few for
each one proposed, because scheduling takes a part of the time of measuring. Of these and of what
earlier proposals left over, those are proposed that the cost model, which knows the loops of all
tasks, and the model of the knobs, which knows this task, find best together; apart from one another
in their knobs, and with a share of random ones, of each kind of point in turn (ε-greedy), so that
both hear of what they do not know.

Sources: L. Zheng et al., "Ansor: generating high-performance tensor programs for deep learning",
OSDI 2020, section 5.1; the spread of a batch follows T. Chen et al., "Learning to optimize tensor
programs", NeurIPS 2018.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mlc.autotune.search.base import Result, Search, spread
from mlc.autotune.search.knob_model import KnobModel
from mlc.autotune.search.problem import Problem, Proposal
from mlc.passes.schedule.templates.base import Knobs

_POOL = 8
"""How many candidates wait for each one proposed."""
_FIRST_POOL = 2
"""Candidates at random for each one first proposed, where a model knows other tasks."""
_THOUGHT_OF = 32
"""Children that are thought of for each one that is scheduled."""
_TRIED = 4
"""Children that are scheduled at most for each one that is found: many are known, or refused."""
_PARENTS = 8


class Evolutionary(Search):
    """See the top of this file.

    `children`: how many are scheduled for each one proposed; `mutation`: the share of those with
    parents that have one parent; `wild`: the share of those without; `greedy`: the share of a
    proposal that the models choose.
    """

    name: ClassVar[str] = "evolutionary"

    def __init__(
        self,
        problem: Problem,
        seed: int = 0,
        *,
        children: int = 2,
        mutation: float = 0.7,
        wild: float = 0.25,
        greedy: float = 0.85,
    ) -> None:
        super().__init__(problem, seed)
        self.children = children
        self.mutation = mutation
        self.wild = wild
        self.greedy = greedy
        self._pool: dict[str, Proposal] = {}
        self._suggested: list[Knobs] = []
        self._guess = KnobModel()
        self._any_kind = problem.space.each_kind(self.rng)
        self._tried: set[int] = set()

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
        """The seeds first, then by the model, with a share of chance.

        A model that knows other tasks shares the beginning with the seeds, half and half.
        """
        guided = self.problem.guided
        firsts = self.fresh(-(-number // 2) if guided else number, self._firsts())
        if not guided:
            firsts.update(self._at_random(number - len(firsts), firsts))
            return self.take(firsts.values())
        if not self.measured:
            self._pool = self._at_random(_FIRST_POOL * number, firsts)
        by_model = round((number - len(firsts)) * self.greedy)
        chosen = {**firsts, **self._evolved(by_model, firsts)}
        chosen.update(self._at_random(number - len(chosen), chosen))
        return self.take(chosen.values())

    def _firsts(self) -> Iterator[Knobs]:
        """What is worth a measurement whatever the model thinks."""
        while self._suggested:
            yield self._suggested.pop(0)

    def _at_random(self, number: int, known: dict[str, Proposal]) -> dict[str, Proposal]:
        """Points at random, of each kind in turn, where chance finds them."""
        found = self.fresh(number, islice(self._any_kind, _TRIED * number), known)
        found.update(self.any_new(number - len(found), {*known, *found}))
        return found

    def _evolved(self, number: int, known: dict[str, Proposal]) -> dict[str, Proposal]:
        """The cost model's choice among what was left over and what promises most by its knobs."""
        if number <= 0:
            return {}
        pool = {key: each for key, each in self._pool.items() if self.is_new(each)}
        pool.update(self.fresh(self.children * number, self._promising(self.children * number)))
        ranked = self._ranked([each for key, each in pool.items() if key not in known])
        self._pool = {each.key: each for each in ranked[: _POOL * number]}
        return {each.key: each for each in spread(ranked, number)}

    def _ranked(self, candidates: Sequence[Proposal]) -> list[Proposal]:
        """By what both models say, from the best to the worst."""
        if not candidates:
            return []
        promises = self._guess.promises([each.knobs for each in candidates])
        scores = _standard(self.problem.scores(candidates)) + _standard(promises)
        return [candidates[index] for index in np.argsort(-scores, kind="stable")]

    def _promising(self, count: int) -> Iterator[Knobs]:
        """The children that promise most of all that are thought of, none of them twice."""
        thought_of = {_point(knobs): knobs for knobs in self._thoughts(_THOUGHT_OF * count)}
        new = [knobs for point, knobs in thought_of.items() if point not in self._tried]
        for knobs in self._guess.order(new)[: _TRIED * count]:
            self._tried.add(_point(knobs))
            yield knobs

    def _thoughts(self, number: int) -> Iterator[Knobs]:
        """Children of parents that are drawn by rank, and points at random."""
        space, rng = self.problem.space, self.rng
        parents = [candidate.knobs for _, candidate in self.ranking[:_PARENTS]]
        odds = [1.0 / rank for rank in range(1, len(parents) + 1)]
        for _ in range(number):
            if not parents or rng.random() < self.wild:
                yield space.sample(rng)
                continue
            first, second = rng.choices(parents, odds, k=2)
            if rng.random() < self.mutation or first is second:
                yield space.mutate(first, rng)
            else:
                yield space.crossover(first, second, rng)


def _standard(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Scores of any scale as standard deviations from their mean."""
    centred = scores - np.mean(scores, dtype=np.float64)
    return centred / max(float(np.std(centred)), 1e-12)


def _point(knobs: Knobs) -> int:
    """A point in the memory of a long search: a number instead of its knobs."""
    return hash(frozenset(knobs.items()))
