"""Comparisons, logic and choice."""

from __future__ import annotations

from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.elementwise import aligned_binary, binary
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.graph import Value


def _where(builder: Builder, node: NodeView) -> list[Value]:
    return [builder.emit("select", node.input(0), node.input(1), node.input(2))]


_BINARY = {
    "And": "and",
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
    "Or": "or",
    "Xor": "xor",
}

CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    **{name: {1: aligned_binary(op), 7: binary(op)} for name, op in _BINARY.items()},
    "Where": _where,
}
