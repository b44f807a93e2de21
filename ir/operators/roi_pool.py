"""roi_pool: the maximum in each bin of regions (Girshick, 2015, Fast R-CNN).

Inputs are `x [N, C, H, W]` and `regions [R, 5]` with the number of the image, left, top, right and
bottom; the result is `[R, C, height, width]`. Corners times `scale` are rounded to elements, half
away from zero, which the region includes; bins overlap where they do not fall on elements, and one
without elements is 0.

The loops first find the elements of each bin (nest `{prefix}g…`), then update and finish.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, accumulate, compare, fill, nest, number
from mlc.ir.dtype import F32, F64, I64, DType
from mlc.ir.expr import Binary, Cast, Const, Expr, Load, Select, Unary, Var, as_expr
from mlc.ir.expr import maximum as larger
from mlc.ir.expr import minimum as smaller
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import (
    define,
    integer,
    real,
    require_class,
    same_dtype,
    static,
)
from mlc.ir.operators.gather import wrapped, wrapped_array
from mlc.ir.operators.reduce import lowest
from mlc.ir.stmt import Alloc, Buffer, For, Stmt, Store, seq
from mlc.ir.types import TensorType

_FAR = 1 << 20
"""No corner lies farther from the origin."""


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    data, regions = inputs
    require_class(same_dtype(inputs), "float")
    shape, corners = static(data, regions)
    if len(shape) != 4 or len(corners) != 2 or corners[1] != 5:
        raise ShapeError(f"regions {regions} do not fit {data}")
    if 0 in shape and corners[0]:
        raise ShapeError(f"{data} has no elements")
    height, width = integer(attrs, "height"), integer(attrs, "width")
    if min(height, width) < 1:
        raise ShapeError(f"{height} by {width} bins")
    return (TensorType((corners[0], shape[1], height, width), data.dtype),)


# Reference


def _array_bins(
    start: np.ndarray, end: np.ndarray, bins: int, size: int, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """First elements and ends of the bins of regions along one axis: `[R, bins]`."""
    first, last = (_array_rounded(edge * edge.dtype.type(scale)) for edge in (start, end))
    extent = np.maximum(last - first + 1, 1) / start.dtype.type(bins)
    steps = np.arange(bins, dtype=start.dtype)
    low = np.floor(steps * extent[:, None]) + first[:, None]
    high = np.ceil((steps + 1) * extent[:, None]) + first[:, None]
    return np.clip(low, 0, size).astype(np.int64), np.clip(high, 0, size).astype(np.int64)


def _array_rounded(x: np.ndarray) -> np.ndarray:
    x = np.where(x > -_FAR, x, -_FAR).astype(x.dtype)
    x = np.where(x < _FAR, x, _FAR).astype(x.dtype)
    return np.asarray(np.where(x < 0, np.ceil(x - 0.5), np.floor(x + 0.5)).astype(x.dtype))


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    data, regions = inputs
    wide = regions.astype(np.float64 if data.dtype == np.float64 else np.float32)
    bins, scale = (integer(attrs, "height"), integer(attrs, "width")), real(attrs, "scale")
    (top, bottom), (left, right) = (
        _array_bins(wide[:, 2 - a], wide[:, 4 - a], bins[a], data.shape[2 + a], scale)
        for a in range(2)
    )
    result = np.zeros((len(regions), data.shape[1], *bins), data.dtype)
    for r, image in enumerate(wrapped_array(_array_rounded(wide[:, 0]), data.shape[0])):
        for row, column in np.ndindex(*bins):
            part = data[image, :, top[r, row] : bottom[r, row], left[r, column] : right[r, column]]
            if part.size:
                result[r, :, row, column] = part.max(axis=(1, 2))
    return (result,)


# Loops


def _rounded(x: Expr) -> Expr:
    """The nearest integer, half away from zero; what is far away or no number is brought near."""
    dtype, half = x.dtype, number(0.5, x.dtype)
    x = Select(Binary("gt", x, number(-_FAR, dtype)), x, number(-_FAR, dtype))
    x = Select(Binary("lt", x, number(_FAR, dtype)), x, number(_FAR, dtype))
    below = Unary("ceil", Binary("sub", x, half))
    return Select(Binary("lt", x, number(0, dtype)), below, Unary("floor", Binary("add", x, half)))


@dataclass(frozen=True)
class _Bins:
    """The first element and the number of elements of each bin along one axis: `[R, bins]`."""

    size: int
    first: Buffer
    count: Buffer

    @staticmethod
    def of(name: str, shape: tuple[int, int], size: int) -> _Bins:
        first = Buffer.dense(f"{name}first", shape, I64, "arena")
        return _Bins(size, first, Buffer.dense(f"{name}count", shape, I64, "arena"))

    def fill(self, i: Index, start: Expr, end: Expr, scale: float) -> Stmt:
        dtype, one = start.dtype, number(1, start.dtype)
        first, last = (_rounded(Binary("mul", edge, number(scale, dtype))) for edge in (start, end))
        extent = Binary("max", Binary("add", Binary("sub", last, first), one), one)
        bin_size = Binary("div", extent, number(self.first.shape[1], dtype))
        step = Cast(i[1], dtype)
        low = Unary("floor", Binary("mul", step, bin_size))
        high = Unary("ceil", Binary("mul", Binary("add", step, one), bin_size))
        start_place, end_place = (
            smaller(larger(Cast(Binary("add", edge, first), I64), as_expr(0)), Const(self.size))
            for edge in (low, high)
        )
        return seq(
            (
                Store(self.first, i, start_place),
                Store(self.count, i, larger(end_place - start_place, as_expr(0))),
            )
        )


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    (data, regions), (out,) = inputs, outputs
    dtype: DType = F64 if data.dtype is F64 else F32
    axes = [
        _Bins.of(f"{prefix}axis{a}_", (out.shape[0], out.shape[2 + a]), data.shape[2 + a])
        for a in range(2)
    ]

    def corner(region: Expr, place: int) -> Expr:
        value = Load(regions, (region, Const(place)))
        return value if value.dtype is dtype else Cast(value, dtype)

    def find(axis: int, i: Index) -> Stmt:
        start, end = corner(i[0], 2 - axis), corner(i[0], 4 - axis)
        return axes[axis].fill(i, start, end, real(attrs, "scale"))

    def update(i: Index) -> Stmt:
        r = [Var(f"{prefix}r{a}") for a in range(2)]
        bins = [(i[0], i[2 + a]) for a in range(2)]
        places = [Load(axis.first, at) + step for axis, at, step in zip(axes, bins, r, strict=True)]
        image = wrapped(Cast(_rounded(corner(i[0], 0)), I64), data.shape[0])
        body: Stmt = accumulate("max", out, i, Load(data, (image, i[1], *places)))
        for a in (1, 0):
            body = For(r[a].name, Load(axes[a].count, bins[a]), "serial", body)
        return body

    def finish(i: Index) -> Stmt:
        counts = (Load(axis.count, (i[0], i[2 + a])) for a, axis in enumerate(axes))
        rows, columns = counts
        none = compare("eq", rows * columns, 0)
        return Store(out, i, Select(none, number(0, out.dtype), Load(out, i)))

    least = number(lowest(out.dtype.numpy), out.dtype)
    body = seq(
        (
            nest(f"{prefix}g", axes[0].first.shape, lambda i: find(0, i)),
            nest(f"{prefix}h", axes[1].first.shape, lambda i: find(1, i)),
            fill(f"{prefix}z", out, least),
            nest(f"{prefix}i", out.shape, update),
            nest(f"{prefix}f", out.shape, finish),
        )
    )
    for axis in axes:
        body = Alloc(axis.first, Alloc(axis.count, body))
    return body


ROI_POOL = define(
    "roi_pool",
    Kind.OPAQUE,
    2,
    _infer,
    _reference,
    _loops,
    height=REQUIRED,
    width=REQUIRED,
    scale=1.0,
)

OPERATORS = (ROI_POOL,)
