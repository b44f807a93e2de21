"""How large a computation is along each of its axes: what the choice of a schedule depends on.

Two tasks of one template with alike extents want alike schedules, whatever is fused around them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mlc.ir.affine import Bounds, bounds_of
from mlc.ir.expr import Load
from mlc.ir.rewrite import free_variables, sub_statements, walk_expr
from mlc.ir.stmt import For, Func, Stmt, Store
from mlc.passes.schedule.templates.base import stride_of


class Extents(NamedTuple):
    """Iterations of the heaviest nest: over what it writes, and over what it reduces.

    `columns`: along the axis of the results that is dense in memory; `rows`: along all others;
    `reduction`: for each result; `window`: of these, positions of a window that slides over the
    input, as those of a convolution's kernel.
    """

    rows: int
    columns: int
    reduction: int
    window: int

    def apart(self, other: Extents) -> float:
        """The octaves between two computations, summed over the axes."""
        return sum(abs(math.log2(a / b)) for a, b in zip(self, other, strict=True))


def extents_of(func: Func) -> Extents:
    """The extents of plain loops.

    >>> from mlc.ir.text import parse_func
    >>> extents_of(parse_func('''
    ... func smooth(x: f32[66,16,4], w: f32[3,4] constant, y: f32[64,16]) {
    ...   for i in 64 {
    ...     for j in 16 {
    ...       for c in 4 {
    ...         for k in 3 {
    ...           y[i, j] = y[i, j] + x[i + k, j, c] * w[k, c]
    ...         }
    ...       }
    ...     }
    ...   }
    ... }'''))
    Extents(rows=64, columns=16, reduction=12, window=3)
    """
    nests = list(_nests(func.body, {}))
    if not nests:
        return Extents(1, 1, 1, 1)
    store, loops = max(nests, key=lambda nest: math.prod(nest[1].values()))
    written = {name for part in store.index for name in free_variables(part)}
    reduced = loops.keys() - written
    dense = [
        name for name in written & loops.keys() if stride_of(store.buffer, store.index, name) == 1
    ]
    columns = max((loops[name] for name in dense), default=1)
    results = _iterations(loops, loops.keys() & written)
    window = _iterations(loops, _sliding(store, written) & reduced)
    return Extents(results // columns, columns, _iterations(loops, reduced), window)


def _nests(stmt: Stmt, bounds: Bounds) -> Iterator[tuple[Store, Mapping[str, int]]]:
    """Every store, with the iterations of the loops around it."""
    if type(stmt) is Store:
        yield stmt, {name: max(1, last + 1) for name, (_, last) in bounds.items()}
    if type(stmt) is For:
        extent = bounds_of(stmt.extent, bounds)
        bounds = {**bounds, stmt.var: (0, extent[1] - 1 if extent else 0)}
    for part in sub_statements(stmt):
        yield from _nests(part, bounds)


def _sliding(store: Store, written: set[str]) -> set[str]:
    """What is added to a loop over results somewhere in an index."""
    loads = (part for part in walk_expr(store.value) if type(part) is Load)
    names = (free_variables(index) for load in loads for index in load.index)
    return {name for together in names if together & written for name in together - written}


def _iterations(loops: Mapping[str, int], names: set[str]) -> int:
    return math.prod(loops[name] for name in names)
