"""Finding loops and allocations in a function, and putting something else in their place.

Only the statements on the way from the root to the place are built anew; the rest stays shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mlc.ir.affine import Bounds, Range, bounds_of
from mlc.ir.expr import Const, Expr
from mlc.ir.rewrite import sub_statements, walk
from mlc.ir.stmt import Alloc, Buffer, For, If, Seq, Stmt, seq

_Found = TypeVar("_Found", bound=Stmt)


class RefusalError(Exception):
    """Why a primitive does not apply; `primitive` turns it into a `ScheduleError`.

    `where` is the name of the loop or buffer to point at.
    """

    def __init__(self, reason: str, code: str, where: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.where = where


@dataclass(frozen=True, slots=True)
class Location(Generic[_Found]):
    """A statement and the statements around it, outermost first."""

    stmt: _Found
    parents: tuple[Stmt, ...]

    def replaced(self, new: Stmt) -> Stmt:
        """The root with `new` in the place of the statement."""
        old: Stmt = self.stmt
        for parent in reversed(self.parents):
            old, new = parent, _with_child(parent, old, new)
        return new


def _with_child(parent: Stmt, old: Stmt, new: Stmt) -> Stmt:
    match parent:
        case For(var, extent, kind, _):
            return For(var, extent, kind, new)
        case Alloc(buffer, _):
            return Alloc(buffer, new)
        case Seq(parts):
            return seq([new if part is old else part for part in parts])
        case If(condition, then, otherwise):
            if then is old:
                return If(condition, new, otherwise)
            return If(condition, then, new)
    raise TypeError(f"not a parent: {parent!r}")


def _way_to(root: Stmt, wanted: Callable[[Stmt], bool]) -> tuple[Stmt, ...]:
    """The statements from the root to the first wanted one; none where there is none."""
    target = next(filter(wanted, walk(root)), None)
    if target is None:
        return ()
    way = [root]
    while way[-1] is not target:
        parts = sub_statements(way[-1])
        way.append(parts[0] if len(parts) == 1 else next(p for p in parts if _holds(p, target)))
    return tuple(way)


def _holds(stmt: Stmt, target: Stmt) -> bool:
    return any(part is target for part in walk(stmt))


def find_loop(root: Stmt, name: str) -> Location[For]:
    """The loop called `name`."""
    way = _way_to(root, lambda stmt: type(stmt) is For and stmt.var == name)
    if not way or not isinstance(way[-1], For):
        raise RefusalError(f"loop '{name}' not found", "no-such-loop")
    return Location(way[-1], way[:-1])


def find_alloc(root: Stmt, name: str) -> Location[Alloc]:
    """The allocation of the buffer called `name`."""
    way = _way_to(root, lambda stmt: type(stmt) is Alloc and stmt.buffer.name == name)
    if not way or not isinstance(way[-1], Alloc):
        raise RefusalError(f"no temporary '{name}'", "no-such-buffer")
    return Location(way[-1], way[:-1])


def has_loop(root: Stmt, name: str) -> bool:
    """Whether there is a loop called `name`."""
    return any(type(part) is For and part.var == name for part in walk(root))


def names_in(stmt: Stmt) -> set[str]:
    """Names of all loops and allocated buffers."""
    names: set[str] = set()
    for part in walk(stmt):
        if type(part) is For:
            names.add(part.var)
        elif type(part) is Alloc:
            names.add(part.buffer.name)
    return names


def fresh(name: str, taken: set[str]) -> str:
    """`name`, or with a number behind it where it is taken; marks the answer as taken."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}{number}"
    taken.add(candidate)
    return candidate


def range_of_loop(extent: Expr, bounds: Bounds) -> Range | None:
    """Inclusive range of the variable of a loop with that extent."""
    found = bounds_of(extent, bounds)
    return None if found is None else (0, max(0, found[1] - 1))


def ranges_of_loops(stmt: Stmt, outer: Bounds | None = None) -> dict[str, Range]:
    """Inclusive range of every loop variable in `stmt`; names are unique, so one table serves."""
    bounds = dict(outer or {})
    for part in walk(stmt):
        if type(part) is not For:
            continue
        extent = part.extent
        if type(extent) is Const:  # nearly all are, and schedules ask for all again at each step
            bounds[part.var] = 0, max(0, int(extent.value) - 1)
        elif found := range_of_loop(extent, bounds):
            bounds[part.var] = found
    return bounds


def spine(stmt: Stmt) -> tuple[list[For], Stmt]:
    """The loops that nest perfectly from `stmt` inwards, and the body of the innermost."""
    chain: list[For] = []
    while isinstance(stmt, For):
        chain.append(stmt)
        stmt = stmt.body
    return chain, stmt


def rebuild_spine(chain: Iterable[For], body: Stmt) -> Stmt:
    """Loops around a body, outermost first."""
    for loop in reversed(list(chain)):
        body = For(loop.var, loop.extent, loop.kind, body)
    return body


def flatten(stmt: Stmt) -> tuple[list[Buffer], list[Stmt]]:
    """What stands in a block: its buffers, and its statements in order, allocations hoisted."""
    match stmt:
        case Alloc(buffer, body):
            buffers, statements = flatten(body)
            return [buffer, *buffers], statements
        case Seq(parts):
            buffers, statements = [], []
            for part in parts:
                more_buffers, more_statements = flatten(part)
                buffers += more_buffers
                statements += more_statements
            return buffers, statements
    return [], [stmt]


def block(buffers: Iterable[Buffer], statements: Iterable[Stmt]) -> Stmt:
    """Statements in order inside the allocations of `buffers`."""
    body = seq(statements)
    for buffer in reversed(list(buffers)):
        body = Alloc(buffer, body)
    return body
