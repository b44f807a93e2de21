"""Which task gets the next measurements: the one from which the whole model gains most.

The gain of a task per trial is estimated from two sides: what its last trials brought, and how far
it may still be from the machine's limits (and from the speed that similar tasks reached). The
longer nothing was found, the less the second counts. Weighted by the calls per inference, and per
second of tuning, it is the slope along which the model's time falls; the steepest task is next.
Every task is warmed up first, and now and then one is chosen in turn, so that none is forgotten.

Source: the gradient of L. Zheng et al., "Ansor: generating high-performance tensor programs for
deep learning", OSDI 2020, section 6.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from mlc.autotune.task import Task
from mlc.passes.schedule.bilinear.schemes import SCHEMES
from mlc.passes.schedule.templates.base import Space
from mlc.runtime.roofline import Limits
from mlc.target import Target

RECENT = 3
"""Rounds over which improvement is averaged."""

_NEVER_HOPELESS = 0.9
_WORTH_WAITING = 0.5
_HERTZ = 3e9
_BYTES_PER_SECOND = 3e10
_LEAST_SECONDS = 1e-7
_FEWER: Mapping[tuple[str, str], float] = {
    ("convolution", "winograd2"): 9 / 4,
    ("convolution", "winograd4"): 4.0,
    ("strided_convolution", "winograd2"): 36 / 25,
    ("strided_convolution", "winograd4"): 16 / 9,
    **{("strassen", name): scheme.saving for name, scheme in SCHEMES.items()},
}
"""By template and algorithm, how many times fewer products than plain sums are needed."""


@dataclass(slots=True)
class Progress:
    """What is known of a task while it is tuned; times in seconds of one call.

    `weight`: calls per inference; `limit`: what the machine allows at best; `kind`: tasks of one
    kind are similar; `history`: the best time after each round; `costs`: the seconds of building
    and running in each round; `trials`: measurements so far; `exhausted`: there is nothing more to
    propose.
    """

    key: str
    weight: float
    limit: float
    kind: str = ""
    history: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    trials: int = 0
    exhausted: bool = False

    @property
    def best(self) -> float:
        """The best time yet; infinite before the first."""
        return self.history[-1] if self.history else math.inf

    @property
    def rounds(self) -> int:
        """How often the task was chosen."""
        return len(self.history)

    def note(self, best: float, trials: int, cost: float) -> None:
        """A round ended: the best of its times, its measurements, and the seconds they took."""
        self.history.append(min(best, self.best))
        self.costs.append(cost)
        self.trials += trials

    @property
    def rounds_without_gain(self) -> int:
        """Rounds since the best time was found."""
        return self.rounds - 1 - self.history.index(self.best) if self.history else 0


@dataclass(frozen=True, slots=True)
class Allocation:
    """How time is shared out.

    `warm_up`: rounds that each task gets first; `turns`: the share of rounds given in turn;
    `optimism`: the part of the way to its bound that a task may hope for in a round; `patience`:
    rounds without improvement that halve the hope; `threshold`: tuning ends when the next round is
    expected to save less than this part of the model's time (0: never).
    """

    warm_up: int = 1
    turns: float = 0.05
    optimism: float = 0.3
    patience: float = 3.0
    threshold: float = 1e-5


class Allocator:
    """Chooses tasks; equal seeds and equal progress give equal choices."""

    def __init__(
        self, tasks: Sequence[Progress], options: Allocation = Allocation(), seed: int = 0
    ) -> None:
        self.tasks = list(tasks)
        self.options = options
        self._rng = Random(seed)
        self._turn = 0

    def next(self, in_flight: Progress | None = None) -> Progress | None:
        """The task of the next round; None when nothing is worth one any more.

        Of the task that is `in_flight` the next round had better wait for this one's results:
        another task is chosen unless it promises less than half as much.
        """
        left = [task for task in self.tasks if not task.exhausted and task.weight > 0]
        if not left:
            return None
        coldest = min(left, key=lambda task: task.rounds + (task is in_flight))
        if coldest.rounds + (coldest is in_flight) < self.options.warm_up:
            return coldest
        steepest = max(left, key=self.slope)
        whole = sum(task.weight * task.best for task in self.tasks if math.isfinite(task.best))
        if self.gain(steepest) < self.options.threshold * whole:
            return None
        if self._rng.random() < self.options.turns:
            self._turn += 1
            return left[self._turn % len(left)]
        others = [task for task in left if task is not in_flight]
        if steepest is in_flight and others:
            other = max(others, key=self.slope)
            return other if self.slope(other) > _WORTH_WAITING * self.slope(steepest) else steepest
        return steepest

    def slope(self, task: Progress) -> float:
        """Seconds of an inference that each second of tuning may save."""
        return self.gain(task) / max(sum(task.costs) / max(task.rounds, 1), 1e-3)

    def gain(self, task: Progress) -> float:
        """Seconds of an inference that the next round may save."""
        if not math.isfinite(task.best):
            return 0.0
        recent = task.history[-RECENT:]
        steps = max(1, len(recent) - 1)
        trend = (recent[0] - recent[-1]) / steps if math.isfinite(recent[0]) else 0.0
        hope = self.options.optimism * (task.best - self.bound(task))
        hope *= math.pow(0.5, task.rounds_without_gain / self.options.patience)
        return task.weight * max(trend / 2, hope)

    def bound(self, task: Progress) -> float:
        """What a task may hope to reach: no more than its kind's best share of the limit.

        Nothing reaches the limits of a machine; half of what the most efficient task of the kind
        lacks is left as hope for all of them. The limit is a rough one: a task that is beyond it,
        its data in a cache perhaps, may hope for a little all the same.
        """
        shares = [each.limit / each.best for each in self.tasks if each.kind == task.kind]
        reachable = (1.0 + min(1.0, max(shares))) / 2
        return min(_NEVER_HOPELESS * task.best, task.limit / reachable)


def least_seconds(task: Task, limits: Limits, boxes: Sequence[Space]) -> float:
    """The least seconds for a call of a task: a roofline over the algorithm that computes least.

    `boxes` are those of the task's space.
    """
    flops = round(task.work.flops / max(map(_fewer_products, boxes), default=1.0))
    return max(limits.seconds(flops, task.work.bytes), _LEAST_SECONDS)


def _fewer_products(box: Space) -> float:
    algorithms = (*box.get("algorithm", ()), *box.get("blocks", ()))
    chosen = itertools.product(map(str, box["template"]), map(str, algorithms))
    return max((_FEWER.get(choice, 1.0) for choice in chosen), default=1.0)


def nominal_limits(target: Target, threads: int) -> Limits:
    """The limits of a machine that cannot be asked, by the target's table.

    They only have to tell tasks that are far from them from those that are near.
    """
    flops = 2.0 * target.lanes(32) * target.fma_ports * _HERTZ * threads
    return Limits(flops, _BYTES_PER_SECOND)
