"""Control flow: branches that are decided when the model is imported."""

from __future__ import annotations

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.graph import Value


def _if(builder: Builder, node: NodeView) -> list[Value]:
    """Import the branch that is taken; the other is dropped."""
    condition = builder.array(node.input(0))
    if condition is None:
        raise builder.unresolved("If: the condition", node.input(0))
    if condition.size != 1:
        raise ModelError(f"If: the condition must be one element, not {node.input(0).type}")
    return node.import_body(node.body("then_branch" if condition.item() else "else_branch"))


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {"If": _if}
