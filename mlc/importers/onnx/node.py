"""What a converter sees of an ONNX node: its inputs as values, its attributes by type.

`NodeView` is checked against ONNX's own schema of the operator when it is made: numbers of inputs
and outputs, unknown and missing attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, defs

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.tensors import array_from_onnx
from mlc.importers.onnx.weights import WeightFiles
from mlc.ir.graph import Value

Converter = Callable[[Builder, "NodeView"], Sequence[Value]]
"""Emits the core nodes of one ONNX node; gives its outputs, as many as the node uses."""

_TYPES: dict[int, tuple[str, Callable[[AttributeProto], Any]]] = {
    AttributeProto.INT: ("an integer", lambda attribute: int(attribute.i)),
    AttributeProto.FLOAT: ("a number", lambda attribute: float(attribute.f)),
    AttributeProto.STRING: ("a string", lambda attribute: attribute.s.decode("utf-8", "replace")),
    AttributeProto.INTS: ("integers", lambda attribute: tuple(attribute.ints)),
    AttributeProto.FLOATS: ("numbers", lambda attribute: tuple(attribute.floats)),
    AttributeProto.STRINGS: (
        "strings",
        lambda attribute: tuple(s.decode("utf-8", "replace") for s in attribute.strings),
    ),
    AttributeProto.TENSOR: ("a tensor", lambda attribute: attribute.t),
    AttributeProto.GRAPH: ("a graph", lambda attribute: attribute.g),
}


def node_loc(node: onnx.NodeProto) -> str:
    """What errors, dumps and profiles call the node: its name, or its operator and output."""
    if node.name:
        return node.name
    output = next((name for name in node.output if name), "")
    return f"{node.op_type}:{output}"


@dataclass(frozen=True)
class NodeView:
    """One node.

    `inputs` are the values it reads, None for one left out; `opset` is its domain's; `import_body`
    imports a subgraph in the place of the node and gives its outputs; `named` gives what a name of
    the graph stands for, if it is a value.
    """

    proto: onnx.NodeProto
    domain: str
    opset: int
    inputs: tuple[Value | None, ...]
    attributes: dict[str, AttributeProto]
    files: WeightFiles
    import_body: Callable[[onnx.GraphProto], list[Value]]
    named: Callable[[str], Value | None] = lambda name: None

    @property
    def op_type(self) -> str:
        """The ONNX name of the operator."""
        return self.proto.op_type

    def input(self, position: int) -> Value:
        """An input that must be there."""
        value = self.optional(position)
        if value is None:
            raise ModelError(f"{self.op_type}: input {position} is missing")
        return value

    def optional(self, position: int) -> Value | None:
        """An input that may be left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def present(self) -> tuple[Value, ...]:
        """All inputs of a variadic operator."""
        return tuple(self.input(position) for position in range(len(self.inputs)))

    def has_output(self, position: int) -> bool:
        """Whether the model names this output."""
        return position < len(self.proto.output) and bool(self.proto.output[position])

    @property
    def output_count(self) -> int:
        """Number of outputs, those left out in the middle included."""
        return len(self.proto.output)

    def has(self, name: str) -> bool:
        """Whether the node carries the attribute."""
        return name in self.attributes

    def integer(self, name: str, default: int | None = None) -> int:
        """An attribute that is an integer; required where there is no default."""
        value: int = self._attribute(name, AttributeProto.INT, default)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """An attribute that is an integer used as a flag."""
        return bool(self.integer(name, default))

    def number(self, name: str, default: float | None = None) -> float:
        """An attribute that is a number."""
        value: float = self._attribute(name, AttributeProto.FLOAT, default)
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """An attribute that is a string."""
        value: str = self._attribute(name, AttributeProto.STRING, default)
        return value

    def integers(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        return tuple(self._attribute(name, AttributeProto.INTS, default))

    def numbers(self, name: str, default: Sequence[float] | None = None) -> tuple[float, ...]:
        """An attribute that is a list of numbers."""
        return tuple(self._attribute(name, AttributeProto.FLOATS, default))

    def texts(self, name: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """An attribute that is a list of strings."""
        return tuple(self._attribute(name, AttributeProto.STRINGS, default))

    def body(self, name: str) -> onnx.GraphProto:
        """An attribute that is a graph."""
        graph: onnx.GraphProto = self._attribute(name, AttributeProto.GRAPH, None)
        return graph

    def tensor(self, name: str) -> np.ndarray:
        """An attribute that is a tensor."""
        return array_from_onnx(self._attribute(name, AttributeProto.TENSOR, None), self.files)

    def axis(self, name: str, rank: int, default: int | None = None) -> int:
        """An attribute that is an axis of a tensor of `rank` axes, made non-negative."""
        return normal_axis(self.integer(name, default), rank)

    def refuse(self, name: str, accepted: Any) -> None:
        """Raise `UnsupportedError` where the attribute is there and is not `accepted`."""
        if name not in self.attributes:
            return
        kind = self.attributes[name].type
        value = self._attribute(name, kind, None)
        if value != accepted:
            raise UnsupportedError(f"{self.op_type}: {name} = {value} is not supported")

    def _attribute(self, name: str, kind: int, default: Any) -> Any:
        attribute = self.attributes.get(name)
        if attribute is None:
            if default is None:
                raise ModelError(f"{self.op_type}: attribute {name} is missing")
            return default
        wanted, read = _TYPES[kind]
        if attribute.type != kind:
            raise ModelError(f"{self.op_type}: attribute {name} must be {wanted}")
        return read(attribute)


def normal_axis(axis: int, rank: int) -> int:
    """`axis`, counted from the end where it is negative; raises `ModelError` outside the rank."""
    if not -rank <= axis < rank:
        raise ModelError(f"axis {axis} is not an axis of a tensor of rank {rank}")
    return axis % rank


def normal_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Several axes made non-negative, ascending; raises `ModelError` where one repeats."""
    normal = sorted(normal_axis(axis, rank) for axis in axes)
    if len(set(normal)) != len(normal):
        raise ModelError(f"axes {list(axes)} of a tensor of rank {rank} repeat")
    return tuple(normal)


@dataclass(frozen=True)
class _Signature:
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    attributes: frozenset[str]


@lru_cache(maxsize=4096)
def _signature(op_type: str, opset: int, domain: str) -> _Signature | None:
    """What ONNX's schema allows; None for operators of other domains."""
    try:
        schema = defs.get_schema(op_type, opset, domain)
    except defs.SchemaError:
        return None
    return _Signature(
        (schema.min_input, schema.max_input),
        (schema.min_output, schema.max_output),
        frozenset(schema.attributes),
    )


def checked_attributes(node: onnx.NodeProto, domain: str, opset: int) -> dict[str, AttributeProto]:
    """The attributes by name; raises `ModelError` where the node does not fit ONNX's schema."""
    attributes: dict[str, AttributeProto] = {}
    for attribute in node.attribute:
        if attribute.name in attributes:
            raise ModelError(f"{node.op_type}: attribute {attribute.name} is given twice")
        attributes[attribute.name] = attribute
    signature = _signature(node.op_type, opset, domain)
    if signature is None:
        return attributes
    for what, count, (least, most) in (
        ("inputs", len(node.input), signature.inputs),
        ("outputs", len(node.output), signature.outputs),
    ):
        if not least <= count <= most:
            expected = f"{least}" if least == most else f"{least} to {most}"
            raise ModelError(f"{node.op_type}: {count} {what}, expected {expected}")
    unknown = sorted(set(attributes) - signature.attributes)
    if unknown:
        raise ModelError(
            f"{node.op_type}: attribute {unknown[0]} is unknown in operator set {opset}"
        )
    return attributes
