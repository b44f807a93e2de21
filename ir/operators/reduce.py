"""Reductions over axes: sum, mean, max, min, product, arg_max, arg_min, and the running sum.

`axes` are non-negative; with `keepdims` they stay as axes of length one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, accumulate, fill, nest, number, reduction, reduction_nest
from mlc.ir.dtype import I64
from mlc.ir.expr import Binary, Const, Expr, Load, Select, as_expr
from mlc.ir.operator import REQUIRED, Attrs, Infer, Kind, LowerLoops, Operator, Reference
from mlc.ir.operators.definition import (
    axis_attr,
    define,
    flag,
    integer,
    integers,
    known,
    require_class,
)
from mlc.ir.stmt import Alloc, Buffer, Stmt, Store, seq
from mlc.ir.types import Dim, TensorType


def lowest(dtype: np.dtype) -> float:
    """What a maximum starts from: minus infinity, or the least integer."""
    return -math.inf if dtype.kind not in "iu" else int(np.iinfo(dtype).min)


def highest(dtype: np.dtype) -> float:
    """What a minimum starts from: infinity, or the greatest integer."""
    return math.inf if dtype.kind not in "iu" else int(np.iinfo(dtype).max)


def join_axes(kept: Index, reduced: Index, axes: Sequence[int], keepdims: bool) -> Index:
    """The input index of an output index and the position along the reduced axes.

    >>> from mlc.ir.build import variables
    >>> [str(v) for v in join_axes(variables("i", 2), variables("r", 1), (1,), False)]
    ['i0', 'r0', 'i1']
    """
    if keepdims:
        kept = tuple(part for axis, part in enumerate(kept) if axis not in axes)
    outer, inner = iter(kept), iter(reduced)
    rank = len(kept) + len(reduced)
    return tuple(next(inner) if axis in axes else next(outer) for axis in range(rank))


def _reduced_shape(shape: Sequence[Dim], axes: Iterable[int], keepdims: bool) -> tuple[Dim, ...]:
    if keepdims:
        return tuple(1 if axis in axes else dim for axis, dim in enumerate(shape))
    return tuple(dim for axis, dim in enumerate(shape) if axis not in axes)


def _axes(attrs: Attrs, rank: int) -> tuple[int, ...]:
    axes = integers(attrs, "axes")
    if len(set(axes)) != len(axes) or not all(0 <= axis < rank for axis in axes):
        raise ShapeError(f"axes {axes} are not axes of a tensor of rank {rank}")
    return tuple(sorted(axes))


def _infer_of(accepted: str, needs_elements: bool) -> Infer:
    def infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
        (data,) = inputs
        require_class(data.dtype, accepted)
        axes = _axes(attrs, data.rank)
        if needs_elements and any(data.shape[axis] == 0 for axis in axes):
            raise ShapeError(f"{data} has no elements along axes {axes}")
        return (TensorType(_reduced_shape(data.shape, axes, flag(attrs, "keepdims")), data.dtype),)

    return infer


def _reference_of(function: Callable[..., Any]) -> Reference:
    def reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
        (data,) = inputs
        wide = data if data.dtype.kind in "iu" else data.astype(np.float64)
        axes = _axes(attrs, data.ndim)
        result = function(wide, axis=axes, keepdims=flag(attrs, "keepdims"))
        return (np.asarray(result).astype(data.dtype),)

    return reference


def _loops_of(op: str, initial: Callable[[np.dtype], float]) -> LowerLoops:
    def loops(
        inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
    ) -> Stmt:
        (data,), (out,) = inputs, outputs
        axes, keepdims = _axes(attrs, len(data.shape)), flag(attrs, "keepdims")
        extents = [data.shape[axis] for axis in axes]
        start = number(initial(out.dtype.numpy), out.dtype)
        return reduction(
            prefix,
            op,
            out,
            start,
            extents,
            lambda i, r: Load(data, join_axes(i, r, axes, keepdims)),
        )

    return loops


_SUM_LOOPS = _loops_of("add", lambda dtype: 0)


def scaled(prefix: str, out: Buffer, count: int) -> Stmt:
    """The nest `out[i] = out[i] / count`; floats multiply by the reciprocal."""
    if out.dtype.is_float:
        # The mean of nothing is NaN, as NumPy's.
        inverse = 1 / count if count else math.inf
        return nest(
            prefix, out.shape, lambda i: accumulate("mul", out, i, number(inverse, out.dtype))
        )
    return nest(prefix, out.shape, lambda i: accumulate("div", out, i, number(count, out.dtype)))


def _mean_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """The nests of the sum, then `{prefix}f…` which divides by the number of elements."""
    shape = inputs[0].shape
    count = math.prod(shape[axis] for axis in _axes(attrs, len(shape)))
    return seq(
        (_SUM_LOOPS(inputs, outputs, attrs, prefix), scaled(f"{prefix}f", outputs[0], count))
    )


def _mean(data: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> Any:
    """The mean; of integers, rounded towards zero."""
    if data.dtype.kind not in "iu":
        return np.mean(data, axis=axis, keepdims=keepdims)
    count = math.prod(data.shape[a] for a in axis)
    total = np.sum(data, axis=axis, keepdims=keepdims, dtype=data.dtype)
    return np.sign(total) * (np.abs(total) // count)


def _sum_like(function: Callable[..., Any]) -> Callable[..., Any]:
    """Integers keep their type, as the loops do."""
    return lambda data, axis, keepdims: function(
        data, axis=axis, keepdims=keepdims, dtype=data.dtype
    )


_ROWS: tuple[tuple[str, str, bool, Callable[..., Any], LowerLoops], ...] = (
    ("reduce_sum", "number", False, _sum_like(np.sum), _SUM_LOOPS),
    ("reduce_prod", "number", False, _sum_like(np.prod), _loops_of("mul", lambda dtype: 1)),
    ("reduce_max", "number", True, np.max, _loops_of("max", lowest)),
    ("reduce_min", "number", True, np.min, _loops_of("min", highest)),
    ("reduce_mean", "number", True, _mean, _mean_loops),
)


def _operator(
    name: str,
    accepted: str,
    needs_elements: bool,
    function: Callable[..., Any],
    loops: LowerLoops,
) -> Operator:
    return define(
        name,
        Kind.REDUCTION,
        1,
        _infer_of(accepted, needs_elements),
        _reference_of(function),
        loops,
        axes=REQUIRED,
        keepdims=False,
    )


# arg_max, arg_min


def _arg_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (data,) = inputs
    require_class(data.dtype, "number")
    axis = axis_attr(attrs, data.rank)
    if data.shape[axis] == 0:
        raise ShapeError(f"{data} has no elements along axis {axis}")
    return (TensorType(_reduced_shape(data.shape, (axis,), flag(attrs, "keepdims")), I64),)


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
            wins = _wins(better, value, Load(best, i), last)
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


def _wins(better: str, value: Expr, best: Expr, last: bool) -> Expr:
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


# cumsum


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

OPERATORS = (
    *(_operator(*row) for row in _ROWS),
    _arg_operator("arg_max", np.argmax, _arg_loops_of("max", "gt", lowest)),
    _arg_operator("arg_min", np.argmin, _arg_loops_of("min", "lt", highest)),
    CUMSUM,
)
