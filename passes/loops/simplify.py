"""simplify: resolve index arithmetic, branches and trivial loops by the ranges of loop variables.

Holds before and after: the function computes the same. After: no loop has extent 0 or 1, no
branch has a constant condition, every index is in the normal form of `mlc.ir.affine`.
"""

from __future__ import annotations

from dataclasses import replace

from mlc.ir.affine import Range, bounds_of, simplify
from mlc.ir.expr import Const, Expr
from mlc.ir.rewrite import rebuild_stmt, substitute
from mlc.ir.stmt import Alloc, For, Func, If, Seq, Stmt, seq

NOTHING = Seq(())
"""The statement that does nothing."""


def simplify_func(func: Func) -> Func:
    """Simplify the body of a function."""
    body = simplify_stmt(func.body, {})
    return func if body is func.body else replace(func, body=body)


def simplify_stmt(stmt: Stmt, bounds: dict[str, Range]) -> Stmt:
    """Simplify a statement under inclusive ranges of its free variables."""
    match stmt:
        case For():
            return _simplify_loop(stmt, bounds)
        case Seq(body=body):
            parts = [simplify_stmt(part, bounds) for part in body]
            if all(a is b for a, b in zip(parts, body, strict=True)):
                return stmt
            return seq([part for part in parts if part != NOTHING])
        case If(condition, then, otherwise):
            known = simplify(condition, bounds)
            if isinstance(known, Const):
                taken = then if known.value else otherwise
                return simplify_stmt(taken, bounds) if taken is not None else NOTHING
        case Alloc(buffer, body):
            inner = simplify_stmt(body, bounds)
            if inner == NOTHING:
                return NOTHING
            return stmt if inner is body else Alloc(buffer, inner)

    def on_expr(expr: Expr) -> Expr:
        new = simplify(expr, bounds)
        return expr if new == expr else new

    return rebuild_stmt(stmt, lambda part: simplify_stmt(part, bounds), on_expr, lambda b: b)


def _simplify_loop(loop: For, bounds: dict[str, Range]) -> Stmt:
    extent = simplify(loop.extent, bounds)
    known = bounds_of(extent, bounds)
    if known is not None and known[1] <= 0:
        return NOTHING
    if extent == Const(1):
        return simplify_stmt(substitute(loop.body, {loop.var: Const(0)}), bounds)
    if known is not None:
        bounds = {**bounds, loop.var: (0, known[1] - 1)}
    body = simplify_stmt(loop.body, bounds)
    if body == NOTHING:
        return NOTHING
    if body is loop.body and extent == loop.extent:
        return loop
    return For(loop.var, extent, loop.kind, body)
