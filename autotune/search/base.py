"""The interface of strategies, and what they share: memory of what was proposed and measured."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import ClassVar

from mlc.autotune.search.problem import Problem, Proposal, distance
from mlc.passes.schedule.templates.base import Knobs
from mlc.passes.schedule.trace import Trace

Result = tuple[Proposal, float | None]
"""A candidate and its seconds; None where it failed."""

_TRIES_PER_CANDIDATE = 16
_RANKED = 64


class Search(ABC):
    """Proposes candidates of one task, none of them twice; equal seeds propose alike.

    What was measured in an earlier run is told before the first proposal.
    """

    name: ClassVar[str]

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        self.problem = problem
        self.rng = random.Random(seed)
        self.measured: dict[str, float | None] = {}
        self.ranking: list[tuple[float, Proposal]] = []
        self._proposed: set[str] = set()
        self._known_traces: set[str] = set()
        self._rest: Iterator[Knobs] = problem.space.enumerate()

    @abstractmethod
    def propose(self, number: int) -> list[Proposal]:
        """At most `number` candidates that were never proposed or told; none: the search ended."""

    def suggest(self, points: Iterable[Knobs]) -> None:
        """Points that were fast for similar tasks; not every strategy listens."""
        _ = points

    def tell(self, results: Iterable[Result]) -> None:
        """Take notice of measurements, whoever proposed them."""
        for candidate, seconds in results:
            self._proposed.add(candidate.key)
            self.measured[candidate.key] = seconds
            if seconds is not None:
                self.ranking.append((seconds, candidate))
        self.ranking.sort(key=lambda entry: entry[0])
        del self.ranking[_RANKED:]

    def remember(self, traces: Iterable[Trace]) -> None:
        """Never propose what makes these steps: it was measured long ago."""
        self._known_traces.update(map(str, traces))

    def is_new(self, candidate: Proposal) -> bool:
        """Whether a candidate was neither proposed nor told."""
        if candidate.key in self._proposed:
            return False
        return not self._known_traces or str(candidate.trace) not in self._known_traces

    def take(self, candidates: Iterable[Proposal]) -> list[Proposal]:
        """Note that candidates are proposed."""
        taken = list(candidates)
        self._proposed.update(candidate.key for candidate in taken)
        return taken

    def fresh(
        self, number: int, source: Iterable[Knobs], known: Container[str] = ()
    ) -> dict[str, Proposal]:
        """Up to `number` new candidates among the points of `source`, by key; none of `known`."""
        found: dict[str, Proposal] = {}
        if number <= 0:
            return found
        for knobs in source:
            candidate = self.problem.candidate(knobs)
            if candidate is not None and candidate.key not in known and self.is_new(candidate):
                found.setdefault(candidate.key, candidate)
                if len(found) == number:
                    break
        return found

    def any_new(self, number: int, known: Container[str] = ()) -> dict[str, Proposal]:
        """New candidates at random, none of `known`.

        Where chance finds none any more, the next ones in order.
        """
        space = self.problem.space
        tries = _TRIES_PER_CANDIDATE * number
        found = self.fresh(number, (space.sample(self.rng) for _ in range(tries)), known)
        if len(found) < number:
            rest = self._remaining([*found])
            found.update(self.fresh(number - len(found), rest, known))
        return found

    def ranked(self, candidates: Sequence[Proposal]) -> list[Proposal]:
        """From the best score to the worst; ties in the order given."""
        if not candidates:
            return []
        scores = self.problem.scores(candidates)
        order = sorted(range(len(candidates)), key=lambda index: -scores[index])
        return [candidates[index] for index in order]

    def _remaining(self, known: Container[str]) -> Iterator[Knobs]:
        """Points in order, beginning where the last call ended."""
        for knobs in self._rest:
            candidate = self.problem.candidate(knobs)
            if candidate is not None and candidate.key not in known:
                yield knobs


def spread(ranked: Sequence[Proposal], number: int, apart: int = 2) -> list[Proposal]:
    """The first `number` of a ranking that differ in `apart` knobs from one another.

    Where too few do, the best of the others fill up.
    """
    chosen: list[Proposal] = []
    for candidate in ranked:
        if len(chosen) == number:
            return chosen
        if all(distance(candidate.knobs, other.knobs) >= apart for other in chosen):
            chosen.append(candidate)
    keys = {candidate.key for candidate in chosen}
    others = [candidate for candidate in ranked if candidate.key not in keys]
    return chosen + others[: number - len(chosen)]
