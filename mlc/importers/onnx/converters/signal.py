"""Signals: Fourier transforms, of a whole signal or of frames, and mel weights."""

from __future__ import annotations

import numpy as np

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.fourier import Complex, transform
from mlc.importers.onnx.converters.slicing import Extent, sliced
from mlc.importers.onnx.node import Converter, NodeView, normal_axis
from mlc.importers.onnx.tensors import check_size, dtype_from_onnx
from mlc.ir.dtype import F64
from mlc.ir.graph import Value

MOST_POINTS = 1 << 24
"""A transform of more points is taken for a broken model."""


def _dft_attribute(builder: Builder, node: NodeView) -> list[Value]:
    return [_dft(builder, node, node.integer("axis", 1))]


def _dft_input(builder: Builder, node: NodeView) -> list[Value]:
    axis = -2
    if (given := node.optional(2)) is not None:
        (axis,) = builder.required_integers(given, "DFT: the axis")
    return [_dft(builder, node, axis)]


def _dft(builder: Builder, node: NodeView, given_axis: int) -> Value:
    """The transform along an axis of `x` [..., 1 or 2]; the result has that axis and parts last."""
    x = node.input(0)
    if not x.type.is_static:
        raise builder.unresolved(f"DFT: the size of {x.type}")
    axis, last = normal_axis(given_axis, x.type.rank), x.type.rank - 1
    if axis == last:
        raise ModelError(f"DFT: axis {given_axis} of {x.type} holds the parts of numbers")
    inverse, onesided = node.flag("inverse"), node.flag("onesided")
    size = x.type.static_shape[axis]
    length = 2 * (size - 1) if inverse and onesided else size
    if (given := node.optional(1)) is not None:
        (length,) = builder.required_integers(given, "DFT: the length")
    if not 0 < length <= MOST_POINTS:
        raise ModelError(f"DFT: a transform of {length} points")
    perm = [*(a for a in range(last) if a != axis), axis, last]
    signal = _parts(builder, builder.transpose(x, perm), "DFT")
    if inverse and onesided:
        result = _real_inverse(builder, signal, length)
    else:
        result = _complex(builder, signal, length, inverse=inverse, onesided=onesided)
    back = [perm.index(a) for a in range(last + 1)]
    return builder.cast(builder.transpose(result, back), x.type.dtype)


def _parts(builder: Builder, x: Value, what: str) -> Complex:
    """Split the last axis, of size 1 or 2, into real and imaginary parts; in f64."""
    *outer, parts = x.type.static_shape
    if parts not in (1, 2):
        raise ModelError(f"{what}: the last axis of {x.type} is neither 1 nor 2")
    wide = builder.cast(x, F64)
    columns = [
        builder.reshape(sliced(builder, wide, {len(outer): Extent(part, 1, 1)}), outer)
        for part in range(parts)
    ]
    return Complex(columns[0], columns[1] if parts == 2 else None)


def _joined(builder: Builder, x: Complex) -> Value:
    """Real and imaginary part along a new last axis."""
    shape = (*x.shape, 1)
    imaginary = builder.full(x.shape, 0.0, F64) if x.imaginary is None else x.imaginary
    parts = [builder.reshape(part, shape) for part in (x.real, imaginary)]
    return builder.emit("concat", *parts, axis=len(x.shape))


def _fitted(builder: Builder, x: Complex, length: int) -> Complex:
    """The signal cut to `length` along its last axis, or filled up with zeros."""
    *outer, size = x.shape
    if size >= length:
        return x.map(lambda part: sliced(builder, part, {len(outer): Extent(0, length, 1)}))
    zeros = builder.full((*outer, length - size), 0.0, F64)
    return x.map(lambda part: builder.emit("concat", part, zeros, axis=len(outer)))


def _complex(builder: Builder, x: Complex, length: int, *, inverse: bool, onesided: bool) -> Value:
    bins = length // 2 + 1 if onesided else length
    result = transform(builder, _fitted(builder, x, length), 1 if inverse else -1, bins)
    if inverse:
        result = result.map(lambda part: builder.scaled(part, 1 / length))
    return _joined(builder, result)


