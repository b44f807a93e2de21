"""The order in which nodes are imported: those that the outputs need, producers first.

ONNX asks for sorted nodes, files do not always obey. Sorting keeps the file's order where it can.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence

import onnx

from mlc.errors import ModelError
from mlc.importers.onnx.node import node_loc


def sorted_nodes(graph: onnx.GraphProto, known: Collection[str]) -> list[onnx.NodeProto]:
    """The live nodes of `graph` in an order of execution; `known` are names that need no node.

    Raises `ModelError` for a name that nothing writes, that two nodes write, and for a cycle.
    """
    nodes = list(graph.node)
    reads = [tuple(read_names(node)) for node in nodes]
    producers = _producers(nodes, known)
    live = _live([output.name for output in graph.output], reads, producers)
    waiting: dict[int, int] = {}
    readers: dict[int, list[int]] = {}
    for position in live:
        sources = set()
        for name in reads[position]:
            if name in producers:
                sources.add(producers[name])
            elif name not in known:
                raise ModelError(
                    f"'{name}' is read, but nothing writes it", node=node_loc(nodes[position])
                )
        waiting[position] = len(sources)
        for source in sources:
            readers.setdefault(source, []).append(position)
    ready = [position for position, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        position = heapq.heappop(ready)
        order.append(position)
        for reader in readers.get(position, ()):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready, reader)
    if len(order) < len(live):
        stuck = sorted(set(live) - set(order))
        raise ModelError(
            "the nodes form a cycle", node=", ".join(node_loc(nodes[p]) for p in stuck[:8])
        )
    return [nodes[position] for position in order]


def _producers(nodes: Sequence[onnx.NodeProto], known: Collection[str]) -> dict[str, int]:
    producers: dict[str, int] = {}
    for position, node in enumerate(nodes):
        for name in node.output:
            if not name:
                continue
            if name in producers or name in known:
                raise ModelError(f"'{name}' is written more than once", node=node_loc(node))
            producers[name] = position
    return producers


def _live(
    outputs: Sequence[str], reads: Sequence[Sequence[str]], producers: dict[str, int]
) -> list[int]:
    """Positions of the nodes that the outputs depend on, ascending."""
    found: set[int] = set()
    pending = list(outputs)
    while pending:
        position = producers.get(pending.pop())
        if position is not None and position not in found:
            found.add(position)
            pending.extend(reads[position])
    return sorted(found)


def read_names(node: onnx.NodeProto) -> Iterator[str]:
    """The names a node reads, those that its subgraphs capture included.

    `Gradient` names what it derives by an attribute.
    """
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        if node.op_type == "Gradient" and attribute.name == "y" and attribute.s:
            yield attribute.s.decode("utf-8", "replace")
        if attribute.HasField("g"):
            yield from captured_names(attribute.g)
        for graph in attribute.graphs:
            yield from captured_names(graph)


def captured_names(graph: onnx.GraphProto) -> Iterator[str]:
    """The names that a subgraph reads from outside of it; some more than once."""
    inner = {value.name for value in graph.input}
    inner.update(tensor.name for tensor in graph.initializer)
    inner.update(name for node in graph.node for name in node.output)
    for node in graph.node:
        yield from (name for name in read_names(node) if name not in inner)
    yield from (output.name for output in graph.output if output.name not in inner)
