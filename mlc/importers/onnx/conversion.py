"""Converts the nodes of a graph one after the other: scope, operands, converters, functions.

Holds after each node: its outputs are in the scope, as values of the builder or as unavailable, and
there is a row that says whether it is supported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from mlc.errors import MlcError, ModelError, ShapeError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.coverage import SurveyRow
from mlc.importers.onnx.demand import NeedsValue
from mlc.importers.onnx.detach import Span
from mlc.importers.onnx.expansion import Expander, Expansion, Origin
from mlc.importers.onnx.inputs import Shapes, input_types
from mlc.importers.onnx.node import Converter, NodeView, checked_attributes, node_loc
from mlc.importers.onnx.ordering import sorted_nodes
from mlc.importers.onnx.reading import Source
from mlc.importers.onnx.registry import DOMAIN_ALIASES, find_converter, is_known
from mlc.importers.onnx.tensors import array_from_onnx
from mlc.ir.graph import Value
from mlc.ir.text import print_type

_STUMBLES = (
    ArithmeticError, IndexError, KeyError, MemoryError, RecursionError, TypeError, ValueError
)  # fmt: skip
"""What Python raises when a node contradicts itself in a way that no converter looks for."""


@dataclass(frozen=True)
class Unavailable:
    """Stands for a value that cannot be had; `reason` is "" where its node has told it already."""

    reason: str = ""


@dataclass(frozen=True)
class Initializer:
    """A tensor that nobody has read yet; `span` is where its data lies in the model's file."""

    tensor: onnx.TensorProto
    span: Span | None


Operand = Value | Unavailable | None
Scope = dict[str, "Value | Initializer | Unavailable"]


