"""Small helpers for writing loop nests by hand.

Every helper takes a name prefix: loop variables are the prefix followed by the number of the axis,
so that all names of one computation are unique as long as the prefixes are.

    >>> from mlc.ir.dtype import F32
    >>> x, y = Buffer.dense("x", (4, 8), F32), Buffer.dense("y", (4, 8), F32)
    >>> copy = nest("i", y.shape, lambda i: Store(y, i, Load(x, i)))
    >>> copy.var, copy.extent.value, copy.body.var
    ('i0', 4, 'i1')
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce

from mlc.ir.dtype import BOOL, DType
from mlc.ir.expr import Binary, Const, Expr, Load, Var, as_expr
from mlc.ir.stmt import Buffer, Stmt, Store, loops, seq

Index = tuple[Expr, ...]


def variables(prefix: str, count: int) -> tuple[Var, ...]:
    """The loop variables `{prefix}0`, `{prefix}1`, …"""
    return tuple([Var(f"{prefix}{axis}") for axis in range(count)])


def nest(prefix: str, extents: Sequence[int], body: Callable[[Index], Stmt]) -> Stmt:
    """Serial loops over `extents`, the first outermost, around `body(variables)`."""
    index = variables(prefix, len(extents))
    return loops(((v.name, e) for v, e in zip(index, extents, strict=True)), body(index))


def reduction_nest(
    prefix: str,
    outer: Sequence[int],
    reduced: Sequence[int],
    body: Callable[[Index, Index], Stmt],
) -> Stmt:
    """Loops `{prefix}i…` over `outer` around loops `{prefix}r…` over `reduced`."""
    return nest(f"{prefix}i", outer, lambda i: nest(f"{prefix}r", reduced, lambda r: body(i, r)))


def fill(prefix: str, out: Buffer, value: Expr) -> Stmt:
    """Set every element of `out`."""
    return nest(prefix, out.shape, lambda i: Store(out, i, value))


def accumulate(op: str, out: Buffer, index: Index, value: Expr) -> Store:
    """`out[index] = out[index] op value`."""
    return Store(out, index, Binary(op, Load(out, index), value))


def reduction(
    prefix: str,
    op: str,
    out: Buffer,
    initial: Expr,
    reduced: Sequence[int],
    value: Callable[[Index, Index], Expr],
) -> Stmt:
    """The two nests of a reduction.

    First `out[z] = initial`, then `out[i] = out[i] op value(i, r)` for all `r` below `reduced`.
    """
    update = reduction_nest(
        prefix, out.shape, reduced, lambda i, r: accumulate(op, out, i, value(i, r))
    )
    return seq((fill(f"{prefix}z", out, initial), update))


def number(value: float, dtype: DType) -> Const:
    """A constant of any element type."""
    if dtype.kind in ("float", "storage"):
        return Const(float(value), dtype)
    return Const(bool(value) if dtype is BOOL else int(value), dtype)


def broadcast_load(buffer: Buffer, index: Index, shape: Sequence[int]) -> Load:
    """The element of `buffer` that NumPy's broadcasting to `shape` puts at `index`."""
    skipped = len(shape) - len(buffer.shape)
    parts = [
        part if dim == wide else as_expr(0)
        for part, dim, wide in zip(index[skipped:], buffer.shape, shape[skipped:], strict=True)
    ]
    return Load(buffer, tuple(parts))


def compare(op: str, left: Expr, right: Expr | int) -> Binary:
    """A comparison; an int on the right is an index constant."""
    return Binary(op, left, as_expr(right))


def all_of(conditions: Iterable[Expr]) -> Expr | None:
    """The conjunction of conditions, None where there are none."""
    parts = list(conditions)
    return reduce(lambda left, right: Binary("and", left, right), parts) if parts else None
