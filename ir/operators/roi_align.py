"""roi_align: averages or maxima of samples in the bins of regions (He et al., 2017, Mask R-CNN).

Inputs are `x [N, C, H, W]`, `regions [R, 4]` with left, top, right, bottom, and `images [R]`, the
image that each region lies in; the result is `[R, C, height, width]`. Coordinates are multiplied
by `scale`; with `half_pixel` they are those of the corners of elements, else of their middles, and
regions are at least one element large. Each bin takes `samples` samples along each axis, or where
that is 0 one per element, linearly interpolated; one beyond the border by more than an element is
0. As ONNX has it, `maximum` is that of the weighted elements around the samples.

The loops first work out each region (nest `{prefix}g…`), then `{prefix}z…` sets, `{prefix}i…` with
`{prefix}r…` over the samples updates, and `{prefix}f…` finishes.
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
    flag,
    integer,
    real,
    require_class,
    same_dtype,
    static,
)
from mlc.ir.operators.gather import wrapped, wrapped_array
from mlc.ir.operators.reduce import lowest
from mlc.ir.stmt import Alloc, Buffer, For, If, Stmt, Store, seq
from mlc.ir.types import TensorType

MOST_SAMPLES = 1024
"""Samples of a bin along one axis; only a region without measure asks for more."""


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    data, regions, images = inputs
    require_class(same_dtype((data, regions)), "float")
    require_class(images.dtype, "integer")
    shape, corners, count = static(data, regions, images)
    if len(shape) != 4 or corners != (*count, 4) or len(count) != 1:
        raise ShapeError(f"regions {regions} of images {images} do not fit {data}")
    if 0 in shape and count[0]:
        raise ShapeError(f"{data} has no elements")
    height, width = integer(attrs, "height"), integer(attrs, "width")
    if min(height, width) < 1 or integer(attrs, "samples") < 0:
        raise ShapeError(f"{height} by {width} bins of {integer(attrs, 'samples')} samples")
    return (TensorType((count[0], shape[1], height, width), data.dtype),)


# Reference


def _spans(start: float, end: float, bins: int, attrs: Attrs) -> tuple[float, float, int]:
    """Start, size of a bin and samples per bin of a region along one axis."""
    offset = 0.5 if flag(attrs, "half_pixel") else 0.0
    first, last = (edge * real(attrs, "scale") - offset for edge in (start, end))
    extent = last - first if flag(attrs, "half_pixel") else max(last - first, 1.0)
    wanted = np.ceil(extent / bins)
    samples = int(min(wanted, MOST_SAMPLES)) if wanted > 0 else 0
    return first, extent / bins, integer(attrs, "samples") or samples


def _matrix(span: tuple[float, float, int], bins: int, size: int) -> np.ndarray:
    """The weights `[bins, samples, 2]` of two elements and their places in the last axis."""
    start, bin_size, samples = span
    steps = (np.arange(samples) + 0.5) / max(samples, 1)
    x = start + (np.arange(bins)[:, None] + steps) * bin_size
    inside = (x >= -1) & (x <= size)
    x = np.where(inside, np.maximum(x, 0), 0)
    low = np.minimum(np.floor(x), size - 1)
    part = np.where(low >= size - 1, 0, x - low)
    places = np.stack([low, np.minimum(low + 1, size - 1)], axis=-1)
    weights = np.stack([1 - part, part], axis=-1) * inside[..., None]
    return np.stack([weights, places], axis=-1)


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    data, regions, images = inputs
    bins = (integer(attrs, "height"), integer(attrs, "width"))
    result = np.zeros((len(regions), data.shape[1], *bins))
    places = wrapped_array(images, data.shape[0])
    for region, image, out in zip(regions.astype(np.float64), places, result, strict=True):
        spans = [_spans(region[1 - a], region[3 - a], bins[a], attrs) for a in range(2)]
        rows, columns = (_matrix(spans[a], bins[a], data.shape[2 + a]) for a in range(2))
        if 0 in (rows.size, columns.size):
            continue
        read = data[image].astype(np.float64)[
            :,
            rows[:, None, :, None, :, None, 1].astype(np.int64),
            columns[None, :, None, :, None, :, 1].astype(np.int64),
        ]
        weights = rows[:, None, :, None, :, None, 0] * columns[None, :, None, :, None, :, 0]
        parts = read * weights
        if flag(attrs, "maximum"):
            out[:] = parts.max(axis=(3, 4, 5, 6))
        else:
            out[:] = parts.sum(axis=(5, 6)).mean(axis=(3, 4))
    return (result.astype(data.dtype),)


# Loops


@dataclass(frozen=True)
class _Measure:
    """Regions along one axis: where they start and the size of a bin `[R, 2]`, samples `[R]`."""

    bins: int
    size: int
    span: Buffer
    samples: Buffer

    @staticmethod
    def of(name: str, bins: int, size: int, count: int, dtype: DType) -> _Measure:
        span = Buffer.dense(f"{name}span", (count, 2), dtype, "arena")
        return _Measure(bins, size, span, Buffer.dense(f"{name}samples", (count,), I64, "arena"))

    def fill(self, i: Index, start: Expr, end: Expr, attrs: Attrs) -> Stmt:
        dtype = self.span.dtype
        scale, offset = real(attrs, "scale"), 0.5 if flag(attrs, "half_pixel") else 0.0
        first, last = (
            Binary("sub", Binary("mul", edge, number(scale, dtype)), number(offset, dtype))
            for edge in (start, end)
        )
        extent = Binary("sub", last, first)
        if not flag(attrs, "half_pixel"):
            extent = Binary("max", extent, number(1, dtype))
        bin_size = Binary("div", extent, number(self.bins, dtype))
        return seq(
            (
                Store(self.span, (*i, Const(0)), first),
                Store(self.span, (*i, Const(1)), bin_size),
                Store(self.samples, i, _samples(bin_size, attrs)),
            )
        )

    def taps(self, region: Expr, at: Expr, r: Expr) -> tuple[Expr, list[tuple[Expr, Expr]]]:
        """Whether sample `r` of bin `at` counts, and the places and weights of two elements."""
        dtype = self.span.dtype
        start, bin_size = (Load(self.span, (region, Const(part))) for part in range(2))
        middle = Binary("add", Cast(r, dtype), number(0.5, dtype))
        step = Binary("div", middle, Cast(Load(self.samples, (region,)), dtype))
        bins = Binary("add", Cast(at, dtype), step)
        x = Binary("add", start, Binary("mul", bins, bin_size))
        inside = Binary(
            "and",
            Binary("ge", x, number(-1, dtype)),
            Binary("le", x, number(self.size, dtype)),
        )
        x = Binary("max", x, number(0, dtype))
        low = smaller(Cast(Unary("floor", x), I64), Const(self.size - 1))
        part = Select(
            compare("ge", low, self.size - 1),
            number(0, dtype),
            Binary("sub", x, Cast(low, dtype)),
        )
        high = smaller(low + 1, Const(self.size - 1))
        return inside, [(low, Binary("sub", number(1, dtype), part)), (high, part)]


def _samples(bin_size: Expr, attrs: Attrs) -> Expr:
    if integer(attrs, "samples"):
        return Const(integer(attrs, "samples"))
    dtype = bin_size.dtype
    wanted = Unary("ceil", bin_size)
    # One that is not a number gives none.
    least = Select(Binary("gt", wanted, number(0, dtype)), wanted, number(0, dtype))
    return Cast(Binary("min", least, number(MOST_SAMPLES, dtype)), I64)


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    (data, regions, images), (out,) = inputs, outputs
    dtype = F64 if data.dtype is F64 else F32
    count, maximum = regions.shape[0], flag(attrs, "maximum")
    axes = [
        _Measure.of(f"{prefix}axis{a}_", out.shape[2 + a], data.shape[2 + a], count, dtype)
        for a in range(2)
    ]

    def measure(i: Index) -> Stmt:
        corners = [Cast(Load(regions, (*i, Const(c))), dtype) for c in range(4)]
        return seq(a.fill(i, corners[1 - k], corners[3 - k], attrs) for k, a in enumerate(axes))

    def update(i: Index) -> Stmt:
        r = (Var(f"{prefix}r0"), Var(f"{prefix}r1"))
        (valid, rows), (fits, columns) = (a.taps(i[0], i[2 + k], r[k]) for k, a in enumerate(axes))
        image = wrapped(Load(images, i[:1]), data.shape[0])
        op = "max" if maximum else "add"
        value = _weighted(data, (image, i[1]), rows, columns, op, dtype)
        outside = accumulate("max", out, i, number(0, out.dtype)) if maximum else None
        body: Stmt = If(
            Binary("and", valid, fits), accumulate(op, out, i, _as(value, out.dtype)), outside
        )
        for name, axis in reversed(list(zip(r, axes, strict=True))):
            body = For(name.name, Load(axis.samples, i[:1]), "serial", body)
        return body

    def finish(i: Index) -> Stmt:
        samples: Expr = as_expr(1)
        for axis in axes:
            samples = samples * Load(axis.samples, i[:1])
        if maximum:
            none = compare("eq", samples, 0)
            return Store(out, i, Select(none, number(0, out.dtype), Load(out, i)))
        divisor = Cast(larger(samples, as_expr(1)), out.dtype)
        return Store(out, i, Binary("div", Load(out, i), divisor))

    start = number(lowest(out.dtype.numpy) if maximum else 0, out.dtype)
    body = seq(
        (
            nest(f"{prefix}g", (count,), measure),
            fill(f"{prefix}z", out, start),
            nest(f"{prefix}i", out.shape, update),
            nest(f"{prefix}f", out.shape, finish),
        )
    )
    for axis in axes:
        body = Alloc(axis.span, Alloc(axis.samples, body))
    return body


def _weighted(
    data: Buffer,
    plane: Index,
    rows: Sequence[tuple[Expr, Expr]],
    columns: Sequence[tuple[Expr, Expr]],
    op: str,
    dtype: DType,
) -> Expr:
    """The four elements around a place by their weights, added up or the greatest of them."""
    parts = [
        Binary(
            "mul",
            _as(Load(data, (*plane, row, column)), dtype),
            Binary("mul", row_weight, column_weight),
        )
        for row, row_weight in rows
        for column, column_weight in columns
    ]
    value: Expr = parts[0]
    for part in parts[1:]:
        value = Binary(op, value, part)
    return value


def _as(value: Expr, dtype: DType) -> Expr:
    return value if value.dtype is dtype else Cast(value, dtype)


ROI_ALIGN = define(
    "roi_align",
    Kind.OPAQUE,
    3,
    _infer,
    _reference,
    _loops,
    height=REQUIRED,
    width=REQUIRED,
    samples=0,
    scale=1.0,
    half_pixel=True,
    maximum=False,
)

OPERATORS = (ROI_ALIGN,)
