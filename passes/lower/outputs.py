"""Outputs: every output of a model has memory of its own, written in row-major order."""

from __future__ import annotations

from dataclasses import replace

from mlc.ir.graph import Graph, Node, Value
from mlc.passes.lower.views import bind_views


def with_output_copies(graph: Graph) -> Graph:
    """Give every output memory of its own.

    An output that is an input, a constant, a second name of another output, or a view of part of
    some memory is copied by an `identity` node; what shows the whole of a computed value in order
    is not.
    """
    views = bind_views(graph)
    taken: set[Value] = set()
    nodes, outputs = list(graph.nodes), []
    for value in graph.outputs:
        view = views[value]
        fixed = view.root in graph.constants or view.root in graph.inputs
        row_major = value.type.with_layout(None).strides
        whole = _dense(value, view.strides) == _dense(value, row_major) and view.offset == 0
        same_size = value.type.elements == view.root.type.elements
        if fixed or view.root in taken or not (whole and same_size):
            copy = Value(f"{value.name}.out", value.type.with_layout(None), value.loc)
            nodes.append(Node("identity", (value,), (copy,), {}, value.loc))
            outputs.append(copy)
        else:
            outputs.append(value)
            taken.add(view.root)
    if all(a is b for a, b in zip(outputs, graph.outputs, strict=True)):
        return graph
    return replace(graph, nodes=tuple(nodes), outputs=tuple(outputs))


def _dense(value: Value, strides: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of the axes that have more than one element."""
    return tuple(s for s, d in zip(strides, value.type.static_shape, strict=True) if d > 1)
