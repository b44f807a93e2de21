"""The space of a task: the points that templates offer for it, as a union of boxes.

A box gives the values of each of its knobs; a point takes one of each. Every point names its
template, and the threads that share the kernel where there is a choice. Not every point applies:
`candidate_of` tries. Points that make equal loops are one candidate, known by the key of its loops.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mlc.autotune.task import Task
from mlc.errors import ScheduleError
from mlc.ir.text import print_func
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import Knobs, Machine, Space
from mlc.passes.schedule.templates.select import default_knobs, schedule_group, spaces

_KINDS = ("template", "algorithm", "blocks")
"""Knobs whose values are different computations."""
_OTHER_BOX = 0.25
"""How often a mutation leaves its box, where there are several."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point that applies: its knobs, its schedule, and the SHA-256 of the scheduled loops."""

    knobs: Knobs
    schedule: Schedule
    key: str


class TaskSpace:
    """The points of a task on a machine; all randomness comes from the generators passed in."""

    def __init__(self, task: Task, machine: Machine) -> None:
        self.default: Knobs = default_knobs(task.group, machine)
        self.boxes: tuple[Space, ...] = tuple(
            {name: tuple(values) for name, values in box.items()}
            for box in spaces(task.group, machine)
        )
        self._sizes = [math.prod(map(len, box.values())) for box in self.boxes]

    @property
    def size(self) -> int:
        """Points in all boxes, those that do not apply included."""
        return sum(self._sizes)

    def __contains__(self, knobs: Knobs) -> bool:
        return any(_inside(knobs, box) for box in self.boxes)

    def sample(self, rng: random.Random) -> Knobs:
        """A point: first a box, by the root of its size, then one value of each knob."""
        weights = [math.sqrt(size) for size in self._sizes]
        (box,) = rng.choices(self.boxes, weights)
        return {name: rng.choice(values) for name, values in box.items()}

    def each_kind(self, rng: random.Random) -> Iterator[Knobs]:
        """Points without end, of each kind of box in turn: by algorithm, and by which knobs count.

        What is slow in one kind says little of another, however few its points.
        """
        kinds: dict[object, list[int]] = {}
        for number, box in enumerate(self.boxes):
            kinds.setdefault(_kind(box), []).append(number)
        order = list(kinds.values())
        rng.shuffle(order)
        for numbers in itertools.cycle(order):
            weights = [math.sqrt(self._sizes[number]) for number in numbers]
            (number,) = rng.choices(numbers, weights)
            yield {name: rng.choice(values) for name, values in self.boxes[number].items()}

    def enumerate(self) -> Iterator[Knobs]:
        """Every point, box by box, the last knob fastest."""
        for box in self.boxes:
            for values in itertools.product(*box.values()):
                yield dict(zip(box, values, strict=True))

    def neighbours(self, knobs: Knobs) -> list[Knobs]:
        """The points that differ in one knob by one step along its values."""
        found: list[Knobs] = []
        for name, values in self._box_of(knobs).items():
            at = values.index(knobs[name])
            near = [values[n] for n in (at - 1, at + 1) if 0 <= n < len(values)]
            found += [{**knobs, name: value} for value in near]
        return found

    def mutate(self, knobs: Knobs, rng: random.Random) -> Knobs:
        """Another point: one knob or two changed, now and then a move to another box."""
        if len(self.boxes) > 1 and rng.random() < _OTHER_BOX:
            other = self.sample(rng)
            return self._adopt(other, knobs)
        box = self._box_of(knobs)
        free = [name for name, values in box.items() if len(values) > 1]
        if not free:
            return self.sample(rng)
        changed = rng.sample(free, min(len(free), rng.choice((1, 1, 2))))
        return {**knobs, **{name: _other(box[name], knobs[name], rng) for name in changed}}

    def crossover(self, first: Knobs, second: Knobs, rng: random.Random) -> Knobs:
        """A point in the box of one parent with values of both, where the other's are in it."""
        if rng.random() < 0.5:
            first, second = second, first
        box = self._box_of(first)
        return {
            name: second[name]
            if name in second and second[name] in values and rng.random() < 0.5
            else first[name]
            for name, values in box.items()
        }

    def _box_of(self, knobs: Knobs) -> Space:
        return next(box for box in self.boxes if _inside(knobs, box))

    def _adopt(self, point: Knobs, knobs: Knobs) -> Knobs:
        """`point`, with the values of `knobs` where its box has them."""
        box = self._box_of(point)
        kept = {
            name: knobs[name]
            for name, values in box.items()
            if name in knobs and knobs[name] in values
        }
        return {**point, **kept}


def schedule_point(task: Task, knobs: Knobs, machine: Machine) -> Schedule:
    """The schedule of a point; raises `ScheduleError` where the point does not apply."""
    group = task.group
    return schedule_group(group, machine.target, machine.threads, knobs, exact=machine.exact)


def candidate_of(task: Task, knobs: Knobs, machine: Machine) -> Candidate | None:
    """The candidate of a point, or None where the point does not apply."""
    try:
        schedule = schedule_point(task, knobs, machine)
    except ScheduleError:
        return None
    return Candidate(knobs, schedule, schedule_key(schedule))


def schedule_key(schedule: Schedule) -> str:
    """The SHA-256 of the scheduled loops, those that prepare constants included."""
    return hashlib.sha256(print_func(replace(schedule.func, loc=())).encode()).hexdigest()


def algorithm_of(point: Mapping[str, object]) -> tuple[object, ...]:
    """What a point computes, as opposed to the order of its loops and the sizes of its tiles."""
    return tuple(point.get(name) for name in _KINDS)


def _inside(knobs: Knobs, box: Space) -> bool:
    return knobs.keys() == box.keys() and all(knobs[name] in box[name] for name in box)


def _kind(box: Space) -> object:
    """What boxes have in common that differ in numbers of rows and columns alone."""
    return tuple(box), algorithm_of(box)


def _other(
    values: tuple[int | str | bool, ...], value: int | str | bool, rng: random.Random
) -> int | str | bool:
    """Another value: half of the time a neighbour of `value`."""
    others = [other for other in values if other != value]
    at = values.index(value)
    near = [values[n] for n in (at - 1, at + 1) if 0 <= n < len(values)]
    return rng.choice(near if rng.random() < 0.5 else others)
