"""A kernel being scheduled, and what makes a function a schedule primitive.

`Schedule` is immutable: each primitive gives a new one and adds a `Step` to its trace. A primitive
either applies and keeps the meaning of the function, or raises `ScheduleError` and changes nothing.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec

from mlc.errors import ScheduleError
from mlc.ir.rewrite import buffers_of, sub_statements, walk
from mlc.ir.stmt import Buffer, For, Func, Stmt, Store
from mlc.ir.text import print_func
from mlc.passes.schedule.location import RefusalError, find_loop
from mlc.passes.schedule.trace import Arguments, Step, Trace, to_json

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A function and the steps that led to it."""

    func: Func
    trace: Trace = field(default_factory=Trace)

    def with_body(self, body: Stmt) -> Schedule:
        """The same schedule with another body of the function."""
        old = self.func
        return Schedule(Func(old.name, old.params, body, old.loc, old.prepare), self.trace)

    def loop(self, name: str) -> For:
        """The loop called `name`; raises `ScheduleError` where there is none."""
        try:
            return find_loop(self.func.body, name).stmt
        except RefusalError as refusal:
            raise _error("loop", self.func, refusal) from None

    def loops(self) -> dict[str, For]:
        """Every loop by name, in program order."""
        return {part.var: part for part in walk(self.func.body) if type(part) is For}

    def buffer(self, name: str) -> Buffer:
        """The parameter or temporary called `name`; raises `ScheduleError` where there is none."""
        found = buffers_of(self.func).get(name)
        if found is None:
            raise ScheduleError(f"buffer: no buffer '{name}'", code="no-such-buffer")
        return found

    def nests(self, buffer: str) -> list[tuple[str, ...]]:
        """For each store into `buffer`, in program order, the loops around it, outermost first."""
        return [names for name, names in _stores(self.func.body, ()) if name == buffer]


def _stores(stmt: Stmt, around: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    from_here: list[tuple[str, tuple[str, ...]]] = []
    if isinstance(stmt, Store):
        return [(stmt.buffer.name, around)]
    inside = (*around, stmt.var) if isinstance(stmt, For) else around
    for part in sub_statements(stmt):
        from_here += _stores(part, inside)
    return from_here


def primitive(
    function: Callable[Concatenate[Schedule, P], Schedule],
) -> Callable[Concatenate[Schedule, P], Schedule]:
    """Make a function a schedule primitive.

    The step is added to the trace that was given (a primitive made of others is one step), and a
    `RefusalError` becomes a `ScheduleError` that starts with the name of the primitive.
    """
    arguments_of = _reader_of_arguments(function)

    @functools.wraps(function)
    def apply(schedule: Schedule, /, *args: P.args, **kwargs: P.kwargs) -> Schedule:
        try:
            result = function(schedule, *args, **kwargs)
        except RefusalError as refusal:
            raise _error(function.__name__, schedule.func, refusal) from None
        step = Step(function.__name__, arguments_of(args, kwargs))
        return Schedule(result.func, schedule.trace.plus(step))

    return apply


def _reader_of_arguments(
    function: Callable[..., Schedule],
) -> Callable[[tuple[object, ...], dict[str, object]], Arguments]:
    """What makes JSON of the arguments of a call that went well, in the order of the parameters."""
    _, *parameters = inspect.signature(function).parameters.values()
    many = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    names = [p.name for p in parameters]

    def read(args: tuple[object, ...], kwargs: dict[str, object]) -> Arguments:
        given: dict[str, object] = dict(zip(names, args, strict=False))
        if many is not None:
            given = {many: args}
        given.update(kwargs)
        return {name: to_json(given[name]) for name in names if name in given}

    return read


def _error(name: str, func: Func, refusal: RefusalError) -> ScheduleError:
    where = refusal.where
    return ScheduleError(
        f"{name}: {refusal.reason}", code=refusal.code, detail=lambda: excerpt(func, where)
    )


def excerpt(func: Func, where: str | None) -> str:
    """The line of the function that first names `where`, with a caret, between its neighbours.

    Without `where`, the names there are.
    """
    if where is None:
        loops = ", ".join(part.var for part in walk(func.body) if type(part) is For)
        return f"  loops of {func.name}: {loops}\n  buffers: {', '.join(buffers_of(func))}"
    lines = print_func(func).splitlines()
    word = re.compile(rf"\b{re.escape(where)}\b")
    for number, line in enumerate(lines):
        found = word.search(line)
        if found is not None and (number > 0 or len(lines) == 1):
            return _with_caret(lines, number, found.start(), len(where))
    return f"  in {func.name}"


def _with_caret(lines: list[str], number: int, column: int, length: int) -> str:
    shown = []
    for current in range(max(0, number - 1), min(len(lines), number + 2)):
        shown.append(f"  {current + 1:>3} | {lines[current]}")
        if current == number:
            shown.append(f"      | {' ' * column}{'^' * length}")
    return "\n".join(shown)
