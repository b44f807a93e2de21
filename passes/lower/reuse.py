"""Reuse: an elementwise kernel writes its result over an input that nobody needs any more.

    %b = relu(%a)     reads a for the last time      b: in the memory of a, offset 0

Right where each element of the output depends on no element of that input but the one at the same
address, on the way to the output through elementwise operators alone, and where the memory of the
input (all of it, with what else lies there) is neither read nor written later. Contractions may
stand beside that way: they have read what they need before an element of the output is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.passes.lower.group import body_of, group_inputs
from mlc.passes.lower.placement import same_elements
from mlc.passes.lower.views import View

_ALLOWED = (Kind.ELEMENTWISE, Kind.CONTRACTION)
"""Kinds of operators whose kernels visit each element of the output once."""


def reuse_inputs(
    graph: Graph, nodes: Sequence[Node], views: Mapping[Value, View]
) -> dict[Value, View]:
    """Where outputs of `nodes`, the kernels in order, lie that take over the memory of an input."""
    kept = {*graph.inputs, *graph.constants, *(views[value].root for value in graph.outputs)}
    last: dict[Value, int] = {}
    for step, node in enumerate(nodes):
        last.update((views[value].root, step) for value in (*node.inputs, *node.outputs))
    taken: dict[Value, View] = {}
    for step, node in enumerate(nodes):
        output = node.outputs[0]
        if output in kept or views[output].root is not output:
            continue
        now = {value: current(views[value], taken) for value in node.inputs}
        roots = [now[value].root for value in group_inputs(node)]
        for value in overwritable(node, graph):
            view = now[value]
            dies = view.root not in kept and last[view.root] == step
            alone = roots.count(view.root) == 1
            there = View(view.root, view.offset, output.type.strides)
            if dies and alone and same_elements(output, view, there):
                taken[output] = there
                last[view.root] = last[output]
                break
    return taken


def current(view: View, taken: Mapping[Value, View]) -> View:
    """A view when its root has been taken in by another."""
    moved = taken.get(view.root)
    return view if moved is None else View(moved.root, moved.offset + view.offset, view.strides)


def overwritable(node: Node, graph: Graph) -> list[Value]:
    """Inputs of a kernel of which each output element needs the same element and no other."""
    body = body_of(node, graph)
    kinds = {OPERATORS[inner.op].kind for inner in body.nodes}
    if len(body.outputs) != 1 or not kinds.issubset(_ALLOWED):
        return []
    pairs = zip(body.inputs, group_inputs(node), strict=True)
    return [outer for inner, outer in pairs if _stays_in_place(inner, body)]


def _stays_in_place(value: Value, body: Graph) -> bool:
    """Whether `value` leads to the output of a body element by element."""
    output = body.outputs[0].type
    dependent = {value}
    for node in body.nodes:
        if dependent.isdisjoint(node.inputs):
            continue
        if OPERATORS[node.op].kind is not Kind.ELEMENTWISE:
            return False
        dependent.update(node.outputs)
    sizes = {(v.type.shape, v.type.dtype.bytes) for v in (value, body.outputs[0])}
    shapes = {v.type.shape for v in dependent}
    return body.outputs[0] in dependent and len(sizes) == 1 and shapes == {output.shape}