class Conversion:
    """The import of one model; `strict` raises errors at once, except for what is unsupported."""

    def __init__(self, source: Source, shapes: Shapes, *, strict: bool) -> None:
        self.builder = Builder()
        self.rows: list[SurveyRow] = []
        self._source = source
        self._shapes = shapes
        self._strict = strict
        self._expander = Expander(source)

    def import_main(self) -> list[Value]:
        """Import the model's graph; gives the values of its outputs, as far as there are any."""
        graph = self._source.graph
        scope = initializers(graph, self._source.spans)
        given = [value for value in graph.input if value.name not in scope]
        if len({value.name for value in given}) != len(given):
            raise ModelError("two inputs have one name")
        if not graph.output:
            raise ModelError("the model has no outputs")
        for name, tensor_type in input_types(given, self._shapes).items():
            scope[name] = self.builder.input(name, tensor_type)
        return self._import_graph(graph, scope, Origin(self._source.opsets))

    def _import_graph(self, graph: onnx.GraphProto, scope: Scope, origin: Origin) -> list[Value]:
        for node in sorted_nodes(graph, scope):
            self._import_node(node, scope, origin)
        outputs = []
        for info in graph.output:
            if info.name not in scope:
                raise ModelError(f"output '{info.name}' is written by no node")
            value = self._read(info.name, scope)
            if isinstance(value, Value):
                outputs.append(value)
        return outputs

    def _import_node(self, node: onnx.NodeProto, scope: Scope, origin: Origin) -> None:
        """Convert one node, or the body of the function that it calls; its outputs go to `scope`.

        A node that calls a function has one row, as any other.
        """
        domain = DOMAIN_ALIASES.get(node.domain, node.domain)
        opset = origin.opsets.get(domain, 0)
        operands = self._operands(node, scope)
        types = tuple(map(type_text, operands))
        supported, reason = True, ""
        outputs: list[Value] | None = None
        before = len(self.rows)
        try:
            expansion = self._expansion(node, domain, opset, operands, origin)
            if expansion is None:
                outputs = self._convert(node, domain, opset, operands, scope, origin)
            else:
                self._import_graph(expansion.graph, scope, expansion.origin)
                supported, reason = self._judged(before)
        except MlcError as error:
            error.node = error.node or node_loc(node)
            if self._strict and not isinstance(error, UnsupportedError):
                raise
            reason = error.message.removeprefix(f"{node.op_type}: ")
            # What is known only when the model runs speaks against no operator.
            supported = isinstance(error, NeedsValue) or (
                isinstance(error, ShapeError) and self.builder.hint() is not None
            )
        self.rows[before:] = [
            SurveyRow(node_loc(node), node.op_type, domain, opset, types, supported, reason)
        ]
        for position, name in enumerate(node.output):
            if name and outputs is not None:
                scope[name] = outputs[position]
                self.builder.name(outputs[position], name)
            elif name and name not in scope:
                scope[name] = Unavailable()

    def _judged(self, before: int) -> tuple[bool, str]:
        """What the rows from `before` on say together: whether all is supported, and why not."""
        reasons = {
            f"{row.op}: {row.reason}": None for row in self.rows[before:] if not row.supported
        }
        return not reasons, "; ".join(reasons)

    def _expansion(
        self,
        node: onnx.NodeProto,
        domain: str,
        opset: int,
        operands: list[Operand],
        origin: Origin,
    ) -> Expansion | None:
        """The body of the function that a node calls, if it has one and needs it."""
        blind = any(isinstance(operand, Unavailable) for operand in operands)
        local = self._expander.is_local(node)
        converted = not local and find_converter(domain, node.op_type, opset) is not None
        if blind or converted or not self._expander.has_body(node, origin):
            return None
        if not local:
            checked_attributes(node, domain, opset)
        types = [operand.type if isinstance(operand, Value) else None for operand in operands]
        return self._expander.expand(node, origin, types)

    def _operands(self, node: onnx.NodeProto, scope: Scope) -> list[Operand]:
        try:
            return [self._read(name, scope) if name else None for name in node.input]
        except MlcError as error:
            error.node = node_loc(node)
            raise

    def _convert(
        self,
        node: onnx.NodeProto,
        domain: str,
        opset: int,
        operands: list[Operand],
        scope: Scope,
        origin: Origin,
    ) -> list[Value] | None:
        """Run the converter of a node; None where a node before it was not converted."""
        converter = find_converter(domain, node.op_type, opset)
        if domain not in origin.opsets:
            raise UnsupportedError("the model does not import the operator's domain")
        if converter is None and not self._expander.has_body(node, origin):
            known = is_known(domain, node.op_type)
            raise UnsupportedError("too old a version" if known else "no such operator")
        for operand in operands:
            if isinstance(operand, Unavailable) and operand.reason:
                raise UnsupportedError(operand.reason)
        inputs = tuple(value for value in operands if not isinstance(value, Unavailable))
        if converter is None or len(inputs) < len(operands):
            return None
        view = NodeView(
            node,
            domain,
            opset,
            inputs,
            checked_attributes(node, domain, opset),
            self._source.files,
            lambda body: self._import_body(body, scope, origin),
            lambda name: self._named(name, scope),
        )
        self.builder.begin(node_loc(node), next((name for name in node.output if name), "value"))
        outputs = self._outputs_of(converter, view)
        needed = max((i + 1 for i, name in enumerate(node.output) if name), default=0)
        if len(outputs) < needed:
            raise UnsupportedError(f"{node.op_type}: output {needed - 1} is not supported")
        return outputs

    def _outputs_of(self, converter: Converter, view: NodeView) -> list[Value]:
        """Run a converter; whatever a broken node makes it stumble over is an `MlcError`."""
        try:
            return list(converter(self.builder, view))
        except ShapeError as error:
            error.hint = error.hint or self.builder.hint()
            raise
        except _STUMBLES as error:
            what = str(error) or type(error).__name__
            raise ModelError(f"{view.op_type}: broken node: {what}") from error

    def _import_body(self, graph: onnx.GraphProto, outer: Scope, origin: Origin) -> list[Value]:
        """Import a subgraph without inputs in the place of its node."""
        if graph.input:
            raise UnsupportedError("subgraphs with inputs are not supported")
        outputs = self._import_graph(graph, {**outer, **initializers(graph, {})}, origin)
        if len(outputs) != len(graph.output):
            raise UnsupportedError("its subgraph holds unsupported nodes")
        return outputs

    def _read(self, name: str, scope: Scope) -> Value | Unavailable:
        """What a name stands for; initializers become constants when they are first read."""
        found = scope[name]
        if isinstance(found, Initializer):
            found = scope[name] = self._loaded(found)
        return found

    def _named(self, name: str, scope: Scope) -> Value | None:
        found = self._read(name, scope) if name in scope else None
        return found if isinstance(found, Value) else None

    def _loaded(self, found: Initializer) -> Value | Unavailable:
        """The constant of an initializer."""
        try:
            array = array_from_onnx(found.tensor, self._source.files, found.span)
        except UnsupportedError as error:
            return Unavailable(error.message)
        return self.builder.constant(array, found.tensor.name)


def type_text(operand: Operand) -> str:
    """The type of what a node reads, for a row of the survey."""
    if isinstance(operand, Value):
        return print_type(operand.type)
    return "-" if operand is None else "?"


def initializers(graph: onnx.GraphProto, spans: Mapping[int, Span]) -> Scope:
    """The initializers of a graph by name, unread; `spans` as in `Source`."""
    if graph.sparse_initializer:
        raise UnsupportedError("sparse initializers are not supported")
    scope: Scope = {}
    for position, tensor in enumerate(graph.initializer):
        if tensor.name in scope:
            raise ModelError(f"two initializers have the name '{tensor.name}'")
        scope[tensor.name] = Initializer(tensor, spans.get(position))
    return scope
