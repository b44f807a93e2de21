"""specialise-tails: two versions of a tile loop's body, one for whole tiles and one for the last.

Holds before: extents of inner loops may be `min(f, N - o*f)`. After: where such an extent belongs
to a vector or unrolled loop, the body of loop `o` is versioned so that the extent is constant in
each.

    for o in 9 { for i in min(6, 49 - o*6) unroll { … } }
    →
    for o in 9 { if o < 8 { for i in 6 unroll { … } } else { for i in 1 unroll { … } } }

The versions stand inside parallel loops that are perfectly nested, which stay so; the last
iteration of an unrolled loop comes after it. An unrolled loop whose extent is open even then (it
changes from each iteration around to the next) is not unrolled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mlc.ir.affine import Range
from mlc.ir.expr import Binary, Const, Var
from mlc.ir.rewrite import free_variables, rebuild_stmt, substitute, walk, with_suffix
from mlc.ir.stmt import For, Func, If, Stmt, seq
from mlc.passes.loops.simplify import simplify_stmt


def specialise_tails(func: Func) -> Func:
    """Version the bodies of loops whose last iteration is a smaller tile."""
    body = _rolled(_specialise(func.body, {}))
    return func if body is func.body else replace(func, body=body)


def _rolled(stmt: Stmt) -> Stmt:
    """Unrolled loops whose extent is still open as plain ones."""
    new = rebuild_stmt(stmt, _rolled, lambda e: e, lambda b: b)
    if isinstance(new, For) and new.kind == "unroll" and not isinstance(new.extent, Const):
        return For(new.var, new.extent, "serial", new.body)
    return new


def _specialise(stmt: Stmt, bounds: dict[str, Range]) -> Stmt:
    if isinstance(stmt, For) and isinstance(stmt.extent, Const):
        return _specialise_loop(stmt, int(stmt.extent.value), bounds)
    return rebuild_stmt(stmt, lambda part: _specialise(part, bounds), lambda e: e, lambda b: b)


def _specialise_loop(loop: For, extent: int, bounds: dict[str, Range]) -> Stmt:
    whole = {**bounds, loop.var: (0, extent - 1)}
    if not _needs_versions(loop):
        body = _specialise(loop.body, whole)
        return loop if body is loop.body else For(loop.var, loop.extent, loop.kind, body)
    if _shares_threads(loop):
        body = _specialise(_around(loop.body, lambda part: _branches(loop, part, whole)), whole)
        return For(loop.var, loop.extent, loop.kind, body)
    main, tail = _versions(loop.var, extent, loop.body, bounds)
    if loop.kind == "unroll":
        return seq([For(loop.var, Const(extent - 1), "unroll", main), tail])
    return For(loop.var, loop.extent, loop.kind, If(_is_main(loop), main, tail))


def _versions(var: str, extent: int, body: Stmt, bounds: dict[str, Range]) -> tuple[Stmt, Stmt]:
    """The body for all iterations of a loop but the last, and for the last."""
    main_bounds = {**bounds, var: (0, extent - 2)}
    main = _specialise(simplify_stmt(body, main_bounds), main_bounds)
    last = substitute(with_suffix(body, f"_{var}"), {var: Const(extent - 1)})
    return main, _specialise(simplify_stmt(last, bounds), bounds)


def _is_main(loop: For) -> Binary:
    return Binary("lt", Var(loop.var), loop.extent - 1)


def _shares_threads(loop: For) -> bool:
    """Whether a parallel loop holds another at once: both are shared out as one."""
    inner = loop.body
    return (
        loop.kind == "parallel"
        and isinstance(inner, For)
        and inner.kind == "parallel"
        and isinstance(inner.extent, Const)
    )


def _around(stmt: Stmt, change: Callable[[Stmt], Stmt]) -> Stmt:
    """Change what stands inside nested parallel loops."""
    if isinstance(stmt, For) and stmt.kind == "parallel" and isinstance(stmt.extent, Const):
        return For(stmt.var, stmt.extent, stmt.kind, _around(stmt.body, change))
    return change(stmt)


def _branches(loop: For, body: Stmt, bounds: dict[str, Range]) -> Stmt:
    """Both versions of the body of a loop that stands further out."""
    assert isinstance(loop.extent, Const)
    main, tail = _versions(loop.var, int(loop.extent.value), body, bounds)
    return If(_is_main(loop), main, tail)


def _needs_versions(loop: For) -> bool:
    return any(
        type(part) is For
        and part.kind in ("vector", "unroll")
        and not isinstance(part.extent, Const)
        and loop.var in free_variables(part.extent)
        for part in walk(loop.body)
    )
