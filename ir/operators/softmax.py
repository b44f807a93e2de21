"""softmax and log_softmax along one axis, in the stable form that first subtracts the maximum.

Both lower to nests over the axes other than `axis` (loops `…i`), around one over `axis` where they
reduce (`…r0`), and nests over all axes in logical order. With the axis last, every nest has the
rows outermost, so all of them can be computed row by row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlc.ir.build import Index, nest, number, reduction
from mlc.ir.expr import Binary, Call, Expr, Load
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import axis_attr, define, integer, require_class
from mlc.ir.operators.reduce import join_axes
from mlc.ir.stmt import Alloc, Buffer, Stmt, Store, seq
from mlc.ir.types import TensorType


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (data,) = inputs
    require_class(data.dtype, "float")
    axis_attr(attrs, data.rank)
    return (TensorType(data.shape, data.dtype),)


def _shifted(data: np.ndarray, axis: int) -> np.ndarray:
    wide = data.astype(np.float64)
    return np.asarray(wide - np.max(wide, axis=axis, keepdims=True, initial=-math.inf))


def _softmax_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data,), axis = inputs, integer(attrs, "axis")
    powers = np.exp(_shifted(data, axis))
    return ((powers / np.sum(powers, axis=axis, keepdims=True)).astype(data.dtype),)


def _log_softmax_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data,), axis = inputs, integer(attrs, "axis")
    shifted = _shifted(data, axis)
    total = np.sum(np.exp(shifted), axis=axis, keepdims=True)
    return ((shifted - np.log(total)).astype(data.dtype),)


def _row_buffer(name: str, out: Buffer, axis: int) -> Buffer:
    """A temporary with one element per line along `axis`."""
    return Buffer.dense(name, (*out.shape[:axis], *out.shape[axis + 1 :]), out.dtype, "arena")


def _along(index: Index, axis: int) -> Index:
    """The index of the line that an element belongs to."""
    return (*index[:axis], *index[axis + 1 :])


def _maximum(data: Buffer, highest: Buffer, axis: int, prefix: str) -> Stmt:
    return reduction(
        f"{prefix}max_",
        "max",
        highest,
        number(-math.inf, data.dtype),
        (data.shape[axis],),
        lambda i, r: Load(data, join_axes(i, r, (axis,), False)),
    )


def _softmax_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """Maximum, `powers = exp(x - maximum)`, sum, its reciprocal, `out = powers * reciprocal`."""
    (data,), (out,), axis = inputs, outputs, integer(attrs, "axis")
    highest = _row_buffer(f"{prefix}max", out, axis)
    total = _row_buffer(f"{prefix}sum", out, axis)
    powers = replace(out, name=f"{prefix}powers", scope="arena")
    one = number(1, out.dtype)

    def power(i: Index) -> Stmt:
        shifted = Binary("sub", Load(data, i), Load(highest, _along(i, axis)))
        return Store(powers, i, Call("exp", (shifted,), out.dtype))

    def invert(i: Index) -> Stmt:
        return Store(total, i, Binary("div", one, Load(total, i)))

    def scale(i: Index) -> Stmt:
        return Store(out, i, Binary("mul", Load(powers, i), Load(total, _along(i, axis))))

    nests = (
        _maximum(data, highest, axis, prefix),
        nest(f"{prefix}exp_i", out.shape, power),
        reduction(
            f"{prefix}sum_",
            "add",
            total,
            number(0, out.dtype),
            (out.shape[axis],),
            lambda i, r: Load(powers, join_axes(i, r, (axis,), False)),
        ),
        nest(f"{prefix}inverse_i", total.shape, invert),
        nest(f"{prefix}i", out.shape, scale),
    )
    return Alloc(highest, Alloc(powers, Alloc(total, seq(nests))))


def _log_softmax_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """Maximum, sum of `exp(x - maximum)`, its logarithm, `out = x - maximum - logarithm`."""
    (data,), (out,), axis = inputs, outputs, integer(attrs, "axis")
    highest = _row_buffer(f"{prefix}max", out, axis)
    total = _row_buffer(f"{prefix}sum", out, axis)

    def shifted(i: Index) -> Expr:
        return Binary("sub", Load(data, i), Load(highest, _along(i, axis)))

    def logarithm(i: Index) -> Stmt:
        return Store(total, i, Call("log", (Load(total, i),), out.dtype))

    def finish(i: Index) -> Stmt:
        return Store(out, i, Binary("sub", shifted(i), Load(total, _along(i, axis))))

    nests = (
        _maximum(data, highest, axis, prefix),
        reduction(
            f"{prefix}sum_",
            "add",
            total,
            number(0, out.dtype),
            (out.shape[axis],),
            lambda i, r: Call("exp", (shifted(join_axes(i, r, (axis,), False)),), out.dtype),
        ),
        nest(f"{prefix}log_i", total.shape, logarithm),
        nest(f"{prefix}i", out.shape, finish),
    )
    return Alloc(highest, Alloc(total, seq(nests)))


SOFTMAX = define(
    "softmax", Kind.REDUCTION, 1, _infer, _softmax_reference, _softmax_loops, axis=REQUIRED
)
LOG_SOFTMAX = define(
    "log_softmax",
    Kind.REDUCTION,
    1,
    _infer,
    _log_softmax_reference,
    _log_softmax_loops,
    axis=REQUIRED,
)

OPERATORS = (SOFTMAX, LOG_SOFTMAX)
