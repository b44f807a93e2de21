"""elementwise: nests that map outputs to outputs, and whatever no other template takes.

Every nest is scheduled on its own, see `nests`; one that allows nothing stays as it is, so this
template always applies.

Knobs: `vectors`, how many vectors an iteration of the innermost loop computes.
"""

from __future__ import annotations

from mlc.passes.lower.group import Group
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import Knobs, Machine, Space, inline_cheap
from mlc.passes.schedule.templates.nests import schedule_nests


class Elementwise:
    """Schedules each nest on its own."""

    name = "elementwise"

    def matches(self, group: Group) -> bool:
        """Always."""
        return True

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """How many vectors at once."""
        return ({"vectors": (1, 2, 4)},)

    def default(self, group: Group, machine: Machine) -> Knobs:
        """Two vectors, which hides the latency of short chains."""
        return {"vectors": 2}

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """Schedule every nest at the top of the function."""
        schedule = inline_cheap(Schedule(group.func), group)
        return schedule_nests(schedule, int(knobs["vectors"]), machine)
