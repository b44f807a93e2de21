"""What a search sees of a task: points, what they make of the task, and what the model thinks.

Nothing here knows how points are scheduled or measured, so that every strategy can be tried on a
toy.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mlc.passes.schedule.templates.base import Knobs
from mlc.passes.schedule.trace import Trace

Scores = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A point that applies: its knobs, the steps of its schedule, and the key of its loops.

    Points with equal loops are one proposal, whatever their knobs. The loops are not kept: a long
    search passes thousands of points.
    """

    key: str
    knobs: Knobs
    trace: Trace


class Points(Protocol):
    """The points of a space: some of them apply to the task, others are refused when tried."""

    @property
    def default(self) -> Knobs:
        """The point chosen without measuring."""

    @property
    def size(self) -> int:
        """How many points there are."""

    def __contains__(self, knobs: Knobs) -> bool:
        """Whether it is a point of this space."""

    def sample(self, rng: random.Random) -> Knobs:
        """Any point."""

    def each_kind(self, rng: random.Random) -> Iterator[Knobs]:
        """Points at random without end, of each kind in turn."""

    def mutate(self, knobs: Knobs, rng: random.Random) -> Knobs:
        """A point that differs in one knob or few."""

    def crossover(self, first: Knobs, second: Knobs, rng: random.Random) -> Knobs:
        """A point whose knobs come from two others."""

    def enumerate(self) -> Iterator[Knobs]:
        """Every point once, in an order that is always the same."""


class Problem(Protocol):
    """A task as strategies see it."""

    @property
    def space(self) -> Points:
        """The points there are."""

    @property
    def guided(self) -> bool:
        """Whether `scores` means anything yet."""

    def candidate(self, knobs: Knobs) -> Proposal | None:
        """The proposal of a point; None where it does not apply."""

    def scores(self, candidates: Sequence[Proposal]) -> Scores:
        """What the model expects of candidates: higher is faster."""


def distance(first: Knobs, second: Knobs) -> int:
    """In how many knobs two points differ (Hamming's distance).

    >>> distance({"rows": 4, "order": "n"}, {"rows": 6, "order": "n"})
    1
    """
    return sum(first.get(name) != second.get(name) for name in first.keys() | second.keys())
