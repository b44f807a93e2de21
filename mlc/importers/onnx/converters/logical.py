"""Comparisons, logic and choice."""

from __future__ import annotations

from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.elementwise import binary
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.graph import Value


def _where(builder: Builder, node: NodeView) -> list[Value]:
    return [builder.emit("select", node.input(0), node.input(1), node.input(2))]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "And": binary("and"),
    "Equal": binary("equal"),
    "Greater": binary("greater"),
    "GreaterOrEqual": binary("greater_equal"),
    "Less": binary("less"),
    "LessOrEqual": binary("less_equal"),
    "Or": binary("or"),
    "Where": _where,
    "Xor": binary("xor"),
}
