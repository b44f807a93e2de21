"""Whether a model is one graph of static shapes, so that it need not be run in stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx

from mlc.importers.onnx.conversion import initializers
from mlc.importers.onnx.demand import NeedsValue
from mlc.importers.onnx.importer import import_source
from mlc.importers.onnx.inputs import Declared, Shapes, declared_inputs
from mlc.importers.onnx.reading import Source
from mlc.importers.onnx.registry import DOMAIN_ALIASES
from mlc.ir.graph import Graph
from mlc.staged.step import Steps, takes_step


def static_graph(source: Source, shapes: Shapes, steps: Steps) -> Graph | None:
    """The graph of a model, or None where it needs stages.

    Raises what importing raises, `InputError` for `shapes` that do not fit.
    """
    tensors = initializers(source.graph, source.spans)
    given = [value for value in source.graph.input if value.name not in tensors]
    if not all(map(_is_static, declared_inputs(given, shapes))):
        return None
    nodes = [
        *source.graph.node,
        *(node for body in source.functions.values() for node in body.node),
    ]
    if any(_needs_host(node, source, steps) for node in _all(nodes)):
        return None
    try:
        return import_source(source, shapes)
    except NeedsValue:
        return None


def _is_static(value: Declared) -> bool:
    return (
        value.kind == "tensor"
        and value.elem_type != onnx.TensorProto.STRING
        and value.shape is not None
        and all(isinstance(dim, int) for dim in value.shape)
    )


def _all(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """The nodes and those of their subgraphs."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _all(graph.node)


def _needs_host(node: onnx.NodeProto, source: Source, steps: Steps) -> bool:
    domain = DOMAIN_ALIASES.get(node.domain, node.domain)
    return takes_step(steps, node, domain, source.opsets.get(domain, 0))
