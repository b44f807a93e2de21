"""Pooling over spatial windows: max_pool and avg_pool."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlc.ir.build import Index, nest, number, reduction
from mlc.ir.expr import Binary, Cast, Expr, Load, as_expr, maximum, minimum
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import (
    define,
    flag,
    integers,
    require_class,
    require_rank,
    static,
)
from mlc.ir.operators.reduce import lowest
from mlc.ir.operators.windows import Window
from mlc.ir.stmt import Buffer, Stmt, Store, seq
from mlc.ir.types import TensorType


def pool_window(attrs: Attrs) -> Window:
    """The sliding window of a pool."""
    return Window.of(attrs, integers(attrs, "kernel"))


def infer_pool(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    """The type of a pool's result: that of its input, with one element per window."""
    require_class(inputs[0].dtype, "number")
    require_rank(inputs[0], 3)
    (shape,) = static(inputs[0])
    integers(attrs, "kernel", len(shape) - 2)
    spatial = pool_window(attrs).output_shape(shape[2:])
    return (TensorType((*shape[:2], *spatial), inputs[0].dtype),)


def _max_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data,), window = inputs, pool_window(attrs)
    least = lowest(data.dtype)
    result = np.full((*data.shape[:2], *window.output_shape(data.shape[2:])), least, data.dtype)
    for _, part in window.slices(data, least):
        result = np.maximum(result, part)
    return (result,)


def _max_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (data,), (out,), window = inputs, outputs, pool_window(attrs)
    least = number(lowest(out.dtype.numpy), out.dtype)
    return reduction(
        prefix,
        "max",
        out,
        least,
        window.kernel,
        lambda i, r: window.load(data, i[:2], i[2:], r, least),
    )


MAX_POOL = define(
    "max_pool",
    Kind.REDUCTION,
    1,
    infer_pool,
    _max_reference,
    _max_loops,
    kernel=REQUIRED,
    strides=REQUIRED,
    before=REQUIRED,
    after=REQUIRED,
    dilations=REQUIRED,
)


def _average_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    require_class(inputs[0].dtype, "float")
    return infer_pool(inputs, attrs)


def _divides_by_kernel(attrs: Attrs, window: Window) -> bool:
    """Whether every window counts the same number of elements."""
    return flag(attrs, "include_pad") or not any((*window.before, *window.after))


def _average_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data,), window = inputs, pool_window(attrs)
    total = sum(part for _, part in window.slices(data.astype(np.float64), 0))
    count: np.ndarray | int = math.prod(window.kernel)
    if not _divides_by_kernel(attrs, window):
        ones = np.ones((1, 1, *data.shape[2:]))
        count = np.asarray(sum(part for _, part in window.slices(ones, 0)))
    return (np.asarray(total / count).astype(data.dtype),)


def _ceil_quotient(value: Expr, divisor: int) -> Expr:
    return (value + (divisor - 1)) // divisor


def _count_inside(window: Window, axis: int, dim: int, position: Expr) -> Expr:
    """Kernel elements along one axis that lie inside the input."""
    start, dilation = window.start(axis, position), window.dilations[axis]
    first = _ceil_quotient(maximum(as_expr(0), 0 - start), dilation)
    end = minimum(as_expr(window.kernel[axis]), _ceil_quotient(dim - start, dilation))
    return end - first


def _average_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """The sum of each window, then `{prefix}f…`: times one over the number of elements counted."""
    (data,), (out,), window = inputs, outputs, pool_window(attrs)
    zero = number(0, out.dtype)
    total = reduction(
        prefix,
        "add",
        out,
        zero,
        window.kernel,
        lambda i, r: window.load(data, i[:2], i[2:], r, zero),
    )

    def finish(i: Index) -> Stmt:
        if _divides_by_kernel(attrs, window):
            inverse = number(1 / math.prod(window.kernel), out.dtype)
            return Store(out, i, Binary("mul", Load(out, i), inverse))
        count: Expr = as_expr(1)
        for axis, dim in enumerate(data.shape[2:]):
            count = count * _count_inside(window, axis, dim, i[axis + 2])
        return Store(out, i, Binary("div", Load(out, i), Cast(count, out.dtype)))

    return seq((total, nest(f"{prefix}f", out.shape, finish)))


AVG_POOL = define(
    "avg_pool",
    Kind.REDUCTION,
    1,
    _average_infer,
    _average_reference,
    _average_loops,
    kernel=REQUIRED,
    strides=REQUIRED,
    before=REQUIRED,
    after=REQUIRED,
    dilations=REQUIRED,
    include_pad=False,
)

OPERATORS = (MAX_POOL, AVG_POOL)
