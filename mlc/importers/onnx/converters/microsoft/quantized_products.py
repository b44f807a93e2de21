"""Products of integers in com.microsoft that give numbers, and the LSTM with integer weights."""

from __future__ import annotations

from dataclasses import replace

from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.integer_products import integer_matmul, per_row
from mlc.importers.onnx.converters.microsoft.quantized import integers
from mlc.importers.onnx.converters.quantization import (
    dequantized,
    dynamic_scale,
    rounded,
    scalar_of,
    shifted_integers,
)
from mlc.importers.onnx.converters.recurrent import lstm
from mlc.importers.onnx.node import Converter, NodeView, normal_axes
from mlc.ir.dtype import F32, I32, U8, U32
from mlc.ir.graph import Value


def rescaled(
    builder: Builder, total: Value, a_scale: Value, b_scale: Value, bias: Value | None
) -> Value:
    """An i32 sum as a number: times both scales, plus a bias, of the type of the scales."""
    a_scale, b_scale = per_row(builder, a_scale), scalar_of(builder, b_scale)
    factor = builder.emit("mul", builder.cast(a_scale, F32), builder.cast(b_scale, F32))
    result = builder.emit("mul", builder.cast(total, F32), factor)
    if bias is not None:
        result = builder.emit("add", result, builder.cast(bias, F32))
    return builder.cast(result, b_scale.type.dtype)


def _matmul_integer_to_float(builder: Builder, node: NodeView) -> list[Value]:
    a, b, a_scale, b_scale = map(node.input, range(4))
    total = integer_matmul(builder, a, node.optional(4), b, node.optional(5))
    return [rescaled(builder, total, a_scale, b_scale, node.optional(6))]


def _dynamic_quantize_matmul(builder: Builder, node: NodeView) -> list[Value]:
    """A is quantised to u8 by its own range."""
    a, b, b_scale = map(node.input, range(3))
    scale, zero = dynamic_scale(builder, a)
    quantized = rounded(builder, builder.emit("div", a, scale), zero, U8)
    total = integer_matmul(builder, quantized, zero, b, node.optional(3))
    return [rescaled(builder, total, scale, b_scale, node.optional(4))]


def _qgemm(builder: Builder, node: NodeView) -> list[Value]:
    """A product: alpha * a_scale * b_scale * (A @ B + C), quantised where its scale is given."""
    a, a_scale, a_zero, b, b_scale, b_zero = map(node.input, range(6))
    left = shifted_integers(builder, a, scalar_of(builder, a_zero))
    if node.flag("transB"):
        b = builder.transpose(b, (1, 0))
    right = shifted_integers(builder, b, scalar_of(builder, b_zero))
    total = builder.emit("matmul", left, right, transpose_a=node.flag("transA"))
    addend, y_scale, y_zero = node.optional(6), node.optional(7), node.optional(8)
    if addend is not None:
        total = builder.emit("add", total, addend)
    a_scale = builder.scaled(scalar_of(builder, a_scale), node.number("alpha", 1.0))
    result = rescaled(builder, total, a_scale, b_scale, None)
    if y_scale is None or y_zero is None:
        return [result]
    return [integers(builder, result, y_scale, y_zero, y_zero.type.dtype)]


def _mul_integer(builder: Builder, node: NodeView) -> list[Value]:
    left = shifted_integers(builder, node.input(0), node.optional(1))
    return [builder.emit("mul", left, shifted_integers(builder, node.input(2), node.optional(3)))]


def _matmul_integer_16(builder: Builder, node: NodeView) -> list[Value]:
    return [integer_matmul(builder, node.input(0), None, node.input(1), None)]


def _reduce_sum_integer(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    wide = builder.cast(x, I32 if x.type.dtype.kind == "int" else U32)
    axes = normal_axes(node.integers("axes"), x.type.rank) or tuple(range(x.type.rank))
    return [builder.emit("reduce_sum", wide, axes=axes, keepdims=node.flag("keepdims", True))]


def _weights(builder: Builder, node: NodeView, position: int, scale_at: int) -> Value:
    """Weights [D, I, 4H] with scales [D] or [D, 4H] as numbers [D, 4H, I]."""
    weights, scale, zero = node.input(position), node.input(scale_at), node.input(scale_at + 1)
    count, _, width = weights.type.shape
    each = width if scale.type.rank == 2 and scale.type.shape[1] != 1 else 1
    scale, zero = (builder.reshape(part, (count, 1, each)) for part in (scale, zero))
    numbers = dequantized(builder, weights, scale, zero, F32)
    return builder.transpose(numbers, (0, 2, 1))


def _dynamic_quantize_lstm(builder: Builder, node: NodeView) -> list[Value]:
    """The LSTM of the weights' numbers; what flows through it is not quantised."""
    w, r = _weights(builder, node, 1, 8), _weights(builder, node, 2, 10)
    return lstm(builder, replace(node, inputs=(node.input(0), w, r, *node.inputs[3:8])))


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "DynamicQuantizeLSTM": _dynamic_quantize_lstm,
    "DynamicQuantizeMatMul": _dynamic_quantize_matmul,
    "MatMulInteger16": _matmul_integer_16,
    "MatMulIntegerToFloat": _matmul_integer_to_float,
    "MulInteger": _mul_integer,
    "QGemm": _qgemm,
    "ReduceSumInteger": _reduce_sum_integer,
}
