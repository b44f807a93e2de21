"""cumsum and cumprod: running sums and products along one axis.

They run either way, with or without the element itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mlc.ir.build import Index, fill, nest, number, reduction_nest
from mlc.ir.expr import Binary, Expr, Load, as_expr
from mlc.ir.operator import REQUIRED, Attrs, Kind, Operator
from mlc.ir.operators.definition import axis_attr, define, flag, integer, known, require_class
from mlc.ir.stmt import Buffer, Stmt, Store, seq
from mlc.ir.types import TensorType


@dataclass(frozen=True)
class _Scan:
    """An operator that combines each element with all before it; `start` is what none give."""

    name: str
    op: str
    start: int
    accumulate: np.ufunc


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (data,) = inputs
    require_class(data.dtype, "number")
    known(data.shape[axis_attr(attrs, data.rank)])
    return (TensorType(data.shape, data.dtype),)


def _reference(scan: _Scan, inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data,), axis = inputs, integer(attrs, "axis")
    wide = data if data.dtype.kind in "iu" else data.astype(np.float64)
    wide = np.flip(wide, axis) if flag(attrs, "reverse") else wide
    total = scan.accumulate.accumulate(wide, axis=axis, dtype=wide.dtype)
    if flag(attrs, "exclusive") and total.shape[axis]:
        start = np.full_like(np.take(total, [0], axis), scan.start)
        kept = np.take(total, range(total.shape[axis] - 1), axis)
        total = np.concatenate([start, kept], axis)
    total = np.flip(total, axis) if flag(attrs, "reverse") else total
    return (total.astype(data.dtype),)


def _loops(
    scan: _Scan,
    inputs: Sequence[Buffer],
    outputs: Sequence[Buffer],
    attrs: Attrs,
    prefix: str,
) -> Stmt:
    """`{prefix}z…` writes the first element of each line, `{prefix}i…`, `{prefix}r0` the rest."""
    (data,), (out,), axis = inputs, outputs, integer(attrs, "axis")
    length, exclusive = out.shape[axis], flag(attrs, "exclusive")
    lines = (*out.shape[:axis], *out.shape[axis + 1 :])
    if 0 in out.shape:
        return fill(f"{prefix}z", out, number(scan.start, out.dtype))

    def at(i: Index, position: Expr) -> Index:
        place = (length - 1) - position if flag(attrs, "reverse") else position
        return (*i[:axis], place, *i[axis:])

    def first(i: Index) -> Stmt:
        start = as_expr(0)
        value = number(scan.start, out.dtype) if exclusive else Load(data, at(i, start))
        return Store(out, at(i, start), value)

    def step(i: Index, r: Index) -> Stmt:
        here = r[0] + 1
        added = Load(data, at(i, r[0] if exclusive else here))
        return Store(out, at(i, here), Binary(scan.op, Load(out, at(i, r[0])), added))

    return seq(
        (nest(f"{prefix}z", lines, first), reduction_nest(prefix, lines, (length - 1,), step))
    )


_SCANS = (_Scan("cumsum", "add", 0, np.add), _Scan("cumprod", "mul", 1, np.multiply))


def _operator(scan: _Scan) -> Operator:
    # This is no REDUCTION for fusion: the loops read what earlier iterations stored.
    return define(
        scan.name,
        Kind.OPAQUE,
        1,
        _infer,
        partial(_reference, scan),
        partial(_loops, scan),
        axis=REQUIRED,
        exclusive=False,
        reverse=False,
    )


OPERATORS = tuple(map(_operator, _SCANS))
