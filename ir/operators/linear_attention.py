"""linear_attention: attention without a softmax, as a recurrence over a state per head.

Inputs are `query [B,T,H*G,K]`, `key [B,T,H,K]`, `value [B,T,H,V]`, `state [B,H,K,V]`, and, with
axes of size 1 where they do not vary, `decay [B,T,H,K]` and `beta [B,T,H,1]`. Step by step

    S = decay * S;   u = beta * (value - key @ S);   S = S + outer(key, u);   y = query @ S

where `key @ S` counts only with the attribute `delta`, and G heads of the query read one state.
Outputs are `y [B,T,H*G,V]` and the last state. Sources: Katharopoulos et al., "Transformers are
RNNs", 2020; Yang et al., "Gated Delta Networks", 2024.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, accumulate, nest, number, reduction_nest
from mlc.ir.expr import Binary, Expr, Load, Var, as_expr
from mlc.ir.operator import Attrs, Kind
from mlc.ir.operators.definition import define, flag, require_class, same_dtype, static
from mlc.ir.stmt import Alloc, Buffer, For, Stmt, Store, loops, seq
from mlc.ir.types import TensorType

_NAMES = ("query", "key", "value", "state", "decay", "beta")


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    dtype = same_dtype(inputs)
    require_class(dtype, "float")
    shapes = dict(zip(_NAMES, static(*inputs), strict=True))
    if any(len(shape) != 4 for shape in shapes.values()):
        raise ShapeError("all inputs must have 4 axes")
    batch, steps, heads, size = shapes["key"]
    count, width = shapes["query"][2], shapes["value"][3]
    if heads == 0 or count % heads:
        raise ShapeError(f"{count} query heads cannot share {heads} states")
    wanted = {
        "query": (batch, steps, count, size),
        "value": (batch, steps, heads, width),
        "state": (batch, heads, size, width),
        "decay": (batch, steps, heads, size),
        "beta": (batch, steps, heads, 1),
    }
    for name, shape in wanted.items():
        loose = name in ("decay", "beta")
        pairs = zip(shapes[name], shape, strict=True)
        if any(found != dim and not (loose and found == 1) for found, dim in pairs):
            tensor = inputs[_NAMES.index(name)]
            raise ShapeError(f"{name} {tensor} should have the shape {list(shape)}")
    output = TensorType((batch, steps, count, width), dtype)
    return output, TensorType(shapes["state"], dtype)


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    query, key, value, state, decay, beta = (array.astype(np.float64) for array in inputs)
    batch, steps, heads, size = key.shape
    decay = np.broadcast_to(decay, (batch, steps, heads, size))
    beta = np.broadcast_to(beta, (batch, steps, heads, 1))
    y = np.zeros((*query.shape[:3], value.shape[3]))
    groups = query.shape[2] // heads
    for t in range(steps):
        state = state * decay[:, t, :, :, None]
        update = value[:, t]
        if flag(attrs, "delta"):
            update = update - np.einsum("bhkv,bhk->bhv", state, key[:, t])
        state = state + key[:, t, :, :, None] * (beta[:, t] * update)[:, :, None, :]
        seen = np.repeat(state, groups, axis=1)
        y[:, t] = np.einsum("bhk,bhkv->bhv", query[:, t], seen)
    return tuple(array.astype(inputs[0].dtype) for array in (y, state))


class _Step:
    """One step of one state: each method is the loops of a line of the recurrence, in place."""

    def __init__(
        self, prefix: str, inputs: Sequence[Buffer], outputs: Sequence[Buffer], place: Index
    ) -> None:
        """`place` is the batch, the step and the head."""
        self._prefix, self._place = prefix, place
        self._query, self._key, self._value, _, self._decay, self._beta = inputs
        self._y, self._state = outputs
        self._head = (place[0], place[2])
        self._shape = (self._key.shape[3], self._value.shape[3])
        self._groups = self._query.shape[2] // self._key.shape[2]
        self.update = Buffer.dense(f"{prefix}update", self._shape[1:], self._y.dtype, "arena")

    def forget(self) -> Stmt:
        """The state forgets: S = decay * S."""

        def scale(i: Index) -> Stmt:
            here = (*self._head, *i)
            decay = self._at(self._decay, i[0])
            return Store(self._state, here, Binary("mul", Load(self._state, here), decay))

        return nest(f"{self._prefix}forget_i", self._shape, scale)

    def start(self) -> Stmt:
        """The update begins: u = value."""

        def copy(i: Index) -> Stmt:
            return Store(self.update, i, self._at(self._value, i[0]))

        return nest(f"{self._prefix}update_i", self.update.shape, copy)

    def retrieve(self) -> Stmt:
        """What the state holds under the key is no news: u = u - key @ S."""

        def subtract(i: Index, r: Index) -> Stmt:
            state = Load(self._state, (*self._head, *r, *i))
            return accumulate(
                "sub", self.update, i, Binary("mul", state, self._at(self._key, r[0]))
            )

        sizes = self.update.shape, self._shape[:1]
        return reduction_nest(f"{self._prefix}retrieve_", *sizes, subtract)

    def weigh(self) -> Stmt:
        """The update counts as much as it should: u = beta * u."""

        def scale(i: Index) -> Stmt:
            return accumulate("mul", self.update, i, self._at(self._beta, as_expr(0)))

        return nest(f"{self._prefix}weigh_i", self.update.shape, scale)

    def learn(self) -> Stmt:
        """The state learns: S = S + outer(key, u)."""

        def add(i: Index) -> Stmt:
            product = Binary("mul", self._at(self._key, i[0]), Load(self.update, i[1:]))
            return accumulate("add", self._state, (*self._head, *i), product)

        return nest(f"{self._prefix}learn_i", self._shape, add)

    def read(self) -> Stmt:
        """Each head of the query that reads this state gets y = query @ S."""
        batch, step, head = self._place

        def row(group: Expr) -> Index:
            return (batch, step, head * self._groups + group)

        def clear(i: Index) -> Stmt:
            return Store(self._y, (*row(i[0]), i[1]), number(0, self._y.dtype))

        def add(i: Index, r: Index) -> Stmt:
            query = Load(self._query, (*row(i[0]), *r))
            product = Binary("mul", query, Load(self._state, (*self._head, *r, i[1])))
            return accumulate("add", self._y, (*row(i[0]), i[1]), product)

        sizes = (self._groups, self._shape[1])
        zeros = nest(f"{self._prefix}y_z", sizes, clear)
        return seq((zeros, reduction_nest(f"{self._prefix}y_", sizes, self._shape[:1], add)))

    def _at(self, buffer: Buffer, last: Expr) -> Load:
        return Load(buffer, _pinned(buffer, (*self._place, last)))


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    """Loops `{prefix}b` and `{prefix}h` over states, and in them the serial loop `{prefix}t`."""
    start, (_, state) = inputs[3], outputs
    _, steps, heads, _ = inputs[1].shape
    b, t, h = (Var(f"{prefix}{name}") for name in "bth")

    def copy(i: Index) -> Stmt:
        return Store(state, (b, h, *i), Load(start, (b, h, *i)))

    step = _Step(prefix, inputs, outputs, (b, t, h))
    parts = [step.forget(), step.start()]
    if flag(attrs, "delta"):
        parts.append(step.retrieve())
    parts += [step.weigh(), step.learn(), step.read()]
    time = For(t.name, as_expr(steps), "serial", Alloc(step.update, seq(parts)))
    copied = nest(f"{prefix}z", state.shape[2:], copy)
    return loops(((b.name, state.shape[0]), (h.name, heads)), seq((copied, time)))


def _pinned(buffer: Buffer, index: Index) -> Index:
    """The index, 0 along axes of size 1."""
    pairs = zip(index, buffer.shape, strict=True)
    return tuple(as_expr(0) if extent == 1 else part for part, extent in pairs)


LINEAR_ATTENTION = define(
    "linear_attention", Kind.OPAQUE, 6, _infer, _reference, _loops, delta=False
)

OPERATORS = (LINEAR_ATTENTION,)
"""What this file defines."""
