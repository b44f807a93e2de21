"""canonicalize: local rewrites that make equal things look equal and drop what does nothing.

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(Canonicalize(), '''
    ... graph g(%x: f32[2,3]) -> (%z) {
    ...   const %one: f32[] = [1]
    ...   const %two: f32[] = [2]
    ...   %t: f32[3,2] = transpose(%x) {perm = (1, 0)}
    ...   %u: f32[2,3] = transpose(%t) {perm = (1, 0)}
    ...   %y: f32[2,3] = mul(%u, %one)
    ...   %z: f32[2,3] = pow(%y, %two)
    ... }'''))
    graph g(%x: f32[2,3]) -> (%z) {
      %u: f32[2,3] = transpose(%x) {perm = (0, 1)}
      %z: f32[2,3] = mul(%u, %u)
    }

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
