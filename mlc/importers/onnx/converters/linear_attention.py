"""Linear attention: heads unpacked, decay and rate as the recurrence wants them."""

from __future__ import annotations

import math

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import NodeView
from mlc.importers.onnx.symbolic import product, quotient
from mlc.ir.dtype import F32, DType
from mlc.ir.graph import Value
from mlc.ir.types import Dim

_RULES = {
    "linear": (False, False),
    "gated": (True, False),
    "delta": (False, True),
    "gated_delta": (True, True),
}
"""Update rule → whether the state decays, and whether a key's old value is taken away."""


def linear_attention(builder: Builder, node: NodeView) -> list[Value]:
    """The recurrence is computed in f32 at least; the last state has the type of the first."""
    rule = node.text("update_rule", "gated_delta")
    if rule not in _RULES:
        raise ModelError(f"LinearAttention: update_rule '{rule}' is none of {', '.join(_RULES)}")
    gated, delta = _RULES[rule]
    for needed, position, name in ((gated, 4, "decay"), (delta, 5, "beta")):
        if needed != (node.optional(position) is not None):
            verb = "needs" if needed else "forbids"
            raise ModelError(f"LinearAttention: update_rule '{rule}' {verb} the input {name}")
    counts = [node.integer(f"{which}_num_heads") for which in ("q", "kv", "kv")]
    given = [node.input(position) for position in range(3)]
    dtype = given[0].type.dtype
    wide = dtype if dtype.bits > F32.bits else F32
    query, key, value = (
        _split(builder, builder.cast(x, wide), heads)
        for x, heads in zip(given, counts, strict=True)
    )
    size = query.type.shape[3]
    scale = node.number("scale", 0.0)
    if scale == 0:
        if not isinstance(size, int):
            raise builder.unresolved("LinearAttention: the size of the heads")
        scale = 1 / math.sqrt(size)
    state = _state(builder, node.optional(3), key, value)
    one = builder.full((1, 1, 1, 1), 1.0, wide)
    decay, beta = (_varying(builder, node.optional(p), counts[1], wide, one) for p in (4, 5))
    if gated:
        decay = builder.emit("exp", decay)
    y, last = builder.emit_all(
        "linear_attention",
        [builder.scaled(query, scale), key, value, state, decay, beta],
        {"delta": delta},
    )
    batch, steps, heads, width = y.type.shape
    packed = builder.reshape(y, (batch, steps, product([heads, width])))
    past = node.optional(3)
    kept = dtype if past is None else past.type.dtype
    return [builder.cast(packed, dtype), builder.cast(last, kept)]


def _split(builder: Builder, x: Value, heads: int) -> Value:
    """[batch, steps, heads * size] as [batch, steps, heads, size]."""
    if x.type.rank != 3:
        raise ModelError(f"LinearAttention: input {x.type} must have 3 axes")
    batch, steps, width = x.type.shape
    size = quotient([width], [heads]) if heads > 0 else None
    if size is None:
        raise ModelError(f"LinearAttention: a width of {width} is not {heads} heads")
    return builder.reshape(x, (batch, steps, heads, size))


def _state(builder: Builder, past: Value | None, key: Value, value: Value) -> Value:
    if past is not None:
        return builder.cast(past, key.type.dtype)
    batch, _, heads, size = key.type.shape
    shape: tuple[Dim, ...] = (batch, heads, size, value.type.shape[3])
    return builder.full(shape, 0.0, key.type.dtype)


def _varying(builder: Builder, x: Value | None, heads: int, dtype: DType, neutral: Value) -> Value:
    """A decay or rate as [batch, steps, heads or 1, size or 1]; `neutral` where there is none."""
    if x is None:
        return neutral
    count = 1 if x.type.shape[-1] == 1 else heads
    return _split(builder, builder.cast(x, dtype), count)
