"""The record of a schedule: which primitives were applied, with which arguments, in which order.

A trace is plain JSON. It names loops and buffers only, so it replays on any machine on an equal
function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlc.errors import ScheduleError

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One primitive with the arguments it was given; `arguments` holds JSON values only."""

    primitive: str
    arguments: Arguments

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.primitive}({given})"


@dataclass(frozen=True, slots=True)
class Trace:
    """Steps in the order in which they were applied."""

    steps: tuple[Step, ...] = ()

    def plus(self, step: Step) -> Trace:
        """This trace and one step more."""
        return Trace((*self.steps, step))

    def to_json(self) -> list[dict[str, Any]]:
        """A value that `json.dumps` takes.

        >>> Trace((Step("split", {"loop": "i", "factor": 8}),)).to_json()
        [{'primitive': 'split', 'arguments': {'loop': 'i', 'factor': 8}}]
        """
        return [{"primitive": s.primitive, "arguments": dict(s.arguments)} for s in self.steps]

    @staticmethod
    def from_json(value: object) -> Trace:
        """Read what `to_json` gave; raises `ScheduleError` where it is something else."""
        if not isinstance(value, list):
            raise ScheduleError("trace: not a list of steps", code="bad-trace")
        return Trace(tuple([_read_step(number, item) for number, item in enumerate(value)]))

    def __str__(self) -> str:
        return "\n".join(str(step) for step in self.steps)


def _read_step(number: int, item: object) -> Step:
    match item:
        case {"primitive": str(primitive), "arguments": dict(arguments), **rest} if not rest:
            return Step(primitive, arguments)
    raise ScheduleError(f"trace: step {number} is not a primitive with arguments", code="bad-trace")


def to_json(value: object) -> Any:
    """An argument as JSON: tuples become lists, mappings become lists of pairs."""
    if isinstance(value, Mapping):
        return [[to_json(key), to_json(part)] for key, part in value.items()]
    if isinstance(value, (tuple, list)):
        return [to_json(part) for part in value]
    return value
