"""Convolution and transposed convolution over any number of spatial axes, grouped or not.

Shapes are in the order N, C, spatial axes, whatever the memory layout. A bias is a separate `add`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, all_of, compare, number, reduction
from mlc.ir.expr import Binary, Expr, Load, Select, as_expr
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import (
    define,
    integer,
    integers,
    require_class,
    require_rank,
    same_dtype,
    static,
)
from mlc.ir.operators.windows import Window, trailing
from mlc.ir.stmt import Buffer, Stmt
from mlc.ir.types import TensorType


def _checked_shapes(
    inputs: Sequence[TensorType], attrs: Attrs
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Static shapes of data and weights, and the number of groups."""
    require_class(same_dtype(inputs), "number")
    require_rank(inputs[0], 3)
    data, weights = static(*inputs)
    groups = integer(attrs, "groups")
    if len(weights) != len(data):
        raise ShapeError(f"{inputs[0]} and weights {inputs[1]} differ in rank")
    if groups < 1 or data[1] % groups:
        raise ShapeError(f"{data[1]} channels do not divide into {groups} groups")
    return data, weights, groups


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    data, weights, groups = _checked_shapes(inputs, attrs)
    if weights[1] * groups != data[1] or weights[0] % groups:
        raise ShapeError(f"weights {inputs[1]} do not fit {inputs[0]} in {groups} groups")
    spatial = Window.of(attrs, weights[2:]).output_shape(data[2:])
    return (TensorType((data[0], weights[0], *spatial), inputs[0].dtype),)


