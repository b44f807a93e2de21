"""Runs a graph node by node with the operators' NumPy references: the oracle of graph passes."""

from __future__ import annotations

from collections.abc import Mapping

from mlc.errors import VerifyError
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.interpret.expressions import Array
from mlc.ir.operators import OPERATORS


def run_graph(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of `graph` by name, for the inputs by name.

    A node `fused` runs its body. Raises `VerifyError` when an input is missing or has another shape
    or dtype, or a node gives a result that is not of its type.
    """
    values: dict[Value, Array] = dict(graph.constants)
    for value in graph.inputs:
        if value.name not in feeds:
            raise VerifyError(f"{graph.name} needs an array for '{value.name}'")
        values[value] = feeds[value.name]
        _check(f"the input '{value.name}' of {graph.name}", value, values[value])
    for node in graph.nodes:
        values.update(_run_node(node, values))
    return {value.name: values[value] for value in graph.outputs}


def _run_node(node: Node, values: Mapping[Value, Array]) -> dict[Value, Array]:
    inputs = [values[value] for value in node.inputs]
    body = node.attrs.get("body")
    if isinstance(body, Graph):
        feeds = {value.name: array for value, array in zip(body.inputs, inputs, strict=True)}
        by_name = run_graph(body, feeds)
        results = tuple([by_name[value.name] for value in body.outputs])
    else:
        results = OPERATORS[node.op].reference(inputs, node.attrs)
    for value, array in zip(node.outputs, results, strict=True):
        _check(f"the result '{value.name}' of {node.op}", value, array)
    return dict(zip(node.outputs, results, strict=True))


def _check(what: str, value: Value, array: Array) -> None:
    shape_fits = len(array.shape) == value.type.rank and all(
        dim == size
        for dim, size in zip(value.type.shape, array.shape, strict=True)
        if isinstance(dim, int)
    )
    if not shape_fits or array.dtype != value.type.dtype.numpy:
        raise VerifyError(
            f"{what} is {array.dtype}{list(array.shape)}, not {value.type}",
            node=", ".join(value.loc) or None,
        )
