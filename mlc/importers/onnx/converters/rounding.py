"""Conversions that say how numbers out of range, and those between powers of two, are rounded."""

from __future__ import annotations

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import NodeView
from mlc.ir.dtype import DType
from mlc.ir.graph import Value
from mlc.ir.operators.narrow import ROUND_MODES


def converted(builder: Builder, node: NodeView, x: Value, to: DType) -> Value:
    """`x` as `to`, by the node's attributes `saturate` and `round_mode`; itself if it has it."""
    saturate, round_mode = node.flag("saturate", True), node.text("round_mode", "up")
    if round_mode not in ROUND_MODES:
        raise ModelError(f"{node.op_type}: there is no round_mode '{round_mode}'")
    if x.type.dtype is to or not to.is_storage:
        return builder.cast(x, to)
    return builder.emit("cast", x, to=to, saturate=saturate, round_mode=round_mode)
