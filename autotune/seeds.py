"""Points that were fast: where the search for similar tasks may begin.

Tasks are similar when one template schedules them; the nearer their extents, the more. The same
task on another machine is the nearest of all. A point of one space is seldom one of another, whose
tiles and blocks divide other extents: it is moved to the nearest one, knob by knob.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from mlc.autotune.extents import Extents, extents_of
from mlc.autotune.space import TaskSpace
from mlc.autotune.task import Task
from mlc.passes.schedule.templates.base import Knobs, Space

KEPT = 3
"""Points of each task: the fastest alone may have been lucky when it was measured."""
_ANOTHER_CHOICE = 4.0
"""Octaves between two values that are no sizes, or a knob that only one of two points has."""

_Value = int | str | bool


@dataclass(frozen=True, slots=True)
class Seed:
    """One of the best points known of a task, and how fast it was."""

    task_key: str
    extents: Extents
    knobs: Knobs
    seconds: float


class Seeds:
    """The best points of all tasks, by task and machine."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], list[Seed]] = {}

    def add(self, seed: Seed, machine: str = "") -> None:
        """Keep a point if it is among the fastest of its task; `machine` names a foreign one."""
        known = self._known.setdefault((seed.task_key, machine), [])
        if all(seed.knobs != other.knobs for other in known):
            known.append(seed)
            known.sort(key=lambda each: each.seconds)
            del known[KEPT:]

    def near(self, task: Task, space: TaskSpace, number: int) -> list[Knobs]:
        """The points of `space` nearest to those of the nearest tasks, without repetition.

        First the fastest point of each of so many tasks, then the second of each, and so on.
        """
        templates = {template for box in space.boxes for template in box["template"]}
        extents = extents_of(task.func)
        nearest = sorted(
            (
                seeds
                for seeds in self._known.values()
                if seeds[0].knobs.get("template") in templates
            ),
            key=lambda seeds: (seeds[0].task_key != task.key, seeds[0].extents.apart(extents)),
        )
        in_turns = itertools.zip_longest(*nearest[:number])
        points = [moved(seed.knobs, space.boxes) for turn in in_turns for seed in turn if seed]
        return list({frozenset(knobs.items()): knobs for knobs in points}.values())[:number]


def moved(knobs: Knobs, boxes: tuple[Space, ...]) -> Knobs:
    """The point nearest to `knobs`, which are of another space.

    >>> moved({"order": "rows", "tile": 12}, ({"tile": (4, 8, 14), "order": ("columns", "rows")},))
    {'tile': 14, 'order': 'rows'}
    """
    points = [
        {name: _nearest(values, knobs.get(name)) for name, values in box.items()} for box in boxes
    ]
    return min(points, key=lambda point: _apart(point, knobs))


def _nearest(values: tuple[_Value, ...], wanted: _Value | None) -> _Value:
    """The first value stands for a knob that the point did not have, as templates have it."""
    return values[0] if wanted is None else min(values, key=lambda value: _octaves(value, wanted))


def _apart(first: Knobs, second: Knobs) -> float:
    both = first.keys() & second.keys()
    alone = first.keys() ^ second.keys()
    return sum(_octaves(first[name], second[name]) for name in both) + _ANOTHER_CHOICE * len(alone)


def _octaves(first: _Value, second: _Value) -> float:
    """Between two sizes; 0 is none, and a choice of its own."""
    if first == second:
        return 0.0
    if isinstance(first, str) or isinstance(second, str) or min(first, second) <= 0:
        return _ANOTHER_CHOICE
    return abs(math.log2(first / second))
