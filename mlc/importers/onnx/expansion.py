"""Operators that are functions: a call is replaced by the nodes of the function's body.

A function comes with the model, or with ONNX itself: the schema of an operator may say what the
operator means in terms of others, once for all, or for given types of the inputs.

Holds after `expand`: the nodes carry the name of the node that called, so that whatever is told of
them is told of it; the names that they write are nowhere else in the model, but for the call's own
outputs; and they read nothing but the call's inputs and each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto, TypeProto, defs

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.node import node_loc
from mlc.importers.onnx.reading import Source, check_opset
from mlc.importers.onnx.registry import DOMAIN_ALIASES
from mlc.importers.onnx.tensors import DTYPES
from mlc.ir.text import print_expr
from mlc.ir.types import TensorType

MAX_DEPTH = 64
"""So many functions may call each other in a chain."""

MAX_NODES = 1 << 17
"""So many nodes may come out of a model's functions altogether."""

FunctionKey = tuple[str, str, str]
"""Domain, name and overload."""


@dataclass(frozen=True)
class Origin:
    """Where a node stands: in the model itself, or in bodies of functions that `calls` names.

    `opsets` maps domains to the versions of the operator sets that hold there.
    """

    opsets: Mapping[str, int]
    calls: tuple[FunctionKey, ...] = ()


@dataclass(frozen=True)
class Expansion:
    """The body of a call, as a graph whose names are those of the model, and its origin."""

    graph: GraphProto
    origin: Origin


class Expander:
    """Knows the functions of one model, and the names that are taken in it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._taken: set[str] | None = None
        self._reserved: Iterable[str] = ()
        self._count = 0

    def is_local(self, node: NodeProto) -> bool:
        """Whether the node calls a function of the model."""
        return _key(node) in self._source.functions

    def has_body(self, node: NodeProto, origin: Origin) -> bool:
        """Whether the node calls a function of the model, or ONNX's schema has a body for it."""
        if self.is_local(node):
            return True
        schema = _schema(node, origin)
        return schema is not None and bool(_versions(schema))

    def expand(
        self, node: NodeProto, origin: Origin, types: Sequence[TensorType | None]
    ) -> Expansion | None:
        """The body of the function that `node` calls with inputs of `types`; None if it has none.

        Raises `ModelError` for a function that calls itself, and for a body that is out of bounds.
        """
        key = _key(node)
        if key in origin.calls:
            raise ModelError(f"function '{_shown(key)}' calls itself")
        if len(origin.calls) >= MAX_DEPTH:
            raise ModelError(f"functions call each other more than {MAX_DEPTH} deep")
        schema = None
        function = self._source.functions.get(key)
        if function is None:
            schema = _schema(node, origin)
            function = None if schema is None else _schema_body(schema, node, origin, types)
        if function is None:
            return None
        # ONNX's own bodies leave out the sets that any model imports.
        opsets = {**({} if schema is None else origin.opsets), **_opsets(function)}
        for count, most, what in (
            (len(node.input), len(function.input), "inputs"),
            (len(node.output), len(function.output), "outputs"),
        ):
            if schema is None and count > most:
                raise ModelError(f"{node.op_type}: {count} {what}, expected at most {most}")
        attributes = {attribute.name: attribute for attribute in _defaults(function, schema)}
        attributes.update((attribute.name, attribute) for attribute in node.attribute)
        copy = _Copy(self, node, attributes)
        graph = copy.body(function)
        self._count += len(graph.node)
        if self._count > MAX_NODES:
            raise ModelError(f"the model's functions hold more than {MAX_NODES} nodes")
        return Expansion(graph, Origin(opsets, (*origin.calls, key)))

    def reserve(self, names: Iterable[str]) -> None:
        """Let nothing have these names, which earlier expansions of the model gave."""
        self._reserved = names

    def fresh(self, stem: str) -> str:
        """A name that nothing in the model has."""
        if self._taken is None:
            self._taken = {*_names(self._source.graph), *self._reserved}
        name, number = stem, 1
        while name in self._taken:
            name, number = f"{stem}.{number}", number + 1
        self._taken.add(name)
        return name


