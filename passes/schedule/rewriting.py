"""Changing indices and buffers within a statement, with simplification of what changed only.

`bounds` gives the ranges of all loops around and inside the statement (names are unique in a
function, so one table serves for all).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from mlc.ir.affine import Bounds, simplify
from mlc.ir.expr import Expr, Load, Var
from mlc.ir.rewrite import (
    map_exprs,
    map_loads,
    map_stmt,
    mentions,
    rebuild_stmt,
    substitute_expr,
)
from mlc.ir.stmt import Alloc, Buffer, For, Prefetch, Stmt, Store
from mlc.passes.schedule.location import fresh

Index = tuple[Expr, ...]
IndexMap = Callable[[Index], Index]


def substitute(stmt: Stmt, replacement: Mapping[str, Expr], bounds: Bounds) -> Stmt:
    """Replace variables; simplify each expression in which one was found."""

    def change(expr: Expr) -> Expr:
        new = substitute_expr(expr, replacement)
        return expr if new is expr else simplify(new, bounds)

    return map_exprs(stmt, change, replacement)


def rewrite_accesses(
    stmt: Stmt, name: str, new: Buffer, on_index: IndexMap, bounds: Bounds
) -> Stmt:
    """Let all loads and stores of the buffer `name` go to `new`, at `on_index` of their index.

    What is prefetched is the old buffer still.
    """

    if name not in mentions(stmt):
        return stmt

    def indices(index: Index) -> Index:
        return tuple([simplify(part, bounds) for part in on_index(index)])

    stmt = rebuild_stmt(
        stmt,
        lambda part: rewrite_accesses(part, name, new, on_index, bounds),
        lambda expr: map_loads(expr, (name,), lambda load: Load(new, indices(load.index))),
        lambda buffer: buffer,
    )
    if isinstance(stmt, Store) and stmt.buffer.name == name:
        return Store(new, indices(stmt.index), stmt.value)
    return stmt


def lay_out_anew(stmt: Stmt, new: Buffer, old: str, on_index: IndexMap, bounds: Bounds) -> Stmt:
    """Put the buffer `new` in the place of `old`, whose prefetches follow its loads and stores."""

    def on_stmt(part: Stmt) -> Stmt:
        if isinstance(part, Prefetch) and part.buffer.name == old:
            return Prefetch(new, tuple([simplify(i, bounds) for i in on_index(part.index)]))
        return part

    return map_stmt(rewrite_accesses(stmt, old, new, on_index, bounds), on_stmt)


def replace_loads(stmt: Stmt, name: str, value: Callable[[Index], Expr], bounds: Bounds) -> Stmt:
    """Replace every load of the buffer `name` by `value` of its index; simplify around it."""

    def change(expr: Expr) -> Expr:
        new = map_loads(expr, (name,), lambda load: value(load.index))
        return expr if new is expr else simplify(new, bounds)

    return map_exprs(stmt, change, (name,))


def renamed(stmt: Stmt, suffix: str, taken: set[str], bounds: Bounds) -> Stmt:
    """A copy with new names for all loops and buffers inside: the old ones with `suffix`."""
    match stmt:
        case For(var, extent, kind, body):
            name = fresh(var + suffix, taken)
            table = {**bounds, name: bounds[var]} if var in bounds else bounds
            body = substitute(body, {var: Var(name)}, table)
            return For(name, extent, kind, renamed(body, suffix, taken, table))
        case Alloc(buffer, body):
            other = replace(buffer, name=fresh(buffer.name + suffix, taken))
            body = rewrite_accesses(body, buffer.name, other, lambda index: index, bounds)
            return Alloc(other, renamed(body, suffix, taken, bounds))
    return rebuild_stmt(
        stmt, lambda part: renamed(part, suffix, taken, bounds), lambda e: e, lambda b: b
    )
