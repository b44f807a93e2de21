"""Activations of com.microsoft, and those that other operators of it name in attributes."""

from __future__ import annotations

from collections.abc import Sequence

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.slicing import part
from mlc.importers.onnx.node import Converter, NodeView
from mlc.importers.onnx.symbolic import quotient
from mlc.ir.graph import Attr, Value

_NAMED: dict[str, tuple[str, tuple[tuple[str, float], ...]]] = {
    "Relu": ("relu", ()),
    "Sigmoid": ("sigmoid", ()),
    "Tanh": ("tanh", ()),
    "HardSwish": ("hard_swish", ()),
    "LeakyRelu": ("leaky_relu", (("alpha", 0.01),)),
    "Clip": ("clip", (("min", float("-inf")), ("max", float("inf")))),
    "HardSigmoid": ("hard_sigmoid", (("alpha", 0.2), ("beta", 0.5))),
}
"""Name in an attribute → core operator, and its parameters with their defaults."""


def activated(
    builder: Builder, node: NodeView, x: Value, name: str, parameters: Sequence[float]
) -> Value:
    """`x` after the activation called `name` ("" is none); `parameters` are its own, in order."""
    if not name:
        return x
    if name not in _NAMED:
        raise UnsupportedError(f"{node.op_type}: activation {name} is not supported")
    op, known = _NAMED[name]
    if len(parameters) > len(known):
        raise ModelError(f"{node.op_type}: {name} takes {len(known)} parameters")
    given = [*parameters, *(default for _, default in known[len(parameters) :])]
    attrs: dict[str, Attr] = {key: value for (key, _), value in zip(known, given, strict=True)}
    return builder.emit(op, x, **attrs)


def _gelu(approximate: str) -> Converter:
    """GELU of the input plus a bias where there is one."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x, bias = node.input(0), node.optional(1)
        if bias is not None:
            x = builder.emit("add", x, bias)
        return [builder.emit("gelu", x, approximate=approximate)]

    return convert


def _quick_gelu(builder: Builder, node: NodeView) -> list[Value]:
    """X * sigmoid(alpha * x)."""
    x = node.input(0)
    gate = builder.emit("sigmoid", builder.scaled(x, node.number("alpha", 1.702)))
    return [builder.emit("mul", x, gate)]


def _bias_split_gelu(builder: Builder, node: NodeView) -> list[Value]:
    """The left half of x + bias times the GELU of the right half."""
    total = builder.emit("add", node.input(0), node.input(1))
    *outer, width = total.type.shape
    half = quotient([width], [2])
    if not isinstance(half, int):
        raise ModelError(f"BiasSplitGelu: {total.type} does not split into halves")
    left, right = (part(builder, total, len(outer), start, half) for start in (0, half))
    return [builder.emit("mul", left, builder.emit("gelu", right, approximate="none"))]


def _bias_add(builder: Builder, node: NodeView) -> list[Value]:
    """X + bias + skip."""
    total = builder.emit("add", node.input(0), node.input(1))
    return [builder.emit("add", total, node.input(2))]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "BiasAdd": _bias_add,
    "BiasGelu": _gelu("none"),
    "BiasSplitGelu": _bias_split_gelu,
    "FastGelu": _gelu("tanh"),
    "Gelu": _gelu("none"),
    "QuickGelu": _quick_gelu,
}
