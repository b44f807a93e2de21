"""specialise-tails: two versions of a tile loop's body, one for whole tiles and one for the last.

Holds before: extents of inner loops may be `min(f, N - o*f)`. After: where such an extent belongs
to a vector or unrolled loop, the body of loop `o` is versioned so that the extent is constant in
each.

    for o in 9 { for i in min(6, 49 - o*6) unroll { … } }
    →
    for o in 9 { if o < 8 { for i in 6 unroll { … } } else { for i in 1 unroll { … } } }
"""

from __future__ import annotations

from dataclasses import replace

from mlc.ir.affine import Range
from mlc.ir.expr import Binary, Const, Var
from mlc.ir.rewrite import free_variables, rebuild_stmt, substitute, walk, with_suffix
from mlc.ir.stmt import For, Func, If, Stmt
from mlc.passes.loops.simplify import simplify_stmt


def specialise_tails(func: Func) -> Func:
    """Version the bodies of loops whose last iteration is a smaller tile."""
    body = _specialise(func.body, {})
    return func if body is func.body else replace(func, body=body)


def _specialise(stmt: Stmt, bounds: dict[str, Range]) -> Stmt:
    if isinstance(stmt, For) and isinstance(stmt.extent, Const):
        return _specialise_loop(stmt, int(stmt.extent.value), bounds)
    return rebuild_stmt(stmt, lambda part: _specialise(part, bounds), lambda e: e, lambda b: b)


def _specialise_loop(loop: For, extent: int, bounds: dict[str, Range]) -> Stmt:
    whole = {**bounds, loop.var: (0, extent - 1)}
    if not _needs_versions(loop):
        body = _specialise(loop.body, whole)
        return loop if body is loop.body else For(loop.var, loop.extent, loop.kind, body)
    main_bounds = {**bounds, loop.var: (0, extent - 2)}
    main = _specialise(simplify_stmt(loop.body, main_bounds), main_bounds)
    last = substitute(with_suffix(loop.body, f"_{loop.var}"), {loop.var: Const(extent - 1)})
    tail = _specialise(simplify_stmt(last, bounds), bounds)
    if loop.kind in ("serial", "parallel"):
        is_main = Binary("lt", Var(loop.var), Const(extent - 1))
        return For(loop.var, loop.extent, loop.kind, If(is_main, main, tail))
    raise AssertionError(f"loop {loop.var} of kind {loop.kind} holds a tile")


def _needs_versions(loop: For) -> bool:
    return any(
        type(part) is For
        and part.kind in ("vector", "unroll")
        and not isinstance(part.extent, Const)
        and loop.var in free_variables(part.extent)
        for part in walk(loop.body)
    )
