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


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    """Loops `{prefix}b` and `{prefix}h` over states, and in them the serial loop `{prefix}t`."""
    query, key, value, start, decay, beta = inputs
    y, state = outputs
    _, steps, heads, size = key.shape
    width, groups = value.shape[3], query.shape[2] // heads
    b, t, h = (Var(f"{prefix}{name}") for name in "bth")
    update = Buffer.dense(f"{prefix}update", (width,), y.dtype, "arena")

    def at(buffer: Buffer, last: Expr) -> Load:
        index = (b, t, h, last)
        return Load(buffer, _pinned(buffer, index))

    def forget(i: Index) -> Stmt:
        here = (b, h, *i)
        return Store(state, here, Binary("mul", Load(state, here), at(decay, i[0])))

    def retrieve(i: Index, r: Index) -> Stmt:
        seen = Binary("mul", Load(state, (b, h, *r, *i)), at(key, r[0]))
        return accumulate("sub", update, i, seen)

    def weigh(i: Index) -> Stmt:
        return accumulate("mul", update, i, at(beta, as_expr(0)))

    def learn(i: Index) -> Stmt:
        return accumulate(
            "add", state, (b, h, *i), Binary("mul", at(key, i[0]), Load(update, i[1:]))
        )

    def read(i: Index, r: Index) -> Stmt:
        place = (b, t, h * groups + i[0])
        product = Binary("mul", Load(query, (*place, *r)), Load(state, (b, h, *r, i[1])))
        return accumulate("add", y, (*place, i[1]), product)

    def clear(i: Index) -> Stmt:
        return Store(y, (b, t, h * groups + i[0], i[1]), number(0, y.dtype))

    parts = [
        nest(f"{prefix}forget_i", (size, width), forget),
        nest(f"{prefix}update_i", (width,), lambda i: Store(update, i, at(value, i[0]))),
    ]
    if flag(attrs, "delta"):
        parts.append(reduction_nest(f"{prefix}retrieve_", (width,), (size,), retrieve))
    parts += [
        nest(f"{prefix}weigh_i", (width,), weigh),
        nest(f"{prefix}learn_i", (size, width), learn),
        nest(f"{prefix}y_z", (groups, width), clear),
        reduction_nest(f"{prefix}y_", (groups, width), (size,), read),
    ]
    copied = nest(
        f"{prefix}z", (size, width), lambda i: Store(state, (b, h, *i), Load(start, (b, h, *i)))
    )
    time = For(t.name, as_expr(steps), "serial", Alloc(update, seq(parts)))
    return loops(((b.name, key.shape[0]), (h.name, heads)), seq((copied, time)))


def _pinned(buffer: Buffer, index: Index) -> Index:
    """The index, 0 along axes of size 1."""
    pairs = zip(index, buffer.shape, strict=True)
    return tuple(as_expr(0) if extent == 1 else part for part, extent in pairs)


LINEAR_ATTENTION = define(
    "linear_attention", Kind.OPAQUE, 6, _infer, _reference, _loops, delta=False
)

OPERATORS = (LINEAR_ATTENTION,)
"""What this file defines."""
