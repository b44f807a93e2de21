"""A task as strategies see it: its space, its schedules, and what the shared model thinks of them.

Scheduling a point and describing its loops take milliseconds, so that neither is done twice while
it is remembered. The loops themselves are let go at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlc.autotune.features import features
from mlc.autotune.learner import Features, Learner
from mlc.autotune.search.problem import Proposal
from mlc.autotune.space import TaskSpace, candidate_of, schedule_key
from mlc.autotune.task import Task
from mlc.errors import ScheduleError
from mlc.passes.schedule.apply_trace import apply_trace
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import Knobs, Machine
from mlc.passes.schedule.trace import Trace

_REMEMBERED = 512
_Point = tuple[tuple[str, int | str | bool], ...]


class TaskProblem:
    """See the top of this file."""

    def __init__(self, task: Task, machine: Machine, learner: Learner) -> None:
        self.task = task
        self.machine = machine
        self.space = TaskSpace(task, machine)
        self._learner = learner
        self._proposals: OrderedDict[_Point, Proposal | None] = OrderedDict()
        self._features: OrderedDict[str, Features] = OrderedDict()

    @property
    def guided(self) -> bool:
        """Whether `scores` means anything yet."""
        return self._learner.guided

    def candidate(self, knobs: Knobs) -> Proposal | None:
        """The proposal of a point; None where it does not apply."""
        point = tuple(sorted(knobs.items()))
        if point in self._proposals:
            return self._proposals[point]
        found = candidate_of(self.task, knobs, self.machine)
        proposal = None
        if found is not None:
            proposal = Proposal(found.key, found.knobs, found.schedule.trace)
            self._describe(found.key, found.schedule)
        _remember(self._proposals, point, proposal)
        return proposal

    def recall(self, knobs: Knobs, trace: Trace) -> Proposal | None:
        """The proposal of recorded steps; None where they do not apply any more."""
        try:
            schedule = apply_trace(self.task.func, trace)
        except ScheduleError:
            return None
        key = schedule_key(schedule)
        self._describe(key, schedule)
        return Proposal(key, knobs, trace)

    def features(self, proposal: Proposal) -> Features:
        """What the model sees of a proposal."""
        if proposal.key not in self._features:
            self._describe(proposal.key, apply_trace(self.task.func, proposal.trace))
        return self._features[proposal.key]

    def scores(self, candidates: Sequence[Proposal]) -> NDArray[np.float32]:
        """What the model expects of candidates: higher is faster."""
        if not self.guided:
            return np.zeros(len(candidates), np.float32)
        return self._learner.scores([self.features(each) for each in candidates])

    def _describe(self, key: str, schedule: Schedule) -> None:
        if self._learner.model is not None and key not in self._features:
            _remember(self._features, key, features(schedule.func, self.machine))


def _remember(memory: OrderedDict, key: object, value: object) -> None:  # type: ignore[type-arg]
    memory[key] = value
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
