"""What of a model is still to be computed: nodes, and what can be had without running anything.

Holds for every `Region`: its nodes are sorted, what they read is written by a node before, or lies
in the environment, or is a live value of the same name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import onnx

from mlc.errors import ModelError
from mlc.importers.onnx.conversion import Initializer, Scope, initializers
from mlc.importers.onnx.expansion import Origin
from mlc.importers.onnx.ordering import captured_names, read_names, sorted_nodes
from mlc.importers.onnx.reading import Source
from mlc.staged.held import Array

_MOST_BYTES = 1 << 16
"""Nodes of more bytes are not hashed."""


@dataclass(frozen=True)
class Pending:
    """A node that waits to be computed, and where it stands."""

    node: onnx.NodeProto
    origin: Origin

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The names it reads, those that its subgraphs capture included, each once."""
        return tuple(dict.fromkeys(read_names(self.node)))

    @cached_property
    def identity(self) -> bytes:
        """Tells nodes of one model apart.

        Those that hold many bytes come from its file, and are known by what they read and write.
        """
        if self.node.ByteSize() <= _MOST_BYTES:
            data: bytes = self.node.SerializeToString(deterministic=True)
            return data
        names = (self.node.op_type, *self.reads, "", *self.writes)
        return "\0".join(names).encode("utf-8", "surrogatepass")

    @property
    def writes(self) -> tuple[str, ...]:
        """The names it gives values to."""
        return tuple(name for name in self.node.output if name)


@dataclass(frozen=True)
class Environment:
    """What can be had without running anything, by name.

    Tensors of the file; small arrays that earlier stages found; and nodes that read nothing but
    such, which each stage imports anew.
    """

    initializers: Mapping[str, Initializer] = field(default_factory=dict)
    constants: Mapping[str, Array] = field(default_factory=dict)
    producers: Mapping[str, Pending] = field(default_factory=dict)

    def without(self, names: Collection[str]) -> Environment:
        """What a subgraph sees that gives these names a meaning of its own."""
        return Environment(
            {name: found for name, found in self.initializers.items() if name not in names},
            {name: found for name, found in self.constants.items() if name not in names},
            {name: found for name, found in self.producers.items() if name not in names},
        )


@dataclass(frozen=True)
class Region:
    """Nodes in order, the names wanted of them, and what surrounds them."""

    name: str
    nodes: tuple[Pending, ...]
    outputs: tuple[str, ...]
    environment: Environment

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The names that must be live."""
        known = set(self.environment.initializers) | set(self.environment.constants)
        found: dict[str, None] = {}
        for item in self.nodes:
            found.update((name, None) for name in item.reads if name not in known)
            known.update(item.writes)
        found.update((name, None) for name in self.outputs if name not in known)
        return tuple(found)

    @cached_property
    def place(self) -> bytes:
        """Tells the places of one model apart, by what their nodes are."""
        return _digest(self.name, *self.outputs, "", *(item.identity for item in self.nodes))

    @cached_property
    def digest(self) -> bytes:
        """Tells regions of one model apart, by place and by the arrays known."""
        parts: list[str | bytes] = [self.place]
        for name, array in sorted(self.environment.constants.items()):
            parts += [name, str(array.dtype), str(array.shape), array.tobytes()]
        return _digest(*parts)


def _digest(*parts: str | bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()


def region(
    name: str, nodes: Sequence[Pending], outputs: Sequence[str], environment: Environment
) -> Region:
    """The region of `nodes`, together with the producers in the environment that it needs."""
    written = {output for item in nodes for output in item.writes}
    wanted = [read for item in nodes for read in item.reads if read not in written]
    wanted += [output for output in outputs if output not in written]
    needed: set[str] = set()
    while wanted:
        read = wanted.pop()
        item = environment.producers.get(read)
        if item is not None and read not in needed:
            needed.update(item.writes)
            wanted += item.reads
    first = {id(item): item for read, item in environment.producers.items() if read in needed}
    every = (*first.values(), *nodes)
    mentioned = {read for item in every for read in item.reads} | set(outputs)
    constants = {read: array for read, array in environment.constants.items() if read in mentioned}
    kept = Environment(environment.initializers, constants, environment.producers)
    return Region(name, every, tuple(outputs), kept)


def model_region(source: Source) -> Region:
    """The whole of a model."""
    graph = source.graph
    if not graph.output:
        raise ModelError("the model has no outputs")
    known = initializers(graph, source.spans)
    given = {value.name for value in graph.input}
    return _of_graph(graph, Origin(source.opsets), Environment(_tensors(known)), given, source.name)


def body_region(
    graph: onnx.GraphProto, environment: Environment, origin: Origin, name: str
) -> Region:
    """A subgraph that stands where `environment` holds; what it captures must be live else."""
    own = initializers(graph, {})
    given = {value.name for value in graph.input}
    written = {output for node in graph.node for output in node.output}
    outer = environment.without(given | written | set(own))
    inner = Environment({**outer.initializers, **_tensors(own)}, outer.constants, outer.producers)
    return _of_graph(graph, origin, inner, given | set(captured_names(graph)), name)


def _tensors(scope: Scope) -> dict[str, Initializer]:
    return {name: found for name, found in scope.items() if isinstance(found, Initializer)}


def _of_graph(
    graph: onnx.GraphProto,
    origin: Origin,
    environment: Environment,
    given: Iterable[str],
    name: str,
) -> Region:
    known = {*given, *environment.initializers, *environment.constants, *environment.producers}
    nodes = [Pending(node, origin) for node in sorted_nodes(graph, known)]
    written = {output for item in nodes for output in item.writes}
    for info in graph.output:
        if info.name not in written and info.name not in known:
            raise ModelError(f"output '{info.name}' is written by no node")
    outputs = tuple(dict.fromkeys(info.name for info in graph.output))
    return region(name, nodes, outputs, environment)
