"""Control flow: branches that are decided when the model is imported, or both computed."""

from __future__ import annotations

import onnx

from mlc.errors import MlcError, ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import BOOL
from mlc.ir.graph import Value

MAX_NODES = 16
"""A branch with more nodes is not computed in vain."""

_HARMLESS = frozenset((
    "Abs", "Add", "And", "Cast", "Ceil", "Constant", "Cos", "Equal", "Erf", "Exp", "Floor",
    "Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Log", "Max", "Min", "Mul",
    "Neg", "Not", "Or", "Relu", "Sigmoid", "Sign", "Sin", "Sqrt", "Sub", "Tanh", "Where", "Xor",
))  # fmt: skip
"""Operators that cost little and can be computed from anything: no index, no integer division."""


def _if(builder: Builder, node: NodeView) -> list[Value]:
    """Import the branch that is taken; the other is dropped.

    Where that is not known, small branches of elementwise operators are both computed, and the
    condition chooses.
    """
    condition = node.input(0)
    known = builder.array(condition)
    if known is None:
        chosen = _chosen(builder, node, condition)
        if chosen is None:
            raise builder.unresolved("If: the condition", condition)
        return chosen
    if known.size != 1:
        raise ModelError(f"If: the condition must be one element, not {condition.type}")
    return node.import_body(node.body("then_branch" if known.item() else "else_branch"))


def _chosen(builder: Builder, node: NodeView, condition: Value) -> list[Value] | None:
    """The outputs by both branches; None where one is not harmless, or where types differ."""
    branches = [node.body(name) for name in ("then_branch", "else_branch")]
    if not all(map(_is_harmless, branches)) or condition.type.dtype is not BOOL:
        return None
    try:
        one, other = (node.import_body(branch) for branch in branches)
        if [value.type for value in one] != [value.type for value in other]:
            return None
        scalar = builder.reshape(condition, ())
        return [
            builder.emit("select", scalar, left, right)
            for left, right in zip(one, other, strict=True)
        ]
    except MlcError:
        # The branch that is not taken may be wrong for these shapes.
        return None


def _is_harmless(branch: onnx.GraphProto) -> bool:
    return len(branch.node) <= MAX_NODES and all(
        node.op_type in _HARMLESS and node.domain in ("", "ai.onnx") for node in branch.node
    )


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {"If": _if}
