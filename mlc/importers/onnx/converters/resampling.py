"""The rare ways to resize an axis: with a filter against aliasing, or of a region.

Which elements a position reads and with which weights is known when the model is imported: an axis
is resized by a gather and a weighted sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mlc.importers.onnx.builder import Builder
from mlc.ir.graph import Value
from mlc.ir.operators.interpolation import Axis, Coordinate


@dataclass(frozen=True)
class Taps:
    """What each position of a new axis reads: arrays `[new, taps]`.

    `weights` is None where there is one tap, of weight one. `outside` marks the positions that read
    nothing, but get a number given for them; None where there are none.
    """

    places: np.ndarray
    weights: np.ndarray | None
    outside: np.ndarray | None = None


def plain(axis: Axis) -> Taps:
    """An axis without filter."""
    weights = None if axis.mode == "nearest" else axis.weights().T
    return Taps(axis.clamped_places().T, weights)


def cropped(axis: Axis, region: tuple[float, float], scale: float) -> Taps:
    """The part of an axis from `region[0]` to `region[1]`, as fractions of its length."""
    start, end = region
    reach, length = axis.old - 1, axis.old * scale
    coordinate = Coordinate((end - start) * reach, 0, length - 1, -start * reach)
    if length <= 1:
        coordinate = Coordinate(0, 0, 1, -(start + end) * reach / 2)
    placed = replace(axis, coordinate=coordinate)
    positions = placed.positions()
    return replace(plain(placed), outside=(positions < 0) | (positions > reach))


def filtered(axis: Axis, scale: float) -> Taps:
    """An axis made shorter: the kernel of the interpolation is as much wider."""
    shrink = min(scale, 1.0)
    kernel, radius = _KERNELS[axis.mode](axis.cubic)
    reach = math.ceil(radius / shrink)
    x = axis.positions()[:, None]
    places = np.floor(x).astype(np.int64) + np.arange(1 - reach, 1 + reach)
    weights = kernel(np.abs(places - x) * shrink)
    clamped = np.clip(places, 0, axis.old - 1)
    if axis.exclude_outside:
        weights = np.where(places == clamped, weights, 0)
    return Taps(clamped, weights / weights.sum(axis=1, keepdims=True))


_Kernel = Callable[[np.ndarray], np.ndarray]


def _linear(cubic: float) -> tuple[_Kernel, int]:
    return lambda d: np.maximum(1 - d, 0), 1


def _cubic(a: float) -> tuple[_Kernel, int]:
    """The kernel of Keys, 1981."""

    def kernel(d: np.ndarray) -> np.ndarray:
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return np.where(d <= 1, near, np.where(d < 2, far, 0))

    return kernel, 2


_KERNELS = {"linear": _linear, "cubic": _cubic}
"""Mode → from the cubic coefficient the kernel, a function of distance, and its radius."""


def resampled(builder: Builder, x: Value, axis: int, taps: Taps, fill: float) -> Value:
    """`x` with a new axis in the place of `axis`."""
    dtype, behind = x.type.dtype, x.type.rank - 1 - axis
    if taps.weights is None:
        result = builder.emit("gather", x, builder.constant(taps.places[:, 0]), axis=axis)
    else:
        read = builder.emit("gather", x, builder.constant(taps.places), axis=axis)
        weights = taps.weights.astype(dtype.numpy).reshape(*taps.weights.shape, *(1,) * behind)
        weighted = builder.emit("mul", read, builder.constant(weights))
        result = builder.emit("reduce_sum", weighted, axes=(axis + 1,), keepdims=False)
    if taps.outside is None or not taps.outside.any():
        return result
    outside = builder.constant(taps.outside.reshape(-1, *(1,) * behind))
    return builder.emit("select", outside, builder.scalar(fill, dtype), result)
