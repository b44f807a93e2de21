"""How much a function has to do: floating-point operations, and bytes that it must move.

Counted on plain loops, before a schedule repeats or saves anything, so that all schedules of one
computation (Winograd's too) are measured by the same yardstick:

    >>> from mlc.ir.text import parse_func
    >>> product = parse_func('''
    ... func product(x: f32[8,4], w: f32[4,16] constant, y: f32[8,16]) {
    ...   for i in 8 {
    ...     for j in 16 {
    ...       for k in 4 {
    ...         y[i, j] = y[i, j] + x[i, k] * w[k, j]
    ...       }
    ...     }
    ...   }
    ... }''')
    >>> work_of(product)
    Work(flops=1024, bytes=896)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mlc.ir.affine import Bounds, bounds_of
from mlc.ir.expr import Binary, Call, Expr, Load, Unary
from mlc.ir.rewrite import children, free_variables, sub_statements, walk_expr
from mlc.ir.stmt import For, Func, Stmt, Store


@dataclass(frozen=True, slots=True)
class Work:
    """What any machine has to do at least.

    `flops`: arithmetic on floats; a multiply-add counts as two, a call such as `exp` as one.
    `bytes`: parts of parameters that are read or written, each once; no temporaries.
    """

    flops: int = 0
    bytes: int = 0


def work_of(func: Func) -> Work:
    """The work of plain loops; linear in the size of their text.

    Where a condition decides between two computations, both count.
    """
    flops = 0
    reads: dict[Load, int] = {}
    writes: dict[Load, int] = {}
    for store, bounds in _stores(func.body, {}):
        flops += _size(bounds) * _operations(store.value)
        for expr in (*store.index, store.value):
            loads = (part for part in walk_expr(expr) if type(part) is Load)
            reads.update((load, _footprint(load, bounds)) for load in loads)
        target = Load(store.buffer, store.index)
        writes[target] = _footprint(target, bounds)
    # What a function wrote itself it finds in the cache.
    written = {load.buffer.name for load in writes}
    fetched = {load: size for load, size in reads.items() if load.buffer.name not in written}
    touched: dict[str, int] = {}
    for load, elements in (*fetched.items(), *writes.items()):
        touched[load.buffer.name] = touched.get(load.buffer.name, 0) + elements
    moved = (min(touched.get(p.name, 0), p.elements) * p.dtype.bytes for p in func.params)
    return Work(flops, sum(moved))


def _stores(stmt: Stmt, bounds: Bounds) -> Iterator[tuple[Store, Bounds]]:
    """Every store, with the ranges of the loops around it."""
    if type(stmt) is Store:
        yield stmt, bounds
    if type(stmt) is For:
        extent = bounds_of(stmt.extent, bounds)
        bounds = {**bounds, stmt.var: (0, extent[1] - 1 if extent else 0)}
    for part in sub_statements(stmt):
        yield from _stores(part, bounds)


def _size(bounds: Bounds) -> int:
    return math.prod(last + 1 for _, last in bounds.values())


def _footprint(load: Load, bounds: Bounds) -> int:
    """The most elements that an access reaches, axis by axis."""
    reached = 1
    for part, dim in zip(load.index, load.buffer.shape, strict=True):
        inside = {name: bounds[name] for name in free_variables(part) & bounds.keys()}
        reached *= min(dim, _size(inside))
    return min(reached, _size(bounds))


_ON_FLOATS: dict[type, Callable[..., bool]] = {
    Binary: lambda e: e.left.dtype.is_float,
    Unary: lambda e: e.operand.dtype.is_float,
    Call: lambda e: e.args[0].dtype.is_float,
}


def _operations(expr: Expr) -> int:
    """Operations on floats in an expression, those that compute an index left out."""
    if type(expr) is Load:
        return 0
    on_floats = _ON_FLOATS.get(type(expr))
    own = 1 if on_floats and on_floats(expr) else 0
    return own + sum(map(_operations, children(expr)))
