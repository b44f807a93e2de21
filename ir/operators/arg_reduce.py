"""arg_max and arg_min: the position of the extremum along one axis, as i64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, accumulate, nest, number, reduction_nest
from mlc.ir.dtype import I64
from mlc.ir.expr import Binary, Const, Expr, Load, Select
from mlc.ir.operator import REQUIRED, Attrs, Kind, LowerLoops, Operator, Reference
from mlc.ir.operators.definition import axis_attr, define, flag, integer, require_class
from mlc.ir.operators.reduce import highest, join_axes, lowest, reduced_shape
from mlc.ir.stmt import Alloc, Buffer, Stmt, Store, seq
from mlc.ir.types import TensorType


def _arg_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (data,) = inputs
    require_class(data.dtype, "number")
    axis = axis_attr(attrs, data.rank)
    if data.shape[axis] == 0:
        raise ShapeError(f"{data} has no elements along axis {axis}")
    return (TensorType(reduced_shape(data.shape, (axis,), flag(attrs, "keepdims")), I64),)


def _arg_reference_of(function: Callable[..., Any]) -> Reference:
    def reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
        (data,), axis = inputs, integer(attrs, "axis")
        last = flag(attrs, "last")
        found = function(np.flip(data, axis) if last else data, axis=axis, keepdims=True)
        found = data.shape[axis] - 1 - found if last else found
        return (found if flag(attrs, "keepdims") else found.squeeze(axis),)

    return reference


def _arg_loops_of(op: str, better: str, initial: Callable[[np.dtype], float]) -> LowerLoops:
    """Two nests that carry the best value in a temporary beside its position.

    The first NaN wins (the last one with `last`), as NumPy has it.
    """

    def loops(
        inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
    ) -> Stmt:
        (data,), (out,) = inputs, outputs
        axis, keepdims, last = integer(attrs, "axis"), flag(attrs, "keepdims"), flag(attrs, "last")
        best = Buffer.dense(f"{prefix}best", out.shape, data.dtype, "arena")
        start = number(initial(data.dtype.numpy), data.dtype)

        def initialise(i: Index) -> Stmt:
            return seq((Store(best, i, start), Store(out, i, Const(0))))

        def update(i: Index, r: Index) -> Stmt:
            value = Load(data, join_axes(i, r, (axis,), keepdims))
            wins = wins_over(better, value, Load(best, i), last)
            return seq(
                (
                    Store(out, i, Select(wins, r[0], Load(out, i))),
                    accumulate(op, best, i, value),
                )
            )

        nests = (
            nest(f"{prefix}z", out.shape, initialise),
            reduction_nest(prefix, out.shape, (data.shape[axis],), update),
        )
        return Alloc(best, seq(nests))

    return loops


def wins_over(better: str, value: Expr, best: Expr, last: bool) -> Expr:
    """Whether `value` takes the place of `best`; of equal ones the first wins, or the `last`."""
    wins = (
        Binary("ge" if better == "gt" else "le", value, best)
        if last
        else (Binary(better, value, best))
    )
    if not value.dtype.is_float:
        return wins
    is_nan: Expr = Binary("ne", value, value)
    if not last:
        is_nan = Binary("and", is_nan, Binary("eq", best, best))
    return Binary("or", wins, is_nan)


def _arg_operator(name: str, function: Callable[..., Any], loops: LowerLoops) -> Operator:
    return define(
        name,
        Kind.REDUCTION,
        1,
        _arg_infer,
        _arg_reference_of(function),
        loops,
        axis=REQUIRED,
        keepdims=True,
        last=False,
    )


OPERATORS = (
    _arg_operator("arg_max", np.argmax, _arg_loops_of("max", "gt", lowest)),
    _arg_operator("arg_min", np.argmin, _arg_loops_of("min", "lt", highest)),
)
