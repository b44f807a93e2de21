"""elementwise: nests that map outputs to outputs, and whatever no other template takes.

Every nest is scheduled on its own, see `nests`; one that allows nothing stays as it is, so this
template always applies.

Knobs: `vectors`, how many vectors an iteration of the innermost loop computes; `side` of the tiles
that are transposed in registers where a nest transposes, 1 for none; `pieces` of the work for each
thread.
"""

from __future__ import annotations

from mlc.passes.lower.group import Group
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import Knobs, Machine, Space, inline_cheap
from mlc.passes.schedule.templates.nests import SIDES, NestChoice, schedule_nests

_DEFAULT = NestChoice()


class Elementwise:
    """Schedules each nest on its own."""

    name = "elementwise"

    def matches(self, group: Group) -> bool:
        """Always."""
        return True

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """How many vectors at once, tiles, and shares."""
        box: dict[str, tuple[int | str | bool, ...]] = {
            "vectors": (1, 2, 4, 8),
            "side": (1, *reversed(SIDES)),
        }
        return ({**box, "pieces": (1, 8, 64)},) if machine.threads > 1 else (box,)

    def default(self, group: Group, machine: Machine) -> Knobs:
        """Two vectors, which hides the latency of short chains."""
        shares = {"pieces": _DEFAULT.pieces} if machine.threads > 1 else {}
        return {"vectors": _DEFAULT.vectors, "side": _DEFAULT.side, **shares}

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """Schedule every nest at the top of the function."""
        schedule = inline_cheap(Schedule(group.func), group)
        choice = NestChoice(
            int(knobs["vectors"]),
            int(knobs.get("side", _DEFAULT.side)),
            int(knobs.get("pieces", _DEFAULT.pieces)),
        )
        return schedule_nests(schedule, machine, choice=choice)