def _real_inverse(builder: Builder, x: Complex, length: int) -> Value:
    """The real signal of a one-sided spectrum, whose other side is its mirror image, conjugate.

    The real part of twice the one side is the sum of both sides, but for the points that are
    their own image: the first, and of an even length the middle.
    """
    bins = length // 2 + 1
    fitted = _fitted(builder, x, bins)
    weights = np.full(bins, 2 / length)
    weights[0] = 1 / length
    if length % 2 == 0:
        weights[-1] = 1 / length
    constant = builder.constant(weights)
    doubled = fitted.map(lambda part: builder.emit("mul", part, constant))
    signal = transform(builder, _fitted(builder, doubled, length), 1)
    return builder.reshape(signal.real, (*signal.shape, 1))


def _stft(builder: Builder, node: NodeView) -> list[Value]:
    """The transforms of the frames of `x` [N, length, 1 or 2], each multiplied by a window."""
    x, window = node.input(0), node.optional(2)
    if not x.type.is_static:
        raise builder.unresolved(f"STFT: the size of {x.type}")
    if x.type.rank == 2:
        x = builder.reshape(x, (*x.type.shape, 1))
    if x.type.rank != 3:
        raise ModelError(f"STFT: the signal {x.type} must have 3 axes")
    (step,) = builder.required_integers(node.input(1), "STFT: the step")
    length = x.type.static_shape[1]
    if (given := node.optional(3)) is not None:
        (length,) = builder.required_integers(given, "STFT: the length of frames")
    elif window is not None:
        (length,) = window.type.static_shape
    frames = 1 + (x.type.static_shape[1] - length) // step if step > 0 else 0
    if length < 1 or frames < 1:
        raise ModelError(f"STFT: frames of {length}, {step} apart, do not fit {x.type}")
    places = np.arange(frames)[:, None] * step + np.arange(length)
    framed = builder.emit("gather", x, builder.constant(places), axis=1)
    parts = _parts(builder, framed, "STFT")
    if window is not None:
        factors = builder.cast(window, F64)
        parts = parts.map(lambda part: builder.emit("mul", part, factors))
    result = _complex(
        builder, parts, length, inverse=False, onesided=node.flag("onesided", default=True)
    )
    return [builder.cast(result, x.type.dtype)]


_MEL_SCALE, _MEL_CORNER = 2595.0, 700.0
"""The mel of a frequency is `2595 * log10(1 + frequency / 700)` (O'Shaughnessy, 1987)."""


def _mel_weight_matrix(builder: Builder, node: NodeView) -> list[Value]:
    """Overlapping triangles, equally wide in mels, over the bins of a spectrum."""
    bins, length, rate = (
        builder.required_integers(node.input(k), f"MelWeightMatrix: input {k}")[0] for k in range(3)
    )
    low, high = (
        float(builder.required(node.input(k), f"MelWeightMatrix: input {k}").item()) for k in (3, 4)
    )
    dtype = dtype_from_onnx(node.integer("output_datatype", 1), "MelWeightMatrix: output_datatype")
    if min(bins, length, rate) < 1:
        raise ModelError("MelWeightMatrix: numbers of bins and rates must be positive")
    check_size((length // 2 + 1, bins), dtype, "the result of MelWeightMatrix")
    first, last = (_MEL_SCALE * np.log10(1 + edge / _MEL_CORNER) for edge in (low, high))
    mels = first + np.arange(bins + 2) * (last - first) / (bins + 2)
    hertz = _MEL_CORNER * (10 ** (mels / _MEL_SCALE) - 1)
    corners = ((length + 1) * hertz // rate).astype(np.int64)
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    places = np.arange(length // 2 + 1)[:, None]
    rise = np.where(left == centre, 1.0, (places - left) / np.maximum(centre - left, 1))
    fall = (right - places) / np.maximum(right - centre, 1)
    rising = (left <= places) & (places <= centre)
    falling = (centre <= places) & (places < right)
    weights = np.where(falling, fall, np.where(rising, rise, 0.0))
    return [builder.constant(weights.astype(dtype.numpy))]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "DFT": {17: _dft_attribute, 20: _dft_input},
    "MelWeightMatrix": _mel_weight_matrix,
    "STFT": _stft,
}
