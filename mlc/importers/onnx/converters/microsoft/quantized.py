"""Operators of com.microsoft on quantised tensors: dequantise, compute in f32, quantise.

The three parts are elementwise, so that they fuse with what is between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters import activation, pooling, quantization
from mlc.importers.onnx.converters.microsoft.products import channels_first, channels_last
from mlc.importers.onnx.converters.quantization import dequantized, rounded, scalar_of
from mlc.importers.onnx.node import Converter, NodeView, normal_axes, normal_axis
from mlc.ir.dtype import F32, DType
from mlc.ir.graph import Value


def real(builder: Builder, node: NodeView, position: int) -> Value:
    """The numbers that the inputs `position` (integers), scale and zero point stand for."""
    x, scale, zero = node.input(position), node.input(position + 1), node.optional(position + 2)
    zero = None if zero is None else scalar_of(builder, zero)
    return dequantized(builder, x, scalar_of(builder, scale), zero, F32)


def integers(builder: Builder, x: Value, scale: Value, zero: Value | None, to: DType) -> Value:
    """`x` as multiples of a scale, from a zero point on."""
    scale = builder.cast(scalar_of(builder, scale), F32)
    zero = None if zero is None else scalar_of(builder, zero)
    return rounded(builder, builder.emit("div", x, scale), zero, to)


def _binary(op: str) -> Converter:
    """An operator of two quantised tensors."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        result = builder.emit(op, real(builder, node, 0), real(builder, node, 3))
        to = node.input(0).type.dtype
        return [integers(builder, result, node.input(6), node.optional(7), to)]

    return convert


def _unary(compute: Callable[[Builder, NodeView, Value], Value]) -> Converter:
    """An operator of one quantised tensor; `compute` sees numbers."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        result = compute(builder, node, real(builder, node, 0))
        to = node.input(0).type.dtype
        return [integers(builder, result, node.input(3), node.optional(4), to)]

    return convert


def _sigmoid(builder: Builder, node: NodeView, x: Value) -> Value:
    return builder.emit("sigmoid", x)


def _leaky_relu(builder: Builder, node: NodeView, x: Value) -> Value:
    return builder.emit("leaky_relu", x, alpha=node.number("alpha", 0.01))


def _softmax(builder: Builder, node: NodeView, x: Value) -> Value:
    """As ONNX's Softmax of the operator set that an attribute names."""
    view = replace(node, inputs=(x,), opset=node.integer("opset"))
    versions = activation.CONVERTERS["Softmax"]
    assert isinstance(versions, dict)
    since = max(version for version in versions if version <= max(view.opset, 1))
    if not view.has("axis"):
        return builder.emit("softmax", x, axis=x.type.rank - 1)
    (result,) = versions[since](builder, view)
    return result


def _average_pool(builder: Builder, node: NodeView, x: Value) -> Value:
    if not node.flag("channels_last"):
        return pooling.average_pooled(builder, node, x)
    pooled = pooling.average_pooled(builder, node, channels_first(builder, x))
    return channels_last(builder, pooled)


def _global_average_pool(builder: Builder, node: NodeView, x: Value) -> Value:
    first = 1 if node.flag("channels_last") else 2
    axes = tuple(range(first, first + x.type.rank - 2))
    return builder.emit("reduce_mean", x, axes=axes, keepdims=True)


def _reduce_mean(builder: Builder, node: NodeView, x: Value) -> Value:
    axes = normal_axes(node.integers("axes", range(x.type.rank)), x.type.rank)
    return builder.emit("reduce_mean", x, axes=axes, keepdims=node.flag("keepdims", True))


def _concat(builder: Builder, node: NodeView) -> list[Value]:
    """The scale and zero point of the result come first, then three inputs for each part."""
    scale, zero = node.input(0), node.input(1)
    if len(node.inputs) < 5 or len(node.inputs) % 3 != 2:
        raise ModelError(f"QLinearConcat: {len(node.inputs)} inputs are not parts of three")
    parts = [real(builder, node, position) for position in range(2, len(node.inputs), 3)]
    axis = normal_axis(node.integer("axis"), parts[0].type.rank)
    joined = parts[0] if len(parts) == 1 else builder.emit("concat", *parts, axis=axis)
    return [integers(builder, joined, scale, zero, zero.type.dtype)]


def _where(builder: Builder, node: NodeView) -> list[Value]:
    chosen = builder.emit("select", node.input(0), real(builder, node, 1), real(builder, node, 4))
    return [integers(builder, chosen, node.input(7), node.input(8), node.input(8).type.dtype)]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "DequantizeLinear": quantization.CONVERTERS["DequantizeLinear"],
    "QLinearAdd": _binary("add"),
    "QLinearAveragePool": _unary(_average_pool),
    "QLinearConcat": _concat,
    "QLinearGlobalAveragePool": _unary(_global_average_pool),
    "QLinearLeakyRelu": _unary(_leaky_relu),
    "QLinearMul": _binary("mul"),
    "QLinearReduceMean": _unary(_reduce_mean),
    "QLinearSigmoid": _unary(_sigmoid),
    "QLinearSoftmax": _unary(_softmax),
    "QLinearWhere": _where,
    "QuantizeLinear": quantization.CONVERTERS["QuantizeLinear"],
}
