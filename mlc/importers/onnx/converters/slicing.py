"""Ranges along an axis as ONNX and NumPy write them, made explicit: start, size, step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.symbolic import dim_of
from mlc.ir.affine import simplify
from mlc.ir.expr import Expr, as_expr
from mlc.ir.graph import Value
from mlc.ir.types import Dim

_FAR = 1 << 31
"""Exporters write "to the end" as the largest 32-bit or 64-bit number."""


@dataclass(frozen=True)
class Extent:
    """The elements start, start + step, … along one axis, `size` of them."""

    start: int
    size: Dim
    step: int


def extent_of(dim: Dim, start: Dim, end: Dim, step: int) -> Extent | None:
    """The range `[start:end:step]` of an axis of `dim` elements; None where it is not decided."""
    if isinstance(dim, int) and isinstance(start, int) and isinstance(end, int):
        if step > 0:
            low, high = _clamped(start, dim, 0, dim), _clamped(end, dim, 0, dim)
        else:
            low, high = _clamped(start, dim, -1, dim - 1), _clamped(end, dim, -1, dim - 1)
        return Extent(low, max(-(-(high - low) // step), 0), step) if low != -1 else Extent(0, 0, 1)
    if step != 1 or not isinstance(start, int) or start < 0:
        return None
    if isinstance(end, Expr) or isinstance(dim, int):
        # A symbolic end is taken to lie inside; only the axis itself is sure to.
        return Extent(start, _minus(dim, start), 1) if end == dim else None
    if end >= _FAR - 1:
        return Extent(start, _minus(dim, start), 1)
    return Extent(start, _minus(dim, start - end), 1) if end < 0 else None


def _clamped(position: int, dim: int, low: int, high: int) -> int:
    return min(max(position + dim if position < 0 else position, low), high)


def _minus(dim: Dim, amount: int) -> Dim:
    return dim_of(simplify(as_expr(dim) - amount, {}))


def sliced(builder: Builder, x: Value, extents: Mapping[int, Extent]) -> Value:
    """The part of `x` that lies in `extents` (axis → range); itself where that is all."""
    starts, sizes, steps = [0] * x.type.rank, list(x.type.shape), [1] * x.type.rank
    for axis, extent in extents.items():
        starts[axis], sizes[axis], steps[axis] = extent.start, extent.size, extent.step
    if tuple(sizes) == x.type.shape and not any(starts) and set(steps) <= {1}:
        return x
    return builder.slice(x, starts, sizes, steps)


def part(builder: Builder, x: Value, axis: int, start: int, size: int) -> Value:
    """`size` places of one axis from `start` on."""
    starts, shape = [0] * x.type.rank, list(x.type.shape)
    starts[axis], shape[axis] = start, size
    return builder.slice(x, starts, shape, (1,) * x.type.rank)
