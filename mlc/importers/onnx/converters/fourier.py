"""Discrete Fourier transforms of any length, as matrix products.

A transform of few points is one product with the matrix of the roots of unity. A longer one of
`a*b` points is split into transforms of `a` and of `b` points (Cooley and Tukey, 1965), and one of
many points that do not split becomes a convolution of a length that does (Bluestein, 1970).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.slicing import Extent, sliced
from mlc.ir.graph import Value

MOST_DIRECT = 256
"""Transforms of up to this many points are one matrix product."""

MOST_PRIME = 1024
"""So are those of a prime number of points up to this."""


@dataclass(frozen=True)
class Complex:
    """A complex tensor; `imaginary` is None where it is zero."""

    real: Value
    imaginary: Value | None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of either part."""
        return self.real.type.static_shape

    def map(self, function: Callable[[Value], Value]) -> Complex:
        """Both parts changed alike."""
        imaginary = None if self.imaginary is None else function(self.imaginary)
        return Complex(function(self.real), imaginary)


def transform(builder: Builder, x: Complex, sign: int, bins: int | None = None) -> Complex:
    """The transform along the last axis, not scaled, or the first `bins` points of it.

    `sign` is that of the exponent: -1 for the transform itself, 1 for its inverse.
    """
    count = x.shape[-1]
    bins = count if bins is None else bins
    factor = 1 if count <= MOST_DIRECT else _middle_factor(count)
    if factor > 1:
        return _first(builder, _split(builder, x, sign, factor), bins)
    if count > MOST_PRIME:
        return _first(builder, _convolved(builder, x, sign), bins)
    powers = np.outer(np.arange(count), np.arange(bins))
    return _product(builder, x, _roots(sign, powers, count))


def _middle_factor(count: int) -> int:
    """The largest factor that is not above the square root."""
    return next(f for f in range(math.isqrt(count), 0, -1) if count % f == 0)


def _roots(sign: int, powers: np.ndarray, count: int) -> np.ndarray:
    """Powers of the first of the `count` roots of unity."""
    return np.asarray(np.exp(sign * 2j * np.pi * (powers % count) / count))


def _split(builder: Builder, x: Complex, sign: int, a: int) -> Complex:
    """`b` transforms of the `a` points that lie `b` apart, then `a` of `b` points."""
    *outer, count = x.shape
    b, rank = count // a, len(outer) + 2
    swap = (*range(rank - 2), rank - 1, rank - 2)
    turns = _roots(sign, np.outer(np.arange(b), np.arange(a)), count)
    columns = x.map(lambda part: builder.transpose(builder.reshape(part, (*outer, a, b)), swap))
    turned = _times(builder, transform(builder, columns, sign), turns)
    rows = transform(builder, turned.map(lambda part: builder.transpose(part, swap)), sign)
    return rows.map(lambda part: builder.reshape(builder.transpose(part, swap), (*outer, count)))


def _convolved(builder: Builder, x: Complex, sign: int) -> Complex:
    """As 2tk = t² + k² - (k - t)², a transform is a convolution between turns by squares."""
    *outer, count = x.shape
    length = 1 << (2 * count - 2).bit_length()
    chirp = _roots(sign, np.arange(count) ** 2, 2 * count)
    kernel = np.zeros(length, complex)
    kernel[:count] = chirp.conj()
    kernel[length - count + 1 :] = chirp.conj()[:0:-1]
    zeros = builder.full((*outer, length - count), 0.0, x.real.type.dtype)
    padded = _times(builder, x, chirp).map(
        lambda part: builder.emit("concat", part, zeros, axis=len(outer))
    )
    spectrum = _times(builder, transform(builder, padded, -1), np.fft.fft(kernel) / length)
    return _times(builder, _first(builder, transform(builder, spectrum, 1), count), chirp)


def _product(builder: Builder, x: Complex, matrix: np.ndarray) -> Complex:
    """The matrix product, both parts of the result in one."""
    rows = [[matrix.real, matrix.imag], [-matrix.imag, matrix.real]]
    operand = x.real
    if x.imaginary is not None:
        operand = builder.emit("concat", x.real, x.imaginary, axis=len(x.shape) - 1)
    weights = _constant(builder, x, np.block(rows if x.imaginary is not None else rows[:1]))
    joined = builder.emit("matmul", operand, weights, transpose_a=False, transpose_b=False)
    bins = matrix.shape[1]
    return Complex(_part(builder, joined, 0, bins), _part(builder, joined, bins, bins))


def _times(builder: Builder, x: Complex, factors: np.ndarray) -> Complex:
    """The product with constants, which broadcast."""
    c, s = _constant(builder, x, factors.real), _constant(builder, x, factors.imag)
    straight = x.map(lambda part: builder.emit("mul", part, c))
    crossed = x.map(lambda part: builder.emit("mul", part, s))
    if straight.imaginary is None or crossed.imaginary is None:
        return Complex(straight.real, crossed.real)
    return Complex(
        builder.emit("sub", straight.real, crossed.imaginary),
        builder.emit("add", straight.imaginary, crossed.real),
    )


def _constant(builder: Builder, x: Complex, array: np.ndarray) -> Value:
    return builder.constant(array.astype(x.real.type.dtype.numpy))


def _first(builder: Builder, x: Complex, count: int) -> Complex:
    return x.map(lambda part: _part(builder, part, 0, count))


def _part(builder: Builder, value: Value, start: int, size: int) -> Value:
    """`size` elements of the last axis."""
    return sliced(builder, value, {value.type.rank - 1: Extent(start, size, 1)})
