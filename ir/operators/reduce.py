"""Reductions over axes: sum, mean, max, min, product.

`axes` are non-negative; with `keepdims` they stay as axes of length one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, accumulate, nest, number, reduction
from mlc.ir.expr import Load
from mlc.ir.operator import REQUIRED, Attrs, Infer, Kind, LowerLoops, Operator, Reference
from mlc.ir.operators.definition import (
    define,
    flag,
    integers,
    require_class,
)
from mlc.ir.stmt import Buffer, Stmt, seq
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


def reduced_shape(shape: Sequence[Dim], axes: Iterable[int], keepdims: bool) -> tuple[Dim, ...]:
    """The shape of a reduction over `axes`."""
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
        return (TensorType(reduced_shape(data.shape, axes, flag(attrs, "keepdims")), data.dtype),)

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


OPERATORS = tuple(_operator(*row) for row in _ROWS)