def _wide(array: np.ndarray) -> np.ndarray:
    """Floats as float64; integers as they are."""
    return array if array.dtype.kind in "iu" else array.astype(np.float64)


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    """One product of matrices per kernel element."""
    data, weights = map(_wide, inputs)
    groups = integer(attrs, "groups")
    window = Window.of(attrs, weights.shape[2:])
    positions = window.output_shape(data.shape[2:])
    batch, count = data.shape[0], math.prod(positions)
    filters = weights.reshape(groups, weights.shape[0] // groups, *weights.shape[1:])
    total = np.zeros((batch, groups, filters.shape[1], count), data.dtype)
    for r, part in window.slices(data, 0):
        columns = part.reshape(batch, groups, weights.shape[1], count)
        total += np.matmul(filters[trailing(r)], columns)
    return (total.reshape(batch, weights.shape[0], *positions).astype(inputs[0].dtype),)


def _input_channel(out_channel: Expr, r: Expr, outputs: int, inputs: int, groups: int) -> Expr:
    """Channel `r` of the group of an output channel, out of `inputs` channels per group."""
    return r if groups == 1 else out_channel // (outputs // groups) * inputs + r


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    """Loops `i0` batch, `i1` output channel, `i2…` positions; `r0` input channel, `r1…` kernel."""
    (data, weights), (out,) = inputs, outputs
    window = Window.of(attrs, weights.shape[2:])
    zero = number(0, out.dtype)

    def product(i: Index, r: Index) -> Expr:
        channel = _input_channel(
            i[1], r[0], out.shape[1], weights.shape[1], integer(attrs, "groups")
        )
        value = window.load(data, (i[0], channel), i[2:], r[1:], zero)
        return Binary("mul", value, Load(weights, (i[1], *r)))

    return reduction(prefix, "add", out, zero, weights.shape[1:], product)


CONV = define(
    "conv",
    Kind.CONTRACTION,
    2,
    _infer,
    _reference,
    _loops,
    strides=REQUIRED,
    before=REQUIRED,
    after=REQUIRED,
    dilations=REQUIRED,
    groups=1,
)


# Transposed convolution: weights [C, O/groups, *kernel]; input position q adds to output positions
# q*stride + r*dilation - before.


def _transpose_spatial(
    spatial: Sequence[int], window: Window, output_padding: tuple[int, ...]
) -> tuple[int, ...]:
    return tuple(
        (dim - 1) * stride - before - after + (kernel - 1) * dilation + 1 + extra
        for dim, stride, before, after, kernel, dilation, extra in zip(
            spatial,
            window.strides,
            window.before,
            window.after,
            window.kernel,
            window.dilations,
            output_padding,
            strict=True,
        )
    )


def _transpose_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    data, weights, groups = _checked_shapes(inputs, attrs)
    if weights[0] != data[1]:
        raise ShapeError(f"weights {inputs[1]} do not fit {inputs[0]} in {groups} groups")
    window = Window.of(attrs, weights[2:])
    extra = integers(attrs, "output_padding", len(data) - 2)
    spatial = _transpose_spatial(data[2:], window, extra)
    if min(spatial) < 0 or min(data[2:]) < 1:
        raise ShapeError(f"{inputs[0]} leaves an output of shape {spatial}")
    return (TensorType((data[0], weights[1] * groups, *spatial), inputs[0].dtype),)


def _transpose_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    """Scatter one product of matrices per kernel element into the uncropped output, then crop."""
    data, weights = map(_wide, inputs)
    groups, spatial = integer(attrs, "groups"), data.shape[2:]
    window = Window.of(attrs, weights.shape[2:])
    shape = _transpose_spatial(spatial, window, integers(attrs, "output_padding"))
    batch, count = data.shape[0], math.prod(spatial)
    columns = data.reshape(batch, groups, data.shape[1] // groups, count)
    filters = weights.reshape(groups, data.shape[1] // groups, *weights.shape[1:])
    whole = [d + b + max(a, 0) for d, b, a in zip(shape, window.before, window.after, strict=True)]
    channels = weights.shape[1] * groups
    total = np.zeros((batch, channels, *whole), data.dtype)
    for r in np.ndindex(*window.kernel):
        product = np.matmul(filters[trailing(r)].swapaxes(-1, -2), columns)
        places = tuple(
            slice(first * d, first * d + (n - 1) * stride + 1, stride)
            for first, d, n, stride in zip(
                r, window.dilations, spatial, window.strides, strict=True
            )
        )
        total[trailing(places)] += product.reshape(batch, channels, *spatial)
    kept = tuple(slice(b, b + d) for d, b in zip(shape, window.before, strict=True))
    return (total[trailing(kept)].astype(inputs[0].dtype),)


def _transpose_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """Loops as of `conv`; each output gathers those inputs whose distance divides by the stride."""
    (data, weights), (out,) = inputs, outputs
    groups, window = integer(attrs, "groups"), Window.of(attrs, weights.shape[2:])
    per_group, zero = weights.shape[1], number(0, out.dtype)

    def product(i: Index, r: Index) -> Expr:
        channel = _input_channel(i[1], r[0], out.shape[1], data.shape[1] // groups, groups)
        filter_channel = i[1] if groups == 1 else i[1] % per_group
        places, tests = [], []
        for axis, dim in enumerate(data.shape[2:]):
            stride = window.strides[axis]
            distance = i[axis + 2] + window.before[axis] - r[axis + 1] * window.dilations[axis]
            if stride > 1:
                tests.append(compare("eq", distance % stride, 0))
            if window.kernel[axis] > 1:
                tests.append(compare("ge", distance, 0))
            tests.append(compare("lt", distance, as_expr(dim * stride)))
            places.append(distance // stride)
        element = Load(data, (i[0], channel, *places))
        weight = Load(weights, (channel, filter_channel, *r[1:]))
        value = Binary("mul", element, weight)
        inside = all_of(tests)
        return value if inside is None else Select(inside, value, zero)

    reduced = (data.shape[1] // groups, *window.kernel)
    return reduction(prefix, "add", out, zero, reduced, product)


CONV_TRANSPOSE = define(
    "conv_transpose",
    Kind.CONTRACTION,
    2,
    _transpose_infer,
    _transpose_reference,
    _transpose_loops,
    strides=REQUIRED,
    before=REQUIRED,
    after=REQUIRED,
    output_padding=REQUIRED,
    dilations=REQUIRED,
    groups=1,
)

OPERATORS = (CONV, CONV_TRANSPOSE)