class _Copy:
    """Copies a function's nodes: formal names become actual ones, attributes are filled in."""

    def __init__(
        self, expander: Expander, call: NodeProto, attributes: Mapping[str, AttributeProto]
    ) -> None:
        self._expander = expander
        self._call = call
        self._attributes = attributes
        self._stem = next((name for name in call.output if name), call.op_type)
        self._names: dict[str, str] = {"": ""}

    def body(self, function: FunctionProto) -> GraphProto:
        """The graph that computes the outputs that the call names."""
        actual = dict(zip(function.output, self._call.output, strict=False))
        self._names.update((formal, name) for formal, name in actual.items() if name)
        graph = GraphProto()
        for position, formal in enumerate(function.input):
            given = self._call.input[position] if position < len(self._call.input) else ""
            if actual.get(formal):
                # The function hands an input on: nothing but a node can give it its second name.
                graph.node.append(self._handed_on(given, actual[formal]))
            self._names[formal] = given
        graph.node.extend(self._node(node) for node in function.node)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in actual.values() if name)
        return graph

    def _handed_on(self, source: str, target: str) -> NodeProto:
        return NodeProto(
            name=node_loc(self._call), op_type="Identity", input=[source], output=[target]
        )

    def _name(self, formal: str) -> str:
        if formal not in self._names:
            self._names[formal] = self._expander.fresh(f"{self._stem}.{formal}")
        return self._names[formal]

    def _node(self, node: NodeProto) -> NodeProto:
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.name = node_loc(self._call)
        copy.input[:] = map(self._name, node.input)
        copy.output[:] = map(self._name, node.output)
        del copy.attribute[:]
        copy.attribute.extend(self._filled(node.attribute))
        return copy

    def _filled(self, attributes: Sequence[AttributeProto]) -> Iterator[AttributeProto]:
        """The attributes with those put in that refer to the call's; absent ones are left out."""
        for attribute in attributes:
            copy = AttributeProto()
            if attribute.ref_attr_name:
                actual = self._attributes.get(attribute.ref_attr_name)
                if actual is None:
                    continue
                copy.CopyFrom(actual)
                copy.name = attribute.name
            else:
                copy.CopyFrom(attribute)
                if attribute.HasField("g"):
                    copy.g.CopyFrom(self._graph(attribute.g))
                for position, graph in enumerate(attribute.graphs):
                    copy.graphs[position].CopyFrom(self._graph(graph))
            yield copy

    def _graph(self, graph: GraphProto) -> GraphProto:
        """A subgraph; what it captures from the function is renamed as the function's names are."""
        copy = GraphProto()
        copy.CopyFrom(graph)
        for named in (*copy.input, *copy.output, *copy.initializer):
            named.name = self._name(named.name)
        del copy.node[:]
        copy.node.extend(self._node(node) for node in graph.node)
        return copy


def _key(node: NodeProto) -> FunctionKey:
    return DOMAIN_ALIASES.get(node.domain, node.domain), node.op_type, node.overload


def _shown(key: FunctionKey) -> str:
    domain, name, overload = key
    return f"{domain}.{name}" + (f":{overload}" if overload else "")


def _opsets(function: FunctionProto) -> dict[str, int]:
    opsets = {
        DOMAIN_ALIASES.get(entry.domain, entry.domain): entry.version
        for entry in function.opset_import
    }
    if "" in opsets:
        check_opset(opsets[""], f"function '{function.name}'")
    return opsets


def _schema(node: NodeProto, origin: Origin) -> Any:
    """ONNX's schema of the node's operator, which is only typed in part; None if it has none."""
    domain = DOMAIN_ALIASES.get(node.domain, node.domain)
    try:
        return defs.get_schema(node.op_type, origin.opsets.get(domain, 0), domain)
    except (defs.SchemaError, TypeError):  # a name that is no text is a TypeError
        return None


def _versions(schema: Any) -> list[int]:
    """The operator sets since which the bodies of a schema hold."""
    return [*schema.function_opset_versions, *schema.context_dependent_function_opset_versions]


def _schema_body(
    schema: Any, node: NodeProto, origin: Origin, types: Sequence[TensorType | None]
) -> FunctionProto | None:
    """The newest body that is not newer than the operator set; bodies name their own sets."""
    opset = origin.opsets.get(schema.domain, 0)
    versions = _versions(schema)
    if not versions:
        return None
    fitting = [version for version in versions if version <= opset]
    version = max(fitting) if fitting else min(versions)
    if version in schema.function_opset_versions:
        data = schema.get_function_with_opset_version(version)
    else:
        described = [_type_proto(tensor).SerializeToString() for tensor in types]
        try:
            data = schema.get_context_dependent_function_with_opset_version(
                version, node.SerializeToString(), described
            )
        except Exception as error:  # what ONNX raises for nodes it cannot expand has no common base
            raise UnsupportedError(f"{node.op_type}: ONNX gives no body for it: {error}") from error
    return FunctionProto.FromString(data) if data else None


def _defaults(function: FunctionProto, schema: Any) -> Iterator[AttributeProto]:
    """The attributes that have a value where the call gives none."""
    yield from function.attribute_proto
    if schema is not None:
        for attribute in schema.attributes.values():
            if attribute.default_value.type != AttributeProto.UNDEFINED:
                yield attribute.default_value


_CODES = {dtype: code for code, dtype in DTYPES.items()}


def _type_proto(tensor: TensorType | None) -> TypeProto:
    """The type as ONNX writes it; empty for an input that is left out."""
    proto = TypeProto()
    if tensor is not None:
        proto.tensor_type.elem_type = _CODES[tensor.dtype]
        proto.tensor_type.shape.SetInParent()
        for dim in tensor.shape:
            if isinstance(dim, int):
                proto.tensor_type.shape.dim.add(dim_value=dim)
            else:
                proto.tensor_type.shape.dim.add(dim_param=print_expr(dim))
    return proto


def _names(graph: GraphProto) -> Iterator[str]:
    """Every name that a graph or a subgraph of it gives to a value."""
    yield from (named.name for named in (*graph.input, *graph.initializer, *graph.output))
    for node in graph.node:
        yield from node.input
        yield from node.output
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _names(attribute.g)
            for subgraph in attribute.graphs:
                yield from _names(subgraph)
