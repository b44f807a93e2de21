"""simplify: resolve index arithmetic, branches and trivial loops by the ranges of loop variables.

Holds before and after: the function computes the same. After: no loop has extent 0 or 1, no
branch has a constant condition, every index is in the normal form of `mlc.ir.affine`.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def simplify_stmt(stmt: Stmt, bounds: Mapping[str, Range]) -> Stmt:
    """Simplify a statement under inclusive ranges of its free variables."""
    return _Simplifier(bounds).statement(stmt)


class _Simplifier:
    """Simplifies under one set of ranges."""

    def __init__(self, bounds: Mapping[str, Range]) -> None:
        self.bounds = bounds

    def expr(self, expr: Expr) -> Expr:
        new = simplify(expr, self.bounds)
        return expr if new == expr else new

    def statement(self, stmt: Stmt) -> Stmt:
        match stmt:
            case For():
                return self.loop(stmt)
            case Seq(body=body):
                parts = [self.statement(part) for part in body]
                if all(a is b for a, b in zip(parts, body, strict=True)):
                    return stmt
                return seq([part for part in parts if part != NOTHING])
            case If(condition, then, otherwise):
                known = self.expr(condition)
                if isinstance(known, Const):
                    taken = then if known.value else otherwise
                    return self.statement(taken) if taken is not None else NOTHING
            case Alloc(buffer, body):
                inner = self.statement(body)
                if inner == NOTHING:
                    return NOTHING
                return stmt if inner is body else Alloc(buffer, inner)
        return rebuild_stmt(stmt, self.statement, self.expr, lambda buffer: buffer)

    def loop(self, loop: For) -> Stmt:
        extent = self.expr(loop.extent)
        known = bounds_of(extent, self.bounds)
        if known is not None and known[1] <= 0:
            return NOTHING
        if extent == Const(1):
            return self.statement(substitute(loop.body, {loop.var: Const(0)}))
        inner = self
        if known is not None:
            inner = _Simplifier({**self.bounds, loop.var: (0, known[1] - 1)})
        body = inner.statement(loop.body)
        if body == NOTHING:
            return NOTHING
        if body is loop.body and extent == loop.extent:
            return loop
        return For(loop.var, extent, loop.kind, body)
