"""Activation functions."""

from __future__ import annotations

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.elementwise import unary
from mlc.importers.onnx.node import Converter, NodeView, normal_axis
from mlc.importers.onnx.symbolic import product
from mlc.ir.dtype import F32
from mlc.ir.graph import Value


def _leaky_relu(builder: Builder, node: NodeView) -> list[Value]:
    return [builder.emit("leaky_relu", node.input(0), alpha=node.number("alpha", 0.01))]


def _elu(builder: Builder, node: NodeView) -> list[Value]:
    return [builder.emit("elu", node.input(0), alpha=node.number("alpha", 1.0))]


def _selu(builder: Builder, node: NodeView) -> list[Value]:
    """selu(x) = gamma * elu(x, alpha)."""
    alpha = node.number("alpha", 1.67326319217681884765625)
    gamma = node.number("gamma", 1.05070102214813232421875)
    return [builder.scaled(builder.emit("elu", node.input(0), alpha=alpha), gamma)]


def _celu(builder: Builder, node: NodeView) -> list[Value]:
    """celu(x) = alpha * elu(x / alpha, 1), rounded once."""
    x, alpha = node.input(0), node.number("alpha", 1.0)
    if alpha == 0:
        raise ModelError("Celu: alpha must not be 0")
    wide = builder.cast(x, F32) if x.type.dtype.bits < F32.bits else x
    inner = builder.emit("elu", builder.scaled(wide, 1 / alpha), alpha=1.0)
    return [builder.cast(builder.scaled(inner, alpha), x.type.dtype)]


def _prelu_per_channel(builder: Builder, node: NodeView) -> list[Value]:
    """PRelu before operator set 7: one slope for all, or one per channel."""
    x, slope = node.input(0), node.input(1)
    slope = builder.reshape(slope, (*slope.type.shape, *(1,) * (x.type.rank - 2)))
    return [builder.emit("prelu", x, slope)]


def _prelu(builder: Builder, node: NodeView) -> list[Value]:
    return [builder.emit("prelu", node.input(0), node.input(1))]


def _hard_sigmoid(builder: Builder, node: NodeView) -> list[Value]:
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    return [builder.emit("hard_sigmoid", node.input(0), alpha=alpha, beta=beta)]


def _gelu(builder: Builder, node: NodeView) -> list[Value]:
    return [builder.emit("gelu", node.input(0), approximate=node.text("approximate", "none"))]


def _mish(builder: Builder, node: NodeView) -> list[Value]:
    """mish(x) = x * tanh(softplus(x))."""
    x = node.input(0)
    return [builder.emit("mul", x, builder.emit("tanh", builder.emit("softplus", x)))]


def swish(builder: Builder, node: NodeView) -> list[Value]:
    """swish(x) = x * sigmoid(alpha * x)."""
    x = node.input(0)
    gate = builder.emit("sigmoid", builder.scaled(x, node.number("alpha", 1.0)))
    return [builder.emit("mul", x, gate)]


def _thresholded_relu(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    above = builder.emit("greater", x, builder.scalar(node.number("alpha", 1.0), x.type.dtype))
    return [builder.emit("select", above, x, builder.scalar(0, x.type.dtype))]


def _shrink(builder: Builder, node: NodeView) -> list[Value]:
    """X + bias below -lambd, x - bias above lambd, 0 between."""
    x, bias, limit = node.input(0), node.number("bias", 0.0), node.number("lambd", 0.5)
    dtype = x.type.dtype
    below = builder.emit("less", x, builder.scalar(-limit, dtype))
    above = builder.emit("greater", x, builder.scalar(limit, dtype))
    upper = builder.emit("select", above, builder.shifted(x, -bias), builder.scalar(0, dtype))
    return [builder.emit("select", below, builder.shifted(x, bias), upper)]


def _along_axis(op: str) -> Converter:
    """Softmax and its kin since operator set 13: along one axis, the last by default."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x = node.input(0)
        return [_apply(builder, op, x, node.axis("axis", x.type.rank, -1))]

    return convert


def _flattened(op: str) -> Converter:
    """Softmax and its kin before operator set 13: over all axes from `axis` on, as if one."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x = node.input(0)
        shape, axis = x.type.shape, node.integer("axis", 1)
        axis = axis if axis == len(shape) else normal_axis(axis, len(shape))
        wide = [position for position in range(axis, len(shape)) if shape[position] != 1]
        if len(wide) == 1:
            return [_apply(builder, op, x, wide[0])]
        flat = builder.reshape(x, (product(shape[:axis]), product(shape[axis:])))
        return [builder.reshape(_apply(builder, op, flat, 1), shape)]

    return convert


def _apply(builder: Builder, op: str, x: Value, axis: int) -> Value:
    if op != "hardmax":
        return builder.emit(op, x, axis=axis)
    place = builder.emit("arg_max", x, axis=axis, keepdims=True, last=False)
    shape = tuple(x.type.shape[axis] if d == axis else 1 for d in range(x.type.rank))
    positions = builder.iota(shape, axis, place.type.dtype)
    return builder.cast(builder.emit("equal", place, positions), x.type.dtype)


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Celu": _celu,
    "Elu": _elu,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": unary("hard_swish"),
    "Hardmax": {1: _flattened("hardmax"), 13: _along_axis("hardmax")},
    "LeakyRelu": _leaky_relu,
    "LogSoftmax": {1: _flattened("log_softmax"), 13: _along_axis("log_softmax")},
    "Mish": _mish,
    "PRelu": {1: _prelu_per_channel, 7: _prelu},
    "Relu": unary("relu"),
    "Selu": _selu,
    "Shrink": _shrink,
    "Sigmoid": unary("sigmoid"),
    "Softmax": {1: _flattened("softmax"), 13: _along_axis("softmax")},
    "Softplus": unary("softplus"),
    "Softsign": unary("softsign"),
    "Swish": swish,
    "ThresholdedRelu": _thresholded_relu,
}
