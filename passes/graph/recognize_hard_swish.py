"""recognize-hard-swish: `x * hard_sigmoid(x)` in either of its spellings becomes `hard_swish`.

before   c = clip(x + 3) {min=0, max=6};  y = x * c * 0.1667
before   h = hard_sigmoid(x) {alpha=1/6, beta=1/2};  y = x * h
after    y = hard_swish(x)

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(RecognizeHardSwish(), '''
    ... graph g(%x: f32[8]) -> (%y) {
    ...   const %three: f32[] = [3]
    ...   const %sixth: f32[] = [0.16666667]
    ...   %a: f32[8] = add(%x, %three)
    ...   %c: f32[8] = clip(%a) {min = 0.0, max = 6.0}
    ...   %p: f32[8] = mul(%x, %c)
    ...   %y: f32[8] = mul(%p, %sixth)
    ... }'''))
    graph g(%x: f32[8]) -> (%y) {
      %y: f32[8] = hard_swish(%x)
    }
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from typing import ClassVar, cast

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit, attr_of
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.patterns import RELATIVE_TOLERANCE, factors, plus_number, remove_number
from mlc.passes.graph.rewrites.rule import source_of


@dataclass(frozen=True)
class RecognizeHardSwish(Pass):
    """See the top of this file."""

    name: ClassVar[str] = "recognize-hard-swish"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph."""
        edit = GraphEdit(graph)
        for node in graph.nodes:
            x = _hard_swish(edit, node) if node.op == "mul" else None
            if x is None:
                edit.keep(node)
            else:
                edit.replace(node.output, edit.emit("hard_swish", [x], loc=node.loc))
                context.decide(self.name, node.output.name, "found", "hard_swish of {}", x.name)
        return edit.finish()


def _hard_swish(edit: GraphEdit, node: Node) -> Value | None:
    if not node.output.type.dtype.is_float:
        return None
    product = [part for value in node.inputs for part in factors(edit, value, 3)]
    sixth = remove_number(edit, product, 1 / 6)
    is_gate = _is_hard_sigmoid if sixth is None else _is_clipped_line
    rest = product if sixth is None else sixth
    if len(rest) != 2:
        return None
    for x, gate in (rest, rest[::-1]):
        if x.type == node.output.type and is_gate(edit, gate, x):
            return x
    return None


def _is_hard_sigmoid(edit: GraphEdit, gate: Value, x: Value) -> bool:
    """`clip(x/6 + 1/2, 0, 1)`."""
    node = source_of(edit, gate, "hard_sigmoid")
    if node is None or edit.current(node.inputs[0]) is not x:
        return False
    return _attr_is(node, "alpha", 1 / 6) and _attr_is(node, "beta", 0.5)


def _is_clipped_line(edit: GraphEdit, gate: Value, x: Value) -> bool:
    """`clip(x + 3, 0, 6)`."""
    node = source_of(edit, gate, "clip")
    if node is None or not (_attr_is(node, "min", 0) and _attr_is(node, "max", 6)):
        return False
    return plus_number(edit, node.inputs[0], 3) is x


def _attr_is(node: Node, name: str, number: float) -> bool:
    found = cast("float", attr_of(node, name))
    return isclose(found, number, rel_tol=RELATIVE_TOLERANCE)
