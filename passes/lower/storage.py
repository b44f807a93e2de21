"""Storage: in whose memory every value of a graph lies.

Views are bound to what they show, parts to the wholes that copies would make of them (`placement`),
results to inputs that end with them (`reuse`). After: every value is a `View` of a root, which is
an input, a constant, or computed and has memory of its own.
"""

from __future__ import annotations

from mlc.ir.graph import Graph, Node, Value
from mlc.passes.lower.placement import place_parts
from mlc.passes.lower.reuse import current, reuse_inputs
from mlc.passes.lower.views import View, bind_views


def bind_storage(graph: Graph) -> dict[Value, View]:
    """The view of every value; outputs of the graph must have memory of their own."""
    views = bind_views(graph, place_parts(graph))
    taken = reuse_inputs(graph, computing_nodes(graph), views)
    return {value: current(view, taken) for value, view in views.items()}


def computing_nodes(graph: Graph) -> list[Node]:
    """The nodes that are no views, and whose outputs are not all empty."""
    views = bind_views(graph)
    return [
        node
        for node in graph.nodes
        if any(views[value].root is value for value in node.outputs)
        and any(value.type.elements for value in node.outputs)
    ]
