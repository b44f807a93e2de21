"""What a template is, and the steps that templates share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, Protocol

from mlc.errors import ScheduleError
from mlc.ir.affine import linear_form
from mlc.ir.expr import Call, Const, Expr, Load, Var
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.ir.rewrite import free_variables, loads_of, sub_statements, walk, walk_exprs
from mlc.ir.stmt import Alloc, Buffer, For, Seq, Stmt, Store
from mlc.passes.lower.group import Group, Stage
from mlc.passes.schedule.primitives import inline
from mlc.passes.schedule.schedule import Schedule
from mlc.target import Target

P = ParamSpec("P")

Knobs = Mapping[str, int | str | bool]
"""A point of a template's space, by the names of its knobs."""

Space = Mapping[str, tuple[int | str | bool, ...]]
"""The values that each knob may take, neighbours side by side."""

PARALLEL_ELEMENTS = 16 * 1024
"""Below this many results a kernel is not worth waking other threads for."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a template schedules for: the target, and how many threads share a kernel.

    `exact` forbids algorithms that round otherwise than plain sums.
    """

    target: Target
    threads: int
    exact: bool = False


class Template(Protocol):
    """A way to schedule one kind of computation."""

    @property
    def name(self) -> str:
        """What points call it by."""

    def matches(self, group: Group) -> bool:
        """Whether this template can schedule the group."""

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """The knobs and their values; several spaces where one choice decides which knobs count."""

    def default(self, group: Group, machine: Machine) -> Knobs:
        """The point chosen without measuring."""

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """The schedule of a point; raises `ScheduleError` where the point does not apply."""


def attempt(
    primitive: Callable[Concatenate[Schedule, P], Schedule],
    schedule: Schedule,
    *args: P.args,
    **kwargs: P.kwargs,
) -> Schedule:
    """Apply a primitive, or leave the schedule as it is where the primitive refuses."""
    try:
        return primitive(schedule, *args, **kwargs)
    except ScheduleError:
        return schedule


def kind_of(stage: Stage) -> Kind:
    """The fusion kind of a stage's operator."""
    return OPERATORS[stage.node.op].kind


def final_loops(group: Group) -> tuple[str, ...]:
    """The loops of the nest that writes the last stage's output, by logical axis."""
    last = group.stages[-1]
    rank = len(last.node.outputs[0].type.shape)
    return tuple(f"{last.prefix}i{axis}" for axis in range(rank))


def inline_cheap(schedule: Schedule, group: Group, keep: Sequence[str] = ()) -> Schedule:
    """Inline temporaries of elementwise and injective stages.

    One that costs a function call per element is kept where more than one nest would repeat it.
    """
    for stage in group.stages[:-1]:
        if kind_of(stage) in (Kind.CONTRACTION, Kind.REDUCTION, Kind.OPAQUE):
            continue
        for name in stage.outputs:
            if name not in keep and not _repeats_calls(schedule, name):
                schedule = attempt(inline, schedule, name)
    return schedule


def _repeats_calls(schedule: Schedule, name: str) -> bool:
    nests = roots(schedule.func.body)
    readers = sum(any(reads(nest, name)) for nest in nests)
    writers = [nest for nest in nests if writes(nest, name)]
    calls = any(type(e) is Call for nest in writers for e in walk_exprs(nest))
    return calls and readers > 1


def roots(stmt: Stmt) -> list[Stmt]:
    """The statements at the top of a function, allocations and sequences opened."""
    match stmt:
        case Alloc(_, body):
            return roots(body)
        case Seq(body=body):
            return [part for inner in body for part in roots(inner)]
    return [stmt]


def reads(stmt: Stmt, name: str) -> list[Load]:
    """The loads of a buffer in a statement."""
    return [load for load in loads_of(stmt) if load.buffer.name == name]


def writes(stmt: Stmt, name: str) -> bool:
    """Whether a statement stores into a buffer."""
    return any(type(part) is Store and part.buffer.name == name for part in walk(stmt))


def inner_loops(stmt: Stmt, loop: str) -> list[list[str]]:
    """For each store inside `loop`, the loops between them, outermost first."""
    for part in walk(stmt):
        if type(part) is For and part.var == loop:
            return _paths(part.body, ())
    return []


def _paths(stmt: Stmt, around: tuple[str, ...]) -> list[list[str]]:
    if isinstance(stmt, Store):
        return [list(around)]
    inside = (*around, stmt.var) if isinstance(stmt, For) else around
    return [path for part in sub_statements(stmt) for path in _paths(part, inside)]


def chain(stmt: Stmt) -> list[For]:
    """The perfectly nested loops at the top of a nest."""
    found = []
    while isinstance(stmt, For):
        found.append(stmt)
        stmt = stmt.body
    return found


def extent_of(loop: For) -> int:
    """A constant extent; the greatest one of a tail is not asked for."""
    if not isinstance(loop.extent, Const):
        raise ScheduleError(f"the extent of loop '{loop.var}' is not constant", code="extent")
    return int(loop.extent.value)


def stride_of(buffer: Buffer, index: Sequence[Expr], loop: str) -> int | None:
    """Elements that an access moves per iteration of a loop; None where that is not constant."""
    total = 0
    for part, stride in zip(index, buffer.strides, strict=True):
        linear = linear_form(part)
        for atom, coefficient in linear.terms.items():
            if isinstance(atom, Var):
                total += coefficient * stride if atom.name == loop else 0
            elif loop in free_variables(atom):
                return None
    return total
