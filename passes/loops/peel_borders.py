"""peel-borders: versions of a loop's body for its first and last iterations, where guards can fail.

A guard is a comparison of indices in a selection, or in a branch around a single store. Holds
before: guards that concern no loop inside them stand outside it. After: iterations of a loop in
which its guards always hold run without them, and each of the few others is a version of its own,
in which the variable of the loop is a number. Unrolled loops are written out where that decides a
guard.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func sums(x: f32[24], y: f32[24]) {
    ...   for o in 6 {
    ...     for unroll i in 4 {
    ...       y[o * 4 + i] = select(o * 4 + i >= 2, x[o * 4 + i - 2], 0.0:f32)
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(peel_borders(func)))
    func sums(x: f32[24], y: f32[24]) {
      for o in 6 {
        if o < 1 {
          y[0] = 0.0:f32
          y[1] = 0.0:f32
          y[2] = x[0]
          y[3] = x[1]
        } else {
          for unroll i in 4 {
            y[o * 4 + i] = x[o * 4 + i - 2]
          }
        }
      }
    }
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from mlc.ir.affine import Bounds, Linear, Range, bounds_of, linear_form, to_expr
from mlc.ir.dtype import INDEX
from mlc.ir.expr import Binary, Const, Expr, Select, Var
from mlc.ir.rewrite import (
    free_variables,
    rebuild_stmt,
    statement_exprs,
    sub_statements,
    substitute,
    walk,
    walk_expr,
    with_suffix,
)
from mlc.ir.stmt import For, Func, If, Stmt, seq
from mlc.passes.loops.simplify import simplify_stmt

MAX_BORDERS = 4
"""More iterations than this are not worth a version each."""

_MARGINS = {"ge": (1, 0), "gt": (1, -1), "le": (-1, 0), "lt": (-1, -1)}
"""`left op right` holds where `sign * (left - right) + offset` is not negative."""


def peel_borders(func: Func) -> Func:
    """Version the bodies of loops whose guards fail in the first or last iterations alone."""
    body = _write_out(_peel(func.body, {}), set())
    return func if body is func.body else replace(func, body=simplify_stmt(body, {}))


def _peel(stmt: Stmt, bounds: Bounds) -> Stmt:
    if not isinstance(stmt, For):
        return rebuild_stmt(stmt, lambda part: _peel(part, bounds), lambda e: e, lambda b: b)
    known = bounds_of(stmt.extent, bounds)
    inside = bounds if known is None else {**bounds, stmt.var: (0, known[1] - 1)}
    body = _peel(stmt.body, inside)
    loop = stmt if body is stmt.body else For(stmt.var, stmt.extent, stmt.kind, body)
    nested = isinstance(body, For) and body.kind == "parallel"
    if loop.kind in ("vector", "unroll") or nested or not isinstance(loop.extent, Const):
        return loop
    return _versions(loop, int(loop.extent.value), dict(bounds))


def _versions(loop: For, extent: int, bounds: dict[str, Range]) -> Stmt:
    """The loop with a branch to the version of each iteration at its borders."""
    low, high = _interior(loop, extent, {**bounds, loop.var: (0, extent - 1)})
    borders = [*range(low), *range(high, extent)] if low < high else [*range(extent)]
    if not borders or len(borders) > MAX_BORDERS:
        return loop
    cases = [(number + 1, _single(loop, number, bounds)) for number in borders]
    if low < high:
        middle = simplify_stmt(loop.body, {**bounds, loop.var: (low, high - 1)})
        cases.insert(low, (high, middle))
    body = cases[-1][1]
    for end, version in reversed(cases[:-1]):
        body = If(Binary("lt", Var(loop.var), Const(end)), version, body)
    return For(loop.var, loop.extent, loop.kind, body)


def _single(loop: For, number: int, bounds: dict[str, Range]) -> Stmt:
    copy = with_suffix(loop.body, f"_{loop.var}{number}")
    return simplify_stmt(substitute(copy, {loop.var: Const(number)}), bounds)


def _interior(loop: For, extent: int, around: Bounds) -> tuple[int, int]:
    """The iterations, from the first to before the last, in which all guards hold.

    Only guards over this loop and loops inside it are asked: no version would be rid of others.
    """
    low, high = 0, extent
    for test, inside in _guards(loop.body, {}, around):
        found = _where_it_holds(test, loop.var, inside)
        if found is not None:
            first, last = found
            low = low if first is None else max(low, first)
            high = high if last is None else min(high, last + 1)
    return low, high


def _where_it_holds(test: Binary, var: str, inside: Bounds) -> tuple[int | None, int | None] | None:
    """First and last value of a variable for which a test holds whatever the others are."""
    if test.op not in _MARGINS:
        return None
    sign, offset = _MARGINS[test.op]
    margin = linear_form(test.left).plus(linear_form(test.right), -1).times(sign)
    factor = margin.terms.get(Var(var), 0)
    rest = bounds_of(to_expr(margin.plus(Linear({Var(var): -factor}))), inside)
    if factor == 0 or rest is None:
        return None
    least = rest[0] + offset  # holds where factor * var + least >= 0
    return (-(least // factor), None) if factor > 0 else (None, least // -factor)


def _guards(stmt: Stmt, inside: Bounds, around: Bounds) -> Iterator[tuple[Binary, Bounds]]:
    """Tests that are made for each element, with the ranges of the loops between here and them.

    `around` are the ranges of the loops further out.
    """
    if isinstance(stmt, For):
        known = bounds_of(stmt.extent, {**around, **inside})
        inside = inside if known is None else {**inside, stmt.var: (0, known[1] - 1)}
    for test in _tests_in(stmt):
        yield test, inside
    for part in sub_statements(stmt):
        yield from _guards(part, inside, around)


def _tests_in(stmt: Stmt) -> Iterator[Binary]:
    conditions = [
        part.condition
        for expr in statement_exprs(stmt)
        for part in walk_expr(expr)
        if type(part) is Select
    ]
    if isinstance(stmt, If) and not any(_repeats(part) for part in walk(stmt)):
        conditions.append(stmt.condition)
    for condition in conditions:
        for part in walk_expr(condition):
            if type(part) is Binary and part.left.dtype is INDEX:
                yield part


def _repeats(stmt: Stmt) -> bool:
    return isinstance(stmt, For) and stmt.kind != "vector"


def _write_out(stmt: Stmt, unrolled: Collection[str]) -> Stmt:
    """Replace unrolled loops by their iterations where a guard depends on such loops alone."""
    if isinstance(stmt, For) and stmt.kind == "unroll" and isinstance(stmt.extent, Const):
        unrolled = {*unrolled, stmt.var}
        if any(
            _is_decided(test, stmt.var, unrolled, stmt.body) for test, _ in _guards(stmt, {}, {})
        ):
            parts = [
                substitute(with_suffix(stmt.body, f"_{number}"), {stmt.var: Const(number)})
                for number in range(int(stmt.extent.value))
            ]
            return seq([_write_out(part, unrolled) for part in parts])
    return rebuild_stmt(stmt, lambda part: _write_out(part, unrolled), lambda e: e, lambda b: b)


def _is_decided(test: Expr, var: str, unrolled: Collection[str], body: Stmt) -> bool:
    inner = {part.var for part in walk(body) if isinstance(part, For) and part.kind != "serial"}
    used = free_variables(test)
    return var in used and used <= inner | set(unrolled)
