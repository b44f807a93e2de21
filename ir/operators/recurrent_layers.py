"""The recurrent layers: lstm_sequence, gru_sequence, rnn_sequence, with ONNX's equations.

See `mlc.ir.operators.recurrent` for shapes, directions and lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, nest, number
from mlc.ir.expr import Binary, Expr, Load, as_expr
from mlc.ir.operator import Attrs, Kind
from mlc.ir.operators.definition import define, flag, same_dtype, words
from mlc.ir.operators.recurrent import (
    COMMON_ATTRIBUTES,
    State,
    Step,
    activate,
    activated,
    activations,
    check_layer,
    layer_loops,
    named,
    run_sequence,
)
from mlc.ir.stmt import Buffer, Stmt, Store, seq
from mlc.ir.types import TensorType


def _add(a: Expr, b: Expr) -> Expr:
    return Binary("add", a, b)


def _mul(a: Expr, b: Expr) -> Expr:
    return Binary("mul", a, b)


def _complement(a: Expr) -> Expr:
    return Binary("sub", number(1, a.dtype), a)


# lstm_sequence: gates in the order input, output, forget, cell

_LSTM_INPUTS = ("gates", "recurrence", "h0", "c0", "lengths", "peepholes")
_LSTM_ACTIVATIONS = ("sigmoid", "tanh", "tanh")


def _lstm_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    found = named(_LSTM_INPUTS, inputs, attrs)
    peepholes = found.pop("peepholes", None)
    y, state = check_layer(found, attrs, 4, _LSTM_ACTIVATIONS)
    if peepholes is not None:
        same_dtype((inputs[0], peepholes))
        expected = (state.static_shape[0], 3 * state.static_shape[2])
        if peepholes.shape != expected:
            raise ShapeError(f"peepholes {peepholes} should have the shape {list(expected)}")
    return y, state, state


def _lstm_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    x = named(_LSTM_INPUTS, inputs, attrs)
    recurrence = x["recurrence"].astype(np.float64)
    units, count = recurrence.shape[2], recurrence.shape[0]
    peepholes = x.get("peepholes", np.zeros((count, 3 * units))).astype(np.float64)

    def advance(d: int, gates: np.ndarray, state: State) -> State:
        h, c = state
        names = activations(attrs, d, _LSTM_ACTIVATIONS)
        f, g = (activate(name, attrs) for name in names[:2])
        output = activate(names[2], {"clip": 0.0})
        i_gate, o_gate, f_gate, c_gate = np.split(gates + h @ recurrence[d].T, 4, axis=1)
        i_peep, o_peep, f_peep = np.split(peepholes[d], 3)
        i = f(i_gate + i_peep * c)
        keep = 1 - i if flag(attrs, "input_forget") else f(f_gate + f_peep * c)
        c = keep * c + i * g(c_gate)
        return f(o_gate + o_peep * c) * output(c), c

    states = (x["h0"], x["c0"])
    return run_sequence(x["gates"], x.get("lengths"), states, words(attrs, "directions"), advance)


def _lstm_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """Per step: nests `gates_…` (all four gates), then nest `i…` (states and output)."""
    x = named(_LSTM_INPUTS, inputs, attrs)
    y, h, c = outputs
    peepholes = x.get("peepholes")

    def cell(step: Step) -> tuple[Sequence[Buffer], Stmt]:
        units, d = step.units, step.direction
        gates = step.temporary("gates", step.batch, 4, units)
        f, g, last = activations(attrs, step.first, _LSTM_ACTIVATIONS)

        def gate(i: Index, number_of_gate: int, peephole: int | None = None) -> Expr:
            value: Expr = Load(gates, (i[0], as_expr(number_of_gate), i[1]))
            if peepholes is not None and peephole is not None:
                weight = Load(peepholes, (d, i[1] + peephole * units))
                value = _add(value, _mul(weight, step.of(c, i)))
            return value

        def new_state(i: Index) -> Sequence[Stmt]:
            admit = activated(f, gate(i, 0, 0), attrs)
            if flag(attrs, "input_forget"):
                keep = _complement(admit)
            else:
                keep = activated(f, gate(i, 2, 2), attrs)
            added = _mul(admit, activated(g, gate(i, 3), attrs))
            memory = step.set(c, i, _add(_mul(keep, step.of(c, i)), added))
            shown = activated(last, step.of(c, i), {"clip": 0.0})
            return memory, step.set(h, i, _mul(activated(f, gate(i, 1, 1), attrs), shown))

        products = step.products(gates, step.gate, step.previous)
        return (gates,), seq((products, step.advance(new_state)))

    return layer_loops(x, y, ((h, x["h0"]), (c, x["c0"])), attrs, prefix, cell)


LSTM_SEQUENCE = define(
    "lstm_sequence",
    Kind.OPAQUE,
    (4, 6),
    _lstm_infer,
    _lstm_reference,
    _lstm_loops,
    **COMMON_ATTRIBUTES,
    input_forget=False,
)


# gru_sequence: gates in the order update, reset, hidden

_GRU_INPUTS = ("gates", "recurrence", "recurrent_bias", "h0", "lengths")
_GRU_ACTIVATIONS = ("sigmoid", "tanh")


def _gru_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    found = named(_GRU_INPUTS, inputs, attrs)
    bias = found.pop("recurrent_bias")
    y, state = check_layer(found, attrs, 3, _GRU_ACTIVATIONS)
    same_dtype((inputs[0], bias))
    expected = (state.static_shape[0], 3 * state.static_shape[2])
    if bias.shape != expected:
        raise ShapeError(f"recurrent_bias {bias} should have the shape {list(expected)}")
    return y, state


def _gru_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    x = named(_GRU_INPUTS, inputs, attrs)
    recurrence, bias = (x[n].astype(np.float64) for n in ("recurrence", "recurrent_bias"))

    def advance(d: int, gates: np.ndarray, state: State) -> State:
        (h,) = state
        f, g = (activate(name, attrs) for name in activations(attrs, d, _GRU_ACTIVATIONS))
        z_weight, r_weight, h_weight = np.split(recurrence[d], 3)
        z_bias, r_bias, h_bias = np.split(bias[d], 3)
        z_gate, r_gate, h_gate = np.split(gates, 3, axis=1)
        update = f(z_gate + h @ z_weight.T + z_bias)
        reset = f(r_gate + h @ r_weight.T + r_bias)
        if flag(attrs, "linear_before_reset"):
            candidate = g(h_gate + reset * (h @ h_weight.T + h_bias))
        else:
            candidate = g(h_gate + (reset * h) @ h_weight.T + h_bias)
        return ((1 - update) * candidate + update * h,)

    directions = words(attrs, "directions")
    return run_sequence(x["gates"], x.get("lengths"), (x["h0"],), directions, advance)


@dataclass(frozen=True)
class _GruStep:
    """One step of a gru; `gates` holds the recurrent products with their bias.

    Linear before reset, they are products of all gates with the state. Otherwise those of the reset
    gate come first, and `update` and `hidden` take the place of `gates` when the reset state is
    there.
    """

    step: Step
    attrs: Attrs
    recurrent_bias: Buffer
    h: Buffer

    def products(self, name: str, first: int, count: int, state: Buffer) -> tuple[Buffer, Stmt]:
        """A temporary for the products of some gates with a state, and its nests."""
        out = self.step.temporary(name, self.step.batch, count, self.step.units)
        return out, self.step.products(out, lambda b, row: self.bias(row), state, first)

    def activated(self, which: int, value: Expr) -> Expr:
        names = activations(self.attrs, self.step.first, _GRU_ACTIVATIONS)
        return activated(names[which], value, self.attrs)

    def bias(self, column: Expr) -> Expr:
        return Load(self.recurrent_bias, (self.step.direction, column))

    def previous(self, i: Index) -> Expr:
        return self.step.of(self.h, i)

    def projection(self, i: Index, gate: int) -> Expr:
        return self.step.gate(i[0], i[1] + gate * self.step.units)

    def gate(self, i: Index, gate: int, products: Expr) -> Expr:
        return self.activated(0, _add(self.projection(i, gate), products))

    def advance(self, update: Buffer, candidate: Callable[[Index], Expr]) -> Stmt:
        """The new state; `update` holds the products of the update gate at 0."""

        def new_state(i: Index) -> Sequence[Stmt]:
            part = self.gate(i, 0, _element(update, 0, i))
            value = self.activated(1, _add(self.projection(i, 2), candidate(i)))
            value = _mul(_complement(part), value)
            return (self.step.set(self.h, i, _add(value, _mul(part, self.previous(i)))),)

        return self.step.advance(new_state)

    def linear(self) -> tuple[Sequence[Buffer], Stmt]:
        gates, products = self.products("gates", 0, 3, self.step.previous)

        def candidate(i: Index) -> Expr:
            return _mul(self.gate(i, 1, _element(gates, 1, i)), _element(gates, 2, i))

        return (gates,), seq((products, self.advance(gates, candidate)))

    def reset_first(self) -> tuple[Sequence[Buffer], Stmt]:
        step = self.step
        reset = step.temporary("reset", step.batch, step.units)
        gate, first = self.products("gates", 1, 1, step.previous)
        update, second = self.products("update", 0, 1, step.previous)
        hidden, third = self.products("hidden", 2, 1, reset)

        def store(i: Index) -> Stmt:
            return Store(reset, i, _mul(self.gate(i, 1, _element(gate, 0, i)), self.previous(i)))

        nests = (
            first,
            nest(f"{step.prefix}reset_i", reset.shape, store),
            second,
            third,
            self.advance(update, lambda i: _element(hidden, 0, i)),
        )
        return (gate, reset, update, hidden), seq(nests)

    def parts(self) -> tuple[Sequence[Buffer], Stmt]:
        """Temporaries and the nests of the step."""
        linear = flag(self.attrs, "linear_before_reset")
        return self.linear() if linear else self.reset_first()


def _element(products: Buffer, gate: int, i: Index) -> Expr:
    return Load(products, (i[0], as_expr(gate), i[1]))


def _gru_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """Per step: nests `gates_…`, then nest `i…`.

    Unless linear before reset, nest `reset_i…` and nests `update_…` and `hidden_…` come between.
    """
    x = named(_GRU_INPUTS, inputs, attrs)
    y, h = outputs
    bias = x["recurrent_bias"]
    return layer_loops(
        x,
        y,
        ((h, x["h0"]),),
        attrs,
        prefix,
        lambda step: _GruStep(step, attrs, bias, h).parts(),
    )


GRU_SEQUENCE = define(
    "gru_sequence",
    Kind.OPAQUE,
    (4, 5),
    _gru_infer,
    _gru_reference,
    _gru_loops,
    **COMMON_ATTRIBUTES,
    linear_before_reset=False,
)


# rnn_sequence

_RNN_INPUTS = ("gates", "recurrence", "h0", "lengths")
_RNN_ACTIVATIONS = ("tanh",)


def _rnn_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    return check_layer(named(_RNN_INPUTS, inputs, attrs), attrs, 1, _RNN_ACTIVATIONS)


def _rnn_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    x: Mapping[str, np.ndarray] = named(_RNN_INPUTS, inputs, attrs)
    recurrence = x["recurrence"].astype(np.float64)

    def advance(d: int, gates: np.ndarray, state: State) -> State:
        (f,) = (activate(name, attrs) for name in activations(attrs, d, _RNN_ACTIVATIONS))
        return (f(gates + state[0] @ recurrence[d].T),)

    directions = words(attrs, "directions")
    return run_sequence(x["gates"], x.get("lengths"), (x["h0"],), directions, advance)


def _rnn_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """Per step: nests `gates_…` (the pre-activation), then nest `i…`."""
    x = named(_RNN_INPUTS, inputs, attrs)
    y, h = outputs

    def cell(step: Step) -> tuple[Sequence[Buffer], Stmt]:
        gates = step.temporary("gates", step.batch, 1, step.units)
        (f,) = activations(attrs, step.first, _RNN_ACTIVATIONS)

        def new_state(i: Index) -> Sequence[Stmt]:
            value = Load(gates, (i[0], as_expr(0), i[1]))
            return (step.set(h, i, activated(f, value, attrs)),)

        products = step.products(gates, step.gate, step.previous)
        return (gates,), seq((products, step.advance(new_state)))

    return layer_loops(x, y, ((h, x["h0"]),), attrs, prefix, cell)


RNN_SEQUENCE = define(
    "rnn_sequence",
    Kind.OPAQUE,
    (3, 4),
    _rnn_infer,
    _rnn_reference,
    _rnn_loops,
    **COMMON_ATTRIBUTES,
)

OPERATORS = (LSTM_SEQUENCE, GRU_SEQUENCE, RNN_SEQUENCE)
