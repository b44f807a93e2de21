"""canonicalize: local rewrites that make equal things look equal and drop what does nothing.

    before   a = transpose(x) {0, 2, 1};  b = transpose(a) {0, 2, 1};  c = mul(b, 1.0)
    after    c = x

The rewrites stand in `rewrites/`, by operator. One walk; later nodes see what earlier ones became.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.rewrites import ALL


@dataclass(frozen=True)
class Canonicalize(Pass):
    """See the top of this file."""

    name: ClassVar[str] = "canonicalize"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph."""
        edit = GraphEdit(graph)
        for node in graph.nodes:
            new = _rewrite(edit, node)
            if new is None:
                edit.keep(node)
            else:
                edit.replace(node.output, new)
        return edit.finish()


def _rewrite(edit: GraphEdit, node: Node) -> Value | None:
    for rule in ALL.get(node.op, ()):
        new = rule(edit, node)
        if new is not None and (node.op != "identity" or edit.can_replace(node.output, new)):
            return new
    return None
