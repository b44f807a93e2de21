"""A toy task: points on a grid, some refused, some alike, one of them the fastest."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlc.autotune.search.problem import Proposal
from mlc.passes.schedule.trace import Trace

Knobs = dict[str, Any]


@dataclass
class ToySpace:
    values: dict[str, tuple[int, ...]]
    default: Knobs = field(init=False)

    def __post_init__(self) -> None:
        self.default = {name: values[0] for name, values in self.values.items()}

    @property
    def size(self) -> int:
        return int(np.prod([len(values) for values in self.values.values()]))

    def __contains__(self, knobs: Knobs) -> bool:
        return all(knobs.get(name) in values for name, values in self.values.items())

    def sample(self, rng: random.Random) -> Knobs:
        return {name: rng.choice(values) for name, values in self.values.items()}

    def each_kind(self, rng: random.Random) -> Iterator[Knobs]:
        while True:
            yield self.sample(rng)

    def mutate(self, knobs: Knobs, rng: random.Random) -> Knobs:
        name = rng.choice(list(self.values))
        return {**knobs, name: rng.choice(self.values[name])}

    def crossover(self, first: Knobs, second: Knobs, rng: random.Random) -> Knobs:
        return {name: rng.choice((first[name], second[name])) for name in first}

    def enumerate(self) -> Iterator[Knobs]:
        for point in itertools.product(*self.values.values()):
            yield dict(zip(self.values, point, strict=True))


class ToyProblem:
    """Seconds are the squared distance from (11, 5); x = y is refused, z changes nothing."""

    def __init__(self, *, guided: bool = True, width: int = 16) -> None:
        self.space = ToySpace({"x": tuple(range(width)), "y": tuple(range(width)), "z": (0, 1)})
        self.guided = guided
        self.asked = 0

    def candidate(self, knobs: Knobs) -> Proposal | None:
        self.asked += 1
        if knobs["x"] == knobs["y"]:
            return None
        return Proposal(f"{knobs['x']},{knobs['y']}", knobs, Trace())

    def scores(self, candidates: Sequence[Proposal]) -> np.ndarray:
        return np.array([-seconds(each) for each in candidates], np.float32)


def seconds(candidate: Proposal) -> float:
    x, y = candidate.knobs["x"], candidate.knobs["y"]
    return 1.0 + (x - 11) ** 2 + (y - 5) ** 2
