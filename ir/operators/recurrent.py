"""What the recurrent layers share: the sequence, its directions and lengths, the state.

The first input `gates [T,D,B,G*H]` of a layer holds the input projection with its biases, for T
steps, D directions, B sequences, and G gates of H units. With the attribute `ragged` there is an
input `lengths [B]`, clamped to 0 … T: a sequence shorter than T keeps its state and has zeros in
`Y [T,D,B,H]` beyond its length. Without it, all sequences have T steps. The direction "reverse"
starts at the last step. States `[D,B,H]` live in the outputs they end up in.

The loops of a layer: directions that compute the same are one loop `d`, or none where it is one
direction; inside, a nest that sets the states and the serial loop `t` over steps. A step allocates
its temporaries, copies the state to `previous`, and goes on with nests of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, TypeVar

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, accumulate, compare, nest, number, reduction_nest
from mlc.ir.expr import Binary, Const, Expr, Load, Select, Var, as_expr, maximum, minimum
from mlc.ir.operator import Attrs
from mlc.ir.operators.definition import flag, real, require_class, same_dtype, static, words
from mlc.ir.operators.elementwise_unary import ACTIVATIONS
from mlc.ir.operators.gather import as_index
from mlc.ir.stmt import Alloc, Buffer, For, If, Stmt, Store, seq
from mlc.ir.types import TensorType

COMMON_ATTRIBUTES: Mapping[str, Any] = {
    "directions": ("forward",),
    "activations": (),
    "clip": 0.0,
    "ragged": True,
}

_T = TypeVar("_T")


def named(names: Sequence[str], values: Sequence[_T], attrs: Attrs) -> dict[str, _T]:
    """The inputs of a layer by name; `lengths` is there where it is ragged."""
    present = names if flag(attrs, "ragged") else [name for name in names if name != "lengths"]
    return dict(zip(present, values))  # noqa: B905  an optional input may be missing


def check_layer(
    inputs: Mapping[str, TensorType], attrs: Attrs, gates: int, defaults: Sequence[str]
) -> tuple[TensorType, TensorType]:
    """Check a layer of `gates` gates per unit; the types of `Y` and of a state.

    `inputs` names the inputs; those called gates, recurrence, lengths are known here, all others
    have the shape of a state. `defaults` are the activations of one direction.
    """
    if "lengths" in inputs:
        require_class(inputs["lengths"].dtype, "integer")
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
    lengths: np.ndarray | None,
    states: Sequence[np.ndarray],
    directions: Sequence[str],
    advance: Advance,
) -> tuple[np.ndarray, ...]:
    """`Y` and the last states of a layer, computed in float64; without `lengths`, all steps."""
    steps, count, batch = gates.shape[:3]
    given = np.full(batch, steps) if lengths is None else lengths.astype(np.int64)
    limits = np.clip(given, 0, steps)
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
    """A step of one or more directions of a layer, as its loops see it; `b` numbers sequences.

    `backwards` says of each direction whether it is reversed; `direction` is one of these in
    `first` … `first + count - 1`.
    """

    gates: Buffer
    recurrence: Buffer
    lengths: Buffer | None
    y: Buffer
    state: Buffer
    backwards: tuple[bool, ...]
    first: int
    count: int
    prefix: str

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self.y.shape[2]

    @property
    def units(self) -> int:
        """Number of units of the layer."""
        return self.y.shape[3]

    @property
    def direction(self) -> Expr:
        """The direction: a number, or the variable `{prefix}d` from `first` on."""
        return as_expr(self.first) if self.count == 1 else Var(f"{self.prefix}d") + self.first

    @property
    def time(self) -> Expr:
        """How many steps were done before."""
        return Var(f"{self.prefix}t")

    @property
    def previous(self) -> Buffer:
        """The state before the step `[B,H]`."""
        return self.temporary("previous", self.batch, self.units)

    def temporary(self, name: str, *shape: int) -> Buffer:
        """A temporary of the step."""
        return Buffer.dense(f"{self.prefix}{name}", shape, self.y.dtype, "arena")

    def _length(self, b: Expr) -> Expr:
        if self.lengths is None:
            return Const(self.gates.shape[0])
        length = maximum(as_index(Load(self.lengths, (b,))), as_expr(0))
        return minimum(length, Const(self.gates.shape[0]))

    def active(self, b: Expr) -> Expr:
        """Whether sequence `b` has not ended."""
        return compare("lt", self.time, self._length(b))

    def place(self, b: Expr) -> Expr:
        """The step of the sequence that is read and written now."""
        from_end = self._length(b) - 1 - self.time
        if self.lengths is not None:
            from_end = Select(self.active(b), from_end, self.time)
        mine = range(self.first, self.first + self.count)
        reverse = [compare("eq", self.direction, d) for d in mine if self.backwards[d]]
        if len(reverse) in (0, self.count):
            return from_end if reverse else self.time
        return Select(reduce(partial(Binary, "or"), reverse), from_end, self.time)

    def gate(self, b: Expr, column: Expr) -> Load:
        """An element of the input projection."""
        return Load(self.gates, (self.place(b), self.direction, b, column))

    def of(self, state: Buffer, i: Index) -> Load:
        """An element of a state of this direction."""
        return Load(state, (self.direction, *i))

    def set(self, state: Buffer, i: Index, value: Expr) -> Store:
        """Store an element of a state of this direction."""
        return Store(state, (self.direction, *i), value)

    def remember(self) -> Stmt:
        """The nest `{prefix}previous_i…`."""
        name = f"{self.prefix}previous_i"
        shape = (self.batch, self.units)
        return nest(name, shape, lambda i: Store(self.previous, i, self.of(self.state, i)))

    def products(
        self,
        out: Buffer,
        initial: Callable[[Expr, Expr], Expr],
        state: Buffer,
        first_gate: int = 0,
    ) -> Stmt:
        """Nests for the gates `out [B,g,H]` from `first_gate` on.

        `out[b,g,k] = initial(b, row) + Σ_r state[b,r] * recurrence[d, row, r]`, where `row` is that
        of unit `k` of the gate. Loops are `{out}_z…`, `{out}_i…` and `{out}_r0`.
        """

        def row(i: Index) -> Expr:
            return (i[1] + first_gate) * self.units + i[2]

        def update(i: Index, r: Index) -> Stmt:
            weight = Load(self.recurrence, (self.direction, row(i), *r))
            return accumulate("add", out, i, Binary("mul", Load(state, (i[0], *r)), weight))

        start = nest(f"{out.name}_z", out.shape, lambda i: Store(out, i, initial(i[0], row(i))))
        return seq((start, reduction_nest(f"{out.name}_", out.shape, (self.units,), update)))

    def advance(self, new_state: Callable[[Index], Sequence[Stmt]]) -> Stmt:
        """The nest `{prefix}i…` over sequences and units that stores the new state and `Y`."""

        def body(i: Index) -> Stmt:
            b, unit = i
            here = (self.place(b), self.direction, b, unit)
            steps = seq((*new_state(i), Store(self.y, here, self.of(self.state, i))))
            if self.lengths is None:
                return steps
            ended = (self.time, self.direction, b, unit)
            return If(self.active(b), steps, Store(self.y, ended, number(0, self.y.dtype)))

        return nest(f"{self.prefix}i", (self.batch, self.units), body)


Cell = Callable[[Step], tuple[Sequence[Buffer], Stmt]]
"""The temporaries of a step and its nests."""


def layer_loops(
    inputs: Mapping[str, Buffer],
    y: Buffer,
    states: Sequence[tuple[Buffer, Buffer]],
    attrs: Attrs,
    prefix: str,
    cell: Cell,
) -> Stmt:
    """All directions of a layer; `states` are pairs of a state and what it starts from."""
    directions = words(attrs, "directions")
    functions = words(attrs, "activations")
    each = len(functions) // len(directions)
    same = functions == functions[:each] * len(directions)
    parts = []
    for first in range(1 if same else len(directions)):
        step = Step(
            gates=inputs["gates"],
            recurrence=inputs["recurrence"],
            lengths=inputs.get("lengths"),
            y=y,
            state=states[0][0],
            backwards=tuple([direction == "reverse" for direction in directions]),
            first=first,
            count=len(directions) if same else 1,
            prefix=f"{prefix}d{first}_",
        )
        parts.append(_directions(step, states, cell))
    return seq(parts)


def _directions(step: Step, states: Sequence[tuple[Buffer, Buffer]], cell: Cell) -> Stmt:
    def start(i: Index) -> Stmt:
        return seq(step.set(state, i, step.of(initial, i)) for state, initial in states)

    temporaries, nests = cell(step)
    body = seq((step.remember(), nests))
    for buffer in reversed((step.previous, *temporaries)):
        body = Alloc(buffer, body)
    time_loop = For(f"{step.prefix}t", as_expr(step.gates.shape[0]), "serial", body)
    whole = seq((nest(f"{step.prefix}z", (step.batch, step.units), start), time_loop))
    if step.count == 1:
        return whole
    return For(f"{step.prefix}d", as_expr(step.count), "serial", whole)


def activated(name: str, x: Expr, attrs: Attrs) -> Expr:
    """The activation of an expression, after clipping."""
    limit = real(attrs, "clip")
    if limit:
        x = Binary("max", x, number(-limit, x.dtype))
        x = Binary("min", x, number(limit, x.dtype))
    return ACTIVATIONS[name].scalar(x)
