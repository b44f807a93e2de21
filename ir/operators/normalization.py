"""Normalisations: layer_norm, rms_norm, lrn, and batch_norm with known statistics.

layer_norm takes two passes over its input (the mean, then the mean square of what differs from it):
the one-pass formula cancels badly when the mean is large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, broadcast_load, compare, nest, number, reduction
from mlc.ir.expr import Binary, Call, Expr, Load, Select, Unary
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import (
    axis_attr,
    broadcasts_to,
    define,
    integer,
    known,
    real,
    require_class,
    require_rank,
    same_dtype,
)
from mlc.ir.operators.reduce import scaled
from mlc.ir.stmt import Alloc, Buffer, Stmt, Store, seq
from mlc.ir.types import TensorType


def _axis_norm_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    """`x`, then parameters that broadcast to its axes from `axis` on."""
    require_class(same_dtype(inputs), "float")
    data = inputs[0]
    axis = axis_attr(attrs, data.rank)
    for dim in data.shape[axis:]:
        known(dim)
    for parameter in inputs[1:]:
        if not broadcasts_to(parameter.shape, data.shape[axis:]):
            raise ShapeError(f"{parameter} does not fit {data} from axis {axis} on")
    return (TensorType(data.shape, data.dtype),)


def _row_statistic(
    name: str, data: Buffer, axis: int, value: Callable[[Index, Index], Expr]
) -> tuple[Buffer, Stmt]:
    """A temporary per row and the nests that set it to the mean of `value(row, r)`."""
    rows, reduced = data.shape[:axis], data.shape[axis:]
    result = Buffer.dense(name, rows, data.dtype, "arena")
    total = reduction(f"{name}_", "add", result, number(0, data.dtype), reduced, value)
    return result, seq((total, scaled(f"{name}_f", result, math.prod(reduced))))


def _inverse_root(prefix: str, buffer: Buffer, epsilon: float) -> Stmt:
    """The nest `buffer = 1 / sqrt(buffer + epsilon)`."""

    def store(i: Index) -> Stmt:
        shifted = Binary("add", Load(buffer, i), number(epsilon, buffer.dtype))
        root = Unary("sqrt", shifted)
        return Store(buffer, i, Binary("div", number(1, buffer.dtype), root))

    return nest(prefix, buffer.shape, store)


def _square(value: Expr) -> Expr:
    return Binary("mul", value, value)


def _layer_norm_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    data, scale, bias = (array.astype(np.float64) for array in inputs)
    axes = tuple(range(integer(attrs, "axis"), data.ndim))
    centred = data - data.mean(axis=axes, keepdims=True)
    variance = np.mean(centred**2, axis=axes, keepdims=True)
    normal = centred / np.sqrt(variance + real(attrs, "epsilon"))
    return ((normal * scale + bias).astype(inputs[0].dtype),)


def _layer_norm_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """Nests `{prefix}mean_…`, `{prefix}variance_…` per row, then `{prefix}i…` over all elements."""
    (data, scale, bias), (out,), axis = inputs, outputs, integer(attrs, "axis")

    mean, mean_nests = _row_statistic(f"{prefix}mean", data, axis, lambda i, r: Load(data, i + r))

    def centred(i: Index, r: Index) -> Expr:
        return Binary("sub", Load(data, i + r), Load(mean, i))

    spread, spread_nests = _row_statistic(
        f"{prefix}variance", data, axis, lambda i, r: _square(centred(i, r))
    )

    def finish(i: Index) -> Stmt:
        normal = Binary("mul", centred(i[:axis], i[axis:]), Load(spread, i[:axis]))
        scaled_value = Binary("mul", normal, broadcast_load(scale, i, out.shape))
        return Store(out, i, Binary("add", scaled_value, broadcast_load(bias, i, out.shape)))

    nests = (
        mean_nests,
        spread_nests,
        _inverse_root(f"{prefix}inverse_i", spread, real(attrs, "epsilon")),
        nest(f"{prefix}i", out.shape, finish),
    )
    return Alloc(mean, Alloc(spread, seq(nests)))


LAYER_NORM = define(
    "layer_norm",
    Kind.REDUCTION,
    3,
    _axis_norm_infer,
    _layer_norm_reference,
    _layer_norm_loops,
    axis=REQUIRED,
    epsilon=1e-5,
)


def _rms_norm_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    data, scale = (array.astype(np.float64) for array in inputs)
    axes = tuple(range(integer(attrs, "axis"), data.ndim))
    square = np.mean(data**2, axis=axes, keepdims=True)
    return ((data / np.sqrt(square + real(attrs, "epsilon")) * scale).astype(inputs[0].dtype),)


def _rms_norm_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """Nests `{prefix}square_…` per row, then `{prefix}i…` over all elements."""
    (data, scale), (out,), axis = inputs, outputs, integer(attrs, "axis")
    square, square_nests = _row_statistic(
        f"{prefix}square", data, axis, lambda i, r: _square(Load(data, i + r))
    )

    def finish(i: Index) -> Stmt:
        normal = Binary("mul", Load(data, i), Load(square, i[:axis]))
        return Store(out, i, Binary("mul", normal, broadcast_load(scale, i, out.shape)))

    nests = (
        square_nests,
        _inverse_root(f"{prefix}inverse_i", square, real(attrs, "epsilon")),
        nest(f"{prefix}i", out.shape, finish),
    )
    return Alloc(square, seq(nests))


RMS_NORM = define(
    "rms_norm",
    Kind.REDUCTION,
    2,
    _axis_norm_infer,
    _rms_norm_reference,
    _rms_norm_loops,
    axis=REQUIRED,
    epsilon=1e-5,
)


# lrn: across a window of `size` channels, axis 1 (Krizhevsky et al., 2012)


def _lrn_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (data,) = inputs
    require_class(data.dtype, "float")
    require_rank(data, 2)
    known(data.shape[1])
    if integer(attrs, "size") < 1:
        raise ShapeError(f"size {integer(attrs, 'size')} must be positive")
    return (TensorType(data.shape, data.dtype),)


def _lrn_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    data, size = inputs[0].astype(np.float64), integer(attrs, "size")
    before, channels = (size - 1) // 2, data.shape[1]
    widths = [(0, 0)] * data.ndim
    widths[1] = (before, size - 1 - before)
    squares = np.pad(data**2, widths)
    total = sum(squares[:, first : first + channels] for first in range(size))
    scale = real(attrs, "bias") + real(attrs, "alpha") / size * np.asarray(total)
    return ((data / scale ** real(attrs, "beta")).astype(inputs[0].dtype),)


def _power(base: Expr, exponent: float) -> Expr:
    """`base ** exponent`; quarters between 0 and 1 by square roots, which are exact and quick.

    They differ from a power for bases of minus zero and minus infinity alone.
    """
    root = Unary("sqrt", base)
    quarters: dict[float, Expr] = {
        0.25: Unary("sqrt", root),
        0.5: root,
        0.75: Binary("mul", root, Unary("sqrt", root)),
    }
    power = Call("pow", (base, number(exponent, base.dtype)), base.dtype)
    return quarters.get(exponent, power)


def _lrn_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """The sum of squares into `out`, then `{prefix}f…`: x / (bias + alpha/size * sum) ** beta."""
    (data,), (out,), size = inputs, outputs, integer(attrs, "size")
    dtype, before, channels = out.dtype, (size - 1) // 2, out.shape[1]

    def square(i: Index, r: Index) -> Expr:
        channel = i[1] + r[0] - before
        inside = Binary("and", compare("ge", channel, 0), compare("lt", channel, channels))
        value = _square(Load(data, (i[0], channel, *i[2:])))
        return Select(inside, value, number(0, dtype))

    def finish(i: Index) -> Stmt:
        spread = Binary("mul", Load(out, i), number(real(attrs, "alpha") / size, dtype))
        scale = Binary("add", spread, number(real(attrs, "bias"), dtype))
        power = _power(scale, real(attrs, "beta"))
        return Store(out, i, Binary("div", Load(data, i), power))

    total = reduction(prefix, "add", out, number(0, dtype), (size,), square)
    return seq((total, nest(f"{prefix}f", out.shape, finish)))


LRN = define(
    "lrn",
    Kind.REDUCTION,
    1,
    _lrn_infer,
    _lrn_reference,
    _lrn_loops,
    size=REQUIRED,
    alpha=1e-4,
    beta=0.75,
    bias=1.0,
)


# batch_norm: x, then scale, bias, mean and variance per channel


def _batch_norm_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    require_class(same_dtype(inputs), "float")
    data = inputs[0]
    require_rank(data, 2)
    for parameter in inputs[1:]:
        if parameter.shape != (data.shape[1],):
            raise ShapeError(f"{parameter} does not fit the channels of {data}")
    return (TensorType(data.shape, data.dtype),)


def _batch_norm_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    data = inputs[0].astype(np.float64)
    channels = (-1, *[1] * (data.ndim - 2))
    scale, bias, mean, variance = (
        array.astype(np.float64).reshape(channels) for array in inputs[1:]
    )
    factor = scale / np.sqrt(variance + real(attrs, "epsilon"))
    return (((data - mean) * factor + bias).astype(inputs[0].dtype),)


def _batch_norm_scalar(operands: Sequence[Expr], attrs: Attrs) -> Expr:
    value, scale, bias, mean, variance = operands
    shifted = Binary("add", variance, number(real(attrs, "epsilon"), value.dtype))
    factor = Binary("div", scale, Unary("sqrt", shifted))
    return Binary("add", Binary("mul", Binary("sub", value, mean), factor), bias)


def _batch_norm_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (out,) = outputs

    def store(i: Index) -> Stmt:
        parameters = [Load(buffer, (i[1],)) for buffer in inputs[1:]]
        return Store(out, i, _batch_norm_scalar((Load(inputs[0], i), *parameters), attrs))

    return nest(f"{prefix}i", out.shape, store)


BATCH_NORM = define(
    "batch_norm",
    Kind.ELEMENTWISE,
    5,
    _batch_norm_infer,
    _batch_norm_reference,
    _batch_norm_loops,
    epsilon=1e-5,
)

OPERATORS = (LAYER_NORM, RMS_NORM, LRN, BATCH_NORM)
