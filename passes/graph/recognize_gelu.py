"""recognize-gelu: products that spell the Gaussian error linear unit become `gelu`.

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(RecognizeGelu(), '''
    ... graph g(%x: f32[8]) -> (%y) {
    ...   const %root: f32[] = [0.70710677]
    ...   const %one: f32[] = [1]
    ...   const %half: f32[] = [0.5]
    ...   %s: f32[8] = mul(%x, %root)
    ...   %e: f32[8] = erf(%s)
    ...   %p: f32[8] = add(%e, %one)
    ...   %h: f32[8] = mul(%x, %half)
    ...   %y: f32[8] = mul(%h, %p)
    ... }'''))
    graph g(%x: f32[8]) -> (%y) {
      %y: f32[8] = gelu(%x) {approximate = "none"}
    }

The factors may be nested in any order (Hendrycks and Gimpel, 2016, give both formulas).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from typing import ClassVar

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.patterns import (
    factors,
    is_number,
    made_by,
    plus_number,
    remove_number,
    remove_value,
    same,
)
from mlc.passes.graph.rewrites.rule import source_of

_ROOT_OF_HALF = sqrt(0.5)
_TANH_SCALE = sqrt(2 / pi)
_CUBIC = 0.044715


@dataclass(frozen=True)
class RecognizeGelu(Pass):
    """See the top of this file."""

    name: ClassVar[str] = "recognize-gelu"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph."""
        edit = GraphEdit(graph)
        for node in graph.nodes:
            found = _gelu(edit, node) if node.op == "mul" else None
            if found is None:
                edit.keep(node)
                continue
            x, approximate = found
            attrs = {"approximate": approximate}
            edit.replace(node.output, edit.emit("gelu", [x], attrs, loc=node.loc))
            context.decide(self.name, node.output.name, "found", "gelu of {}", x.name)
        return edit.finish()


def _gelu(edit: GraphEdit, node: Node) -> tuple[Value, str] | None:
    """`x` and the formula, where a node computes `x * 0.5 * (1 + f(x))`."""
    if not node.output.type.dtype.is_float:
        return None
    product = [part for value in node.inputs for part in factors(edit, value, 3)]
    rest = remove_number(edit, product, 0.5)
    if rest is None or len(rest) != 2:
        return None
    for x, other in (rest, rest[::-1]):
        inner = plus_number(edit, other, 1)
        if inner is None or x.type != node.output.type:
            continue
        if _is_erf_of(edit, inner, x):
            return x, "none"
        if _is_tanh_of(edit, inner, x):
            return x, "tanh"
    return None


def _is_erf_of(edit: GraphEdit, value: Value, x: Value) -> bool:
    """`erf(x / √2)`."""
    argument = made_by(edit, value, "erf")
    if argument is None:
        return False
    quotient = source_of(edit, argument, "div")
    if quotient is not None:
        is_x = edit.current(quotient.inputs[0]) is x
        return is_x and is_number(edit, quotient.inputs[1], 1 / _ROOT_OF_HALF)
    return remove_number(edit, factors(edit, argument), _ROOT_OF_HALF) == [x]


def _is_tanh_of(edit: GraphEdit, value: Value, x: Value) -> bool:
    """`tanh(√(2/π) (x + 0.044715 x³))`, or with x outside of the bracket."""
    argument = made_by(edit, value, "tanh")
    rest = argument and remove_number(edit, factors(edit, argument), _TANH_SCALE)
    if not rest:
        return False
    if len(rest) == 1:
        total = source_of(edit, rest[0], "add")
        return total is not None and any(
            edit.current(line) is x and _is_cubic_term(edit, cubic, x, 3)
            for line, cubic in (total.inputs, total.inputs[::-1])
        )
    bracket = remove_value(rest, x)
    if bracket is None or len(bracket) != 1:
        return False
    cubic = plus_number(edit, bracket[0], 1)
    return cubic is not None and _is_cubic_term(edit, cubic, x, 2)


def _is_cubic_term(edit: GraphEdit, value: Value, x: Value, power: int) -> bool:
    """`0.044715` times x to that power."""
    rest = remove_number(edit, factors(edit, value), _CUBIC)
    return rest is not None and len(rest) == power and same([*rest, x])
