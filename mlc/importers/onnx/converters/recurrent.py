"""Recurrent layers: the projection of all inputs in one product, then the steps in sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView
from mlc.importers.onnx.symbolic import product
from mlc.ir.dtype import I32
from mlc.ir.graph import Attr, Value
from mlc.ir.types import Dim

_DIRECTIONS = {
    "forward": ("forward",),
    "reverse": ("reverse",),
    "bidirectional": ("forward", "reverse"),
}


@dataclass(frozen=True)
class _Layer:
    """What the three layers share. Shapes: x [T, B, I], weights [D, G*H, I], states [D, B, H]."""

    builder: Builder
    node: NodeView
    x: Value
    directions: tuple[str, ...]
    hidden: int
    batch_first: bool

    @property
    def steps(self) -> Dim:
        """T, the length of the sequences."""
        return self.x.type.shape[0]

    @property
    def state_shape(self) -> tuple[Dim, ...]:
        """[D, B, H]."""
        return (len(self.directions), self.x.type.shape[1], self.hidden)

    def projection(self, gates: int, bias: Value | None) -> Value:
        """X times the input weights plus `bias` [D, G*H], for all steps at once: [T, D, B, G*H]."""
        builder, (steps, batch, depth) = self.builder, self.x.type.shape
        count, width = len(self.directions), gates * self.hidden
        weights = self.node.input(1)
        if weights.type.shape != (count, width, depth):
            raise ModelError(
                f"{self.node.op_type}: weights {weights.type} do not fit [{count},{width},{depth}]"
            )
        rows = builder.reshape(self.x, (product([steps, batch]), depth))
        columns = builder.reshape(weights, (count * width, depth))
        result = builder.emit("matmul", rows, columns, transpose_a=False, transpose_b=True)
        if bias is not None:
            result = builder.emit("add", result, builder.reshape(bias, (count * width,)))
        split = builder.reshape(result, (steps, batch, count, width))
        if count == 1:
            return builder.reshape(split, (steps, count, batch, width))
        return builder.transpose(split, (0, 2, 1, 3))

    def biases(self, gates: int) -> tuple[Value, Value] | None:
        """The biases of the input and of the state, each [D, G*H]."""
        both = self.node.optional(3)
        if both is None:
            return None
        count, width = len(self.directions), gates * self.hidden
        if both.type.shape != (count, 2 * width):
            raise ModelError(
                f"{self.node.op_type}: bias {both.type} does not fit [{count},{2 * width}]"
            )
        of_input = self.builder.slice(both, (0, 0), (count, width), (1, 1))
        of_state = self.builder.slice(both, (0, width), (count, width), (1, 1))
        return of_input, of_state

    def state(self, position: int) -> Value:
        """An initial state; zeros where it is left out."""
        given = self.node.optional(position)
        if given is None:
            return self.builder.full(self.state_shape, 0.0, self.x.type.dtype)
        return self.builder.transpose(given, (1, 0, 2)) if self.batch_first else given

    def lengths(self) -> list[Value]:
        """The length of each sequence, i32[B]; nothing where all are known to have all steps."""
        given = self.node.optional(4)
        if given is None:
            return []
        known = self.builder.array(given)
        if known is not None and isinstance(self.steps, int) and (known >= self.steps).all():
            return []
        return [self.builder.cast(given, I32)]

    def attributes(self, defaults: Sequence[str]) -> dict[str, Attr]:
        """The attributes that all three core operators have; `defaults` are the activations."""
        names = self.node.texts("activations", tuple(defaults) * len(self.directions))
        known = [name.lower() for name in names]
        if len(known) != len(defaults) * len(self.directions):
            raise ModelError(f"{self.node.op_type}: {len(names)} activations are given")
        for name in known:
            if name not in ("sigmoid", "tanh", "relu"):
                raise UnsupportedError(f"{self.node.op_type}: activation {name} is not supported")
        return {
            "directions": self.directions,
            "activations": tuple(known),
            "clip": self.node.number("clip", 0.0),
            "ragged": bool(self.lengths()),
        }

    def outputs(self, sequence: Value, *states: Value) -> list[Value]:
        """Y [T, D, B, H] and the last states, with the batch first where the node says so."""
        if not self.batch_first:
            return [sequence, *states]
        moved = [self.builder.transpose(state, (1, 0, 2)) for state in states]
        return [self.builder.transpose(sequence, (2, 0, 1, 3)), *moved]


def _layer(builder: Builder, node: NodeView) -> _Layer:
    x, direction = node.input(0), node.text("direction", "forward")
    if x.type.rank != 3 or node.input(2).type.rank != 3:
        raise ModelError(f"{node.op_type}: inputs {x.type}, {node.input(2).type} need 3 axes")
    if direction not in _DIRECTIONS:
        raise ModelError(f"{node.op_type}: direction '{direction}' is unknown")
    batch_first = node.flag("layout")
    if batch_first:
        x = builder.transpose(x, (1, 0, 2))
    hidden = node.input(2).type.shape[-1]
    if not isinstance(hidden, int):
        raise builder.unresolved(f"{node.op_type}: the size of {node.input(2).type}")
    if node.integer("hidden_size", hidden) != hidden:
        raise ModelError(
            f"{node.op_type}: hidden_size {node.integer('hidden_size')} contradicts "
            f"the weights {node.input(2).type}"
        )
    return _Layer(builder, node, x, _DIRECTIONS[direction], hidden, batch_first)


def _both(layer: _Layer, gates: int) -> Value | None:
    """The sum of both biases."""
    biases = layer.biases(gates)
    return None if biases is None else layer.builder.emit("add", *biases)


def lstm(builder: Builder, node: NodeView) -> list[Value]:
    """All outputs of the sequence, the last state and the last cell."""
    layer = _layer(builder, node)
    gates = layer.projection(4, _both(layer, 4))
    inputs = [gates, node.input(2), layer.state(5), layer.state(6), *layer.lengths()]
    peepholes = node.optional(7)
    if peepholes is not None:
        inputs.append(peepholes)
    attributes = layer.attributes(("Sigmoid", "Tanh", "Tanh"))
    attributes["input_forget"] = node.flag("input_forget")
    return layer.outputs(*builder.emit_all("lstm_sequence", inputs, attributes))


def _gru(builder: Builder, node: NodeView) -> list[Value]:
    layer = _layer(builder, node)
    biases = layer.biases(3)
    gates = layer.projection(3, None if biases is None else biases[0])
    shape = (len(layer.directions), 3 * layer.hidden)
    state_bias = builder.full(shape, 0.0, layer.x.type.dtype) if biases is None else biases[1]
    inputs = [gates, node.input(2), state_bias, layer.state(5), *layer.lengths()]
    attributes = layer.attributes(("Sigmoid", "Tanh"))
    attributes["linear_before_reset"] = node.flag("linear_before_reset")
    return layer.outputs(*builder.emit_all("gru_sequence", inputs, attributes))


def _rnn(builder: Builder, node: NodeView) -> list[Value]:
    layer = _layer(builder, node)
    gates = layer.projection(1, _both(layer, 1))
    inputs = [gates, node.input(2), layer.state(5), *layer.lengths()]
    return layer.outputs(*builder.emit_all("rnn_sequence", inputs, layer.attributes(("Tanh",))))


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "GRU": _gru,
    "LSTM": lstm,
    "RNN": _rnn,
}
