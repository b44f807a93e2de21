"""recognize-softmax: the chain that computes it safely becomes `softmax`.

before   m = reduce_max(x) {axes=(a,)};  e = exp(x - m);  s = reduce_sum(e) {axes=(a,)};  y = e / s
after    y = softmax(x) {axis=a}

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(RecognizeSoftmax(), '''
    ... graph g(%x: f32[8,5]) -> (%y) {
    ...   %m: f32[8,1] = reduce_max(%x) {axes = (1,), keepdims = true}
    ...   %d: f32[8,5] = sub(%x, %m)
    ...   %e: f32[8,5] = exp(%d)
    ...   %s: f32[8,1] = reduce_sum(%e) {axes = (1,), keepdims = true}
    ...   %y: f32[8,5] = div(%e, %s)
    ... }'''))
    graph g(%x: f32[8,5]) -> (%y) {
      %y: f32[8,5] = softmax(%x) {axis = 1}
    }
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit, attr_of
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.patterns import made_by
from mlc.passes.graph.rewrites.rule import ints, source_of


@dataclass(frozen=True)
class RecognizeSoftmax(Pass):
    """See the top of this file."""

    name: ClassVar[str] = "recognize-softmax"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph."""
        edit = GraphEdit(graph)
        for node in graph.nodes:
            found = _softmax(edit, node) if node.op == "div" else None
            if found is None:
                edit.keep(node)
                continue
            x, axis = found
            edit.replace(node.output, edit.emit("softmax", [x], {"axis": axis}, loc=node.loc))
            context.decide(self.name, node.output.name, "found", "softmax of {}", x.name)
        return edit.finish()


def _softmax(edit: GraphEdit, node: Node) -> tuple[Value, int] | None:
    """`x` and the axis, where a division computes its softmax."""
    powers, total = map(edit.current, node.inputs)
    summed = _over_one_axis(source_of(edit, total, "reduce_sum"))
    argument = made_by(edit, powers, "exp")
    difference = argument and source_of(edit, argument, "sub")
    if not summed or not difference or edit.current(summed[0].inputs[0]) is not powers:
        return None
    x, peak = map(edit.current, difference.inputs)
    highest = _over_one_axis(source_of(edit, peak, "reduce_max"))
    if not highest or edit.current(highest[0].inputs[0]) is not x or highest[1] != summed[1]:
        return None
    return x, summed[1]


def _over_one_axis(node: Node | None) -> tuple[Node, int] | None:
    """A reduction and its axis, if it has one and keeps it."""
    if node is None or not attr_of(node, "keepdims") or len(ints(node, "axes")) != 1:
        return None
    return node, ints(node, "axes")[0]
