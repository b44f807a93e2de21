"""cse: two nodes that compute the same become one; so do two equal small constants.

before   a = relu(x);  b = relu(x);  c = add(a, b)
after    a = relu(x);  c = add(a, a)

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(Cse(), '''
    ... graph g(%x: f32[2]) -> (%y) {
    ...   %a: f32[2] = exp(%x)
    ...   %b: f32[2] = exp(%x)
    ...   %y: f32[2] = add(%a, %b)
    ... }'''))
    graph g(%x: f32[2]) -> (%y) {
      %a: f32[2] = exp(%x)
      %y: f32[2] = add(%a, %a)
    }
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit, complete_attrs
from mlc.ir.operators import OPERATORS
from mlc.passes.base import Pass
from mlc.passes.context import Context


@dataclass(frozen=True)
class Cse(Pass):
    """Common subexpression elimination, see the top of this file.

    `constant_bytes`: constants up to this size are compared by contents, larger ones by identity.
    """

    name: ClassVar[str] = "cse"
    constant_bytes: int = 1024

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph."""
        edit = GraphEdit(graph)
        self.merge_constants(edit, graph)
        known: dict[Hashable, Node] = {}
        for node in graph.nodes:
            key = _key(edit, node)
            earlier = known.setdefault(key, node)
            if earlier is not node and all(map(edit.can_replace, node.outputs, earlier.outputs)):
                for old, new in zip(node.outputs, earlier.outputs, strict=True):
                    edit.replace(old, new)
            else:
                edit.keep(node)
        return edit.finish()

    def merge_constants(self, edit: GraphEdit, graph: Graph) -> None:
        """Let equal small constants be one value."""
        known: dict[Hashable, Value] = {}
        for value, array in graph.constants.items():
            small = array.nbytes <= self.constant_bytes
            content: Hashable = array.tobytes() if small else id(array)
            earlier = known.setdefault((value.type, content), value)
            if earlier is not value and value not in graph.outputs:
                edit.redirect(value, earlier)


def _key(edit: GraphEdit, node: Node) -> Hashable:
    """What two nodes that compute the same have in common."""
    inputs = tuple(edit.current(value) for value in node.inputs)
    known = complete_attrs(node.op, node.attrs) if node.op in OPERATORS else node.attrs
    attrs = tuple((name, str(type(value)), value) for name, value in sorted(known.items()))
    return node.op, inputs, attrs, tuple(value.type for value in node.outputs)
