"""fold-constants: a node whose inputs are all known is computed now, by its NumPy reference.

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(FoldConstants(), '''
    ... graph g(%x: f32[8,2]) -> (%y) {
    ...   const %w: f32[3,2] = [1, 2, 3, 4, 5, 6]
    ...   %t: f32[2,3] = transpose(%w) {perm = (1, 0)}
    ...   %y: f32[8,3] = matmul(%x, %t)
    ... }'''))
    graph g(%x: f32[8,2]) -> (%y) {
      const %t: f32[2,3] = [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]
      %y: f32[8,3] = matmul(%x, %t)
    }

Results that are much larger than what they are made of stay nodes: they cost less to compute than
to store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mlc.ir.graph import Graph, Node
from mlc.ir.graph_edit import GraphEdit
from mlc.ir.operators import OPERATORS
from mlc.passes.base import Pass
from mlc.passes.context import Context


@dataclass(frozen=True)
class FoldConstants(Pass):
    """See the top of this file.

    `growth_limit`: bytes that the result of a node may be larger than all its inputs together.
    `widening`: how many times as large it may be in any case, so that weights of a narrow type are
    converted once and not in every run.
    """

    name: ClassVar[str] = "fold-constants"
    growth_limit: int = 4 * 1024 * 1024
    widening: int = 4

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph, beside the computation itself."""
        edit = GraphEdit(graph)
        outputs = set(graph.outputs)
        for node in graph.nodes:
            if outputs.isdisjoint(node.outputs) and self.is_foldable(edit, node):
                arrays = [edit.constants[edit.current(value)] for value in node.inputs]
                results = OPERATORS[node.op].reference(arrays, node.attrs)
                for value, result in zip(node.outputs, results, strict=True):
                    edit.constants[value] = result
                edit.changed = True
            else:
                edit.keep(node)
        return edit.finish()

    def is_foldable(self, edit: GraphEdit, node: Node) -> bool:
        """Whether all inputs are known and the results are not too large."""
        if node.op not in OPERATORS or any(edit.array(value) is None for value in node.inputs):
            return False
        if not all(value.type.is_static for value in node.outputs):
            return False
        before = sum(edit.current(value).type.bytes for value in node.inputs)
        after = sum(value.type.bytes for value in node.outputs)
        return after - before <= self.growth_limit or after <= self.widening * before
