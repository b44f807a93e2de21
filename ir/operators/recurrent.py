"""What the recurrent layers share: the sequence, its directions and lengths, the state.

The first input `gates [T,D,B,G*H]` of a layer holds the input projection with its biases, for T
steps, D directions, B sequences, and G gates of H units. `lengths [B]` are clamped to 0 … T. A
sequence shorter than T keeps its state and has zeros in `Y [T,D,B,H]` beyond its length; the
direction "reverse" starts at its last step. States `[D,B,H]` live in the outputs they end up in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, accumulate, compare, nest, number, reduction_nest
from mlc.ir.expr import Binary, Const, Expr, Load, Select, Var, as_expr, maximum, minimum
from mlc.ir.operator import Attrs
from mlc.ir.operators.definition import real, require_class, same_dtype, static, words
from mlc.ir.operators.elementwise_unary import ACTIVATIONS
from mlc.ir.operators.gather import as_index
from mlc.ir.stmt import Alloc, Buffer, For, If, Stmt, Store, seq
from mlc.ir.types import TensorType

COMMON_ATTRIBUTES: Mapping[str, Any] = {"directions": ("forward",), "activations": (), "clip": 0.0}


def check_layer(
    inputs: Mapping[str, TensorType], attrs: Attrs, gates: int, defaults: Sequence[str]
) -> tuple[TensorType, TensorType]:
    """Check a layer of `gates` gates per unit; the types of `Y` and of a state.

    `inputs` names the inputs; those called gates, recurrence, lengths are known here, all others
    have the shape of a state. `defaults` are the activations of one direction.
    """
    lengths = inputs["lengths"]
    require_class(lengths.dtype, "integer")
    floats = [tensor for name, tensor in inputs.items() if name != "lengths"]
    require_class(same_dtype(floats), "float")
    (shape,) = static(inputs["gates"])
    if len(shape) != 4 or shape[3] % gates:
        raise ShapeError(f"gates {inputs['gates']} are not [T,D,B,{gates}*H]")
    steps, count, batch, width = shape
    units = width // gates
    wanted = {"recurrence": (count, width, units), "lengths": (batch,)}
    for name, tensor in inputs.items():
        expected = wanted.get(name, shape if name == "gates" else (count, batch, units))
        if tensor.shape != expected:
            shown = ",".join(map(str, expected))
            raise ShapeError(f"{name} {tensor} should have the shape [{shown}]")
    directions = words(attrs, "directions")
    if len(directions) != count or not set(directions) <= {"forward", "reverse"}:
        raise ShapeError(f"directions {directions} do not fit {count} directions")
    chosen = words(attrs, "activations")
    if chosen and len(chosen) != count * len(defaults):
        raise ShapeError(f"{len(chosen)} activations, expected {count * len(defaults)}")
    for name in chosen:
        if name not in ACTIVATIONS:
            raise ShapeError(f"activation {name} is not one of {', '.join(ACTIVATIONS)}")
    dtype = inputs["gates"].dtype
    return TensorType((steps, count, batch, units), dtype), TensorType((count, batch, units), dtype)


def activations(attrs: Attrs, direction: int, defaults: Sequence[str]) -> list[str]:
    """Names of the activations of one direction."""
    chosen = words(attrs, "activations") or tuple(defaults) * len(words(attrs, "directions"))
    return list(chosen[direction * len(defaults) : (direction + 1) * len(defaults)])


# Reference

State = tuple[np.ndarray, ...]
Advance = Callable[[int, np.ndarray, State], State]
"""(direction, gates of this step [B,G*H], state) → new state, whose first part is the output."""


def activate(name: str, attrs: Attrs) -> Callable[[np.ndarray], np.ndarray]:
    """The activation of arrays, after clipping."""
    function, limit = ACTIVATIONS[name].function, real(attrs, "clip")
    if limit:
        return lambda x: function(np.clip(x, -limit, limit))
    return function


def run_sequence(
    gates: np.ndarray,
    lengths: np.ndarray,
    states: Sequence[np.ndarray],
    directions: Sequence[str],
    advance: Advance,
) -> tuple[np.ndarray, ...]:
    """`Y` and the last states of a layer, computed in float64."""
    steps, count, batch = gates.shape[:3]
    limits = np.clip(lengths.astype(np.int64), 0, steps)
    y = np.zeros((steps, *states[0].shape))
    last = [state.astype(np.float64) for state in states]
    wide, rows = gates.astype(np.float64), np.arange(batch)
    for d in range(count):
        for t in range(steps):
            active = t < limits
            place = (
                np.where(active, limits - 1 - t, t) if directions[d] == "reverse" else t + 0 * rows
            )
            new = advance(d, wide[place, d, rows], tuple(state[d] for state in last))
            for state, value in zip(last, new, strict=True):
                state[d] = np.where(active[:, None], value, state[d])
            y[place[active], d, rows[active]] = last[0][d][active]
    return tuple(part.astype(gates.dtype) for part in (y, *last))


# Loops


@dataclass(frozen=True)
class Step:
    """A step of one direction of a layer, as its loops see it; sequences are numbered by `b`."""

    gates: Buffer
    recurrence: Buffer
    lengths: Buffer
    y: Buffer
    state: Buffer
    direction: int
    reverse: bool
    time: Expr
    prefix: str

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self.y.shape[2]

    @property
    def units(self) -> int:
        """Number of units of the layer."""
        return self.y.shape[3]

    def _length(self, b: Expr) -> Expr:
        length = maximum(as_index(Load(self.lengths, (b,))), as_expr(0))
        return minimum(length, Const(self.gates.shape[0]))

    def active(self, b: Expr) -> Expr:
        """Whether sequence `b` has not ended."""
        return compare("lt", self.time, self._length(b))

    def place(self, b: Expr) -> Expr:
        """The step of the sequence that is read and written now."""
        if not self.reverse:
            return self.time
        return Select(self.active(b), self._length(b) - 1 - self.time, self.time)

    def gate(self, b: Expr, column: Expr) -> Load:
        """An element of the input projection."""
        return Load(self.gates, (self.place(b), as_expr(self.direction), b, column))

    def of(self, state: Buffer, i: Index) -> Load:
        """An element of a state of this direction."""
        return Load(state, (as_expr(self.direction), *i))

    def set(self, state: Buffer, i: Index, value: Expr) -> Store:
        """Store an element of a state of this direction."""
        return Store(state, (as_expr(self.direction), *i), value)

    def products(
        self,
        name: str,
        out: Buffer,
        initial: Callable[[Index], Expr],
        state: Callable[[Index], Expr],
        row: int = 0,
    ) -> Stmt:
        """Nests for `out[b,k] = initial(b,k) + Σ_r state(b,r) * recurrence[d, row + k, r]`."""
        prefix = f"{self.prefix}{name}_"

        def update(i: Index, r: Index) -> Stmt:
            weight = Load(self.recurrence, (as_expr(self.direction), i[1] + row, *r))
            return accumulate("add", out, i, Binary("mul", state((i[0], *r)), weight))

        start = nest(f"{prefix}z", out.shape, lambda i: Store(out, i, initial(i)))
        return seq((start, reduction_nest(prefix, out.shape, (self.units,), update)))

    def advance(self, new_state: Callable[[Index], Sequence[Stmt]]) -> Stmt:
        """The nest `{prefix}i…` over sequences and units that stores the new state and `Y`."""

        def body(i: Index) -> Stmt:
            b, unit = i
            here = (self.place(b), as_expr(self.direction), b, unit)
            output = Store(self.y, here, self.of(self.state, i))
            ended = (self.time, as_expr(self.direction), b, unit)
            nothing = Store(self.y, ended, number(0, self.y.dtype))
            return If(self.active(b), seq((*new_state(i), output)), nothing)

        return nest(f"{self.prefix}i", (self.batch, self.units), body)


Cell = Callable[[Step], tuple[Sequence[Buffer], Stmt]]
"""The temporaries of a layer and the statement of one step."""


def layer_loops(
    inputs: Mapping[str, Buffer],
    y: Buffer,
    states: Sequence[tuple[Buffer, Buffer]],
    attrs: Attrs,
    prefix: str,
    cell: Cell,
) -> Stmt:
    """All directions of a layer; `states` are pairs of a state and what it starts from."""
    parts = []
    for d, direction in enumerate(words(attrs, "directions")):
        name = f"{prefix}d{d}_"
        step = Step(
            gates=inputs["gates"],
            recurrence=inputs["recurrence"],
            lengths=inputs["lengths"],
            y=y,
            state=states[0][0],
            direction=d,
            reverse=direction == "reverse",
            time=Var(f"{name}t"),
            prefix=name,
        )
        parts.append(_direction(step, states, cell))
    return seq(parts)


def _direction(step: Step, states: Sequence[tuple[Buffer, Buffer]], cell: Cell) -> Stmt:
    def start(i: Index) -> Stmt:
        return seq(step.set(state, i, step.of(initial, i)) for state, initial in states)

    temporaries, body = cell(step)
    time_loop = For(f"{step.prefix}t", as_expr(step.gates.shape[0]), "serial", body)
    whole = seq((nest(f"{step.prefix}z", (step.batch, step.units), start), time_loop))
    for buffer in temporaries:
        whole = Alloc(buffer, whole)
    return whole


def activated(name: str, x: Expr, attrs: Attrs) -> Expr:
    """The activation of an expression, after clipping."""
    limit = real(attrs, "clip")
    if limit:
        x = Binary("max", x, number(-limit, x.dtype))
        x = Binary("min", x, number(limit, x.dtype))
    return ACTIVATIONS[name].scalar(x)
