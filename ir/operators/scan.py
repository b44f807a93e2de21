"""cumsum: the running sum along one axis, either way, with or without the element itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.ir.build import Index, fill, nest, number, reduction_nest
from mlc.ir.expr import Binary, Expr, Load, as_expr
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import axis_attr, define, flag, integer, known, require_class
from mlc.ir.stmt import Buffer, Stmt, Store, seq
from mlc.ir.types import TensorType


def _cumsum_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (data,) = inputs
    require_class(data.dtype, "number")
    known(data.shape[axis_attr(attrs, data.rank)])
    return (TensorType(data.shape, data.dtype),)


def _cumsum_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data,), axis = inputs, integer(attrs, "axis")
    wide = data if data.dtype.kind in "iu" else data.astype(np.float64)
    wide = np.flip(wide, axis) if flag(attrs, "reverse") else wide
    total = np.cumsum(wide, axis=axis, dtype=wide.dtype)
    if flag(attrs, "exclusive") and total.shape[axis]:
        zero = np.zeros_like(np.take(total, [0], axis))
        kept = np.take(total, range(total.shape[axis] - 1), axis)
        total = np.concatenate([zero, kept], axis)
    total = np.flip(total, axis) if flag(attrs, "reverse") else total
    return (total.astype(data.dtype),)


def _cumsum_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """`{prefix}z…` writes the first element of each line, `{prefix}i…`, `{prefix}r0` the rest."""
    (data,), (out,), axis = inputs, outputs, integer(attrs, "axis")
    length, exclusive = out.shape[axis], flag(attrs, "exclusive")
    lines = (*out.shape[:axis], *out.shape[axis + 1 :])
    if 0 in out.shape:
        return fill(f"{prefix}z", out, number(0, out.dtype))

    def at(i: Index, position: Expr) -> Index:
        place = (length - 1) - position if flag(attrs, "reverse") else position
        return (*i[:axis], place, *i[axis:])

    def first(i: Index) -> Stmt:
        start = as_expr(0)
        value = number(0, out.dtype) if exclusive else Load(data, at(i, start))
        return Store(out, at(i, start), value)

    def step(i: Index, r: Index) -> Stmt:
        here = r[0] + 1
        added = Load(data, at(i, r[0] if exclusive else here))
        return Store(out, at(i, here), Binary("add", Load(out, at(i, r[0])), added))

    return seq(
        (nest(f"{prefix}z", lines, first), reduction_nest(prefix, lines, (length - 1,), step))
    )


# The running sum is no REDUCTION for fusion: its loops read what earlier iterations stored.
CUMSUM = define(
    "cumsum",
    Kind.OPAQUE,
    1,
    _cumsum_infer,
    _cumsum_reference,
    _cumsum_loops,
    axis=REQUIRED,
    exclusive=False,
    reverse=False,
)

OPERATORS = (CUMSUM,)
