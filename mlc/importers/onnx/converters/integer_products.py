"""Products of integers, summed exactly in i32: MatMulInteger, ConvInteger and the QLinear ones.

Zero points are taken off first, so that padding with zeros is padding with the zero point. What
follows are the ordinary contractions.
"""

from __future__ import annotations

from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.convolution import convolved
from mlc.importers.onnx.converters.matmul import matmul
from mlc.importers.onnx.converters.quantization import rounded, scalar_of, shifted_integers
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import F32
from mlc.ir.graph import Value


def per_row(builder: Builder, parameter: Value) -> Value:
    """Parameters of the rows of a left operand, one for all or one each, so that they broadcast."""
    parameter = scalar_of(builder, parameter)
    if parameter.type.rank != 1:
        return parameter
    return builder.reshape(parameter, (*parameter.type.shape, 1))


def per_channel(builder: Builder, parameter: Value, rank: int) -> Value:
    """Parameters of the leading axis of a tensor of `rank` axes, so that they broadcast."""
    parameter = scalar_of(builder, parameter)
    if parameter.type.rank != 1:
        return parameter
    return builder.reshape(parameter, (*parameter.type.shape, *(1,) * (rank - 1)))


def integer_matmul(
    builder: Builder, a: Value, a_zero: Value | None, b: Value, b_zero: Value | None
) -> Value:
    """`(a - a_zero) @ (b - b_zero)` in i32; zero points are of tensors, rows of a, columns of b."""
    if a_zero is not None:
        a_zero = per_row(builder, a_zero)
    if b_zero is not None:
        b_zero = scalar_of(builder, b_zero)
    left, right = shifted_integers(builder, a, a_zero), shifted_integers(builder, b, b_zero)
    return matmul(builder, left, right)


def integer_conv(
    builder: Builder, node: NodeView, x: Value, x_zero: Value | None, w: Value, w_zero: Value | None
) -> Value:
    """The convolution of `x - x_zero` with `w - w_zero` in i32; zero points of w per channel."""
    if x_zero is not None:
        x_zero = scalar_of(builder, x_zero)
    if w_zero is not None:
        w_zero = per_channel(builder, w_zero, w.type.rank)
    data, weights = shifted_integers(builder, x, x_zero), shifted_integers(builder, w, w_zero)
    return convolved(builder, node, data, weights)


def requantized(
    builder: Builder, total: Value, scales: tuple[Value, Value, Value], zero: Value
) -> Value:
    """An i32 sum times `a · b / y` of the scales, rounded, plus the zero point, of its type."""
    a, b, y = (builder.cast(scale, F32) for scale in scales)
    factor = builder.emit("div", builder.emit("mul", a, b), y)
    scaled = builder.emit("mul", builder.cast(total, F32), factor)
    return rounded(builder, scaled, zero, zero.type.dtype)


def _matmul_integer(builder: Builder, node: NodeView) -> list[Value]:
    a, b = node.input(0), node.input(1)
    return [integer_matmul(builder, a, node.optional(2), b, node.optional(3))]


def _conv_integer(builder: Builder, node: NodeView) -> list[Value]:
    x, w = node.input(0), node.input(1)
    return [integer_conv(builder, node, x, node.optional(2), w, node.optional(3))]


def _qlinear_matmul(builder: Builder, node: NodeView) -> list[Value]:
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = map(node.input, range(8))
    total = integer_matmul(builder, a, a_zero, b, b_zero)
    scales = (
        per_row(builder, a_scale), scalar_of(builder, b_scale), per_row(builder, y_scale)
    )  # fmt: skip
    return [requantized(builder, total, scales, per_row(builder, y_zero))]


def _qlinear_conv(builder: Builder, node: NodeView) -> list[Value]:
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = map(node.input, range(8))
    total = integer_conv(builder, node, x, x_zero, w, w_zero)
    bias, channels = node.optional(8), total.type.rank - 1
    if bias is not None:
        total = builder.emit("add", total, per_channel(builder, bias, channels))
    scales = (
        scalar_of(builder, x_scale),
        per_channel(builder, w_scale, channels),
        scalar_of(builder, y_scale),
    )
    return [requantized(builder, total, scales, scalar_of(builder, y_zero))]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "ConvInteger": _conv_integer,
    "MatMulInteger": _matmul_integer,
    "QLinearConv": _qlinear_conv,
    "QLinearMatMul": _qlinear_matmul,
}
