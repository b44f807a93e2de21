"""Points that were fast: where the search for similar tasks may begin.

Tasks are similar when one template schedules them; the nearer their work, the more. The same task
on another machine is the nearest of all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlc.autotune.task import Task
from mlc.ir.work import Work
from mlc.passes.schedule.templates.base import Knobs


@dataclass(frozen=True, slots=True)
class Seed:
    """The best point known of a task, and how fast it was."""

    task_key: str
    work: Work
    knobs: Knobs
    seconds: float


class Seeds:
    """The best points of all tasks, by task and machine."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Seed] = {}

    def add(self, seed: Seed, machine: str = "") -> None:
        """Keep a point, unless a faster one of its task is known; `machine` names a foreign one."""
        key = seed.task_key, machine
        known = self._known.get(key)
        if known is None or seed.seconds < known.seconds:
            self._known[key] = seed

    def near(self, task: Task, number: int) -> list[Knobs]:
        """The points of the nearest tasks, without repetition."""
        nearest = sorted(self._known.values(), key=lambda seed: _apart(seed, task))
        found: list[Knobs] = []
        for seed in nearest:
            if seed.knobs.get("template") == task.template and seed.knobs not in found:
                found.append(seed.knobs)
        return found[:number]


def _apart(seed: Seed, task: Task) -> float:
    if seed.task_key == task.key:
        return -1.0
    return _octaves(seed.work.flops, task.work.flops) + _octaves(seed.work.bytes, task.work.bytes)


def _octaves(first: int, second: int) -> float:
    return abs(math.log2(max(first, 1) / max(second, 1)))
