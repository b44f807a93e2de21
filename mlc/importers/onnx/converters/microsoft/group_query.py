"""GroupQueryAttention of com.microsoft: heads that share keys, rotated, on a cache."""

from __future__ import annotations

from dataclasses import dataclass

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.attention import (
    grouped_scores,
    packed_heads,
    soft_cap,
    split_heads,
    weighted_values,
)
from mlc.importers.onnx.converters.microsoft.rotary import rotated
from mlc.importers.onnx.converters.slicing import part
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import I64
from mlc.ir.graph import Value


@dataclass(frozen=True)
class _Step:
    """`length` new places behind `past` i64[B, 1] known ones, in a cache of `total`."""

    length: int
    past: Value
    total: int


def _group_query_attention(builder: Builder, node: NodeView) -> list[Value]:
    """Each sample of the batch has a length of its own: what lies behind it is not seen."""
    for position in range(11, 17):
        if node.optional(position) is not None:
            raise UnsupportedError(f"GroupQueryAttention: input {position} is not supported")
    node.refuse("smooth_softmax", 0)
    node.refuse("sliding_window_cache", 0)
    node.refuse("causal", 1)
    query, key, value = _heads(builder, node)
    step = _step(builder, node, query)
    if node.flag("do_rotary"):
        query, key = (_rotated(builder, node, heads, step) for heads in (query, key))
    keys = _cached(builder, node.optional(3), key, step)
    values = _cached(builder, node.optional(4), value, step)
    groups = node.integer("kv_num_heads")
    scores = grouped_scores(builder, query, keys, node.number("scale", 0.0), groups)
    scores = soft_cap(builder, scores, node.number("softcap", 0.0))
    bias = node.optional(10)
    if bias is not None:
        scores = builder.emit("add", scores, bias)
    hidden = builder.scalar(float("-inf"), scores.type.dtype)
    scores = builder.emit("select", _seen(builder, node, step), scores, hidden)
    weights = builder.emit("softmax", scores, axis=3)
    mixed = weighted_values(builder, weights, values, groups)
    return [packed_heads(builder, mixed), keys, values]


def _heads(builder: Builder, node: NodeView) -> tuple[Value, Value, Value]:
    """Query [B, N, S, h], key and value [B, K, S, h]; the three may come side by side."""
    query, key, value = node.input(0), node.optional(1), node.optional(2)
    heads, groups = node.integer("num_heads"), node.integer("kv_num_heads")
    if key is None or value is None:
        width = query.type.shape[2]
        each, rest = divmod(width, heads + 2 * groups) if isinstance(width, int) else (0, 1)
        if rest:
            raise ModelError(
                f"GroupQueryAttention: {query.type} is not {heads} + 2 * {groups} heads"
            )
        packed = query
        query = part(builder, packed, 2, 0, heads * each)
        key = part(builder, packed, 2, heads * each, groups * each)
        value = part(builder, packed, 2, (heads + groups) * each, groups * each)
    return (
        split_heads(builder, query, heads),
        split_heads(builder, key, groups),
        split_heads(builder, value, groups),
    )


def _step(builder: Builder, node: NodeView, query: Value) -> _Step:
    """A first prompt begins at 0; after it, lengths tell how much each sample has."""
    batch, _, length, _ = query.type.shape
    (total,) = builder.required_integers(node.input(6), "GroupQueryAttention: the total length")
    past = node.optional(3)
    room = 0 if past is None else past.type.shape[2]
    if not isinstance(room, int) or not isinstance(length, int):
        raise builder.unresolved("GroupQueryAttention: the length of the cache")
    if total == length:
        known = builder.full((batch, 1), 0, I64)
    else:
        lengths = builder.reshape(builder.cast(node.input(5), I64), (batch, 1))
        known = builder.shifted(lengths, 1 - length)
    return _Step(length, known, max(room, total))


def _rotated(builder: Builder, node: NodeView, heads: Value, step: _Step) -> Value:
    """[B, N, S, h] turned by the angles of its places."""
    places = node.optional(9)
    if places is None:
        places = builder.emit("add", builder.iota((1, step.length), 1, I64), step.past)
    turned = rotated(
        builder,
        builder.transpose(heads, (0, 2, 1, 3)),
        places,
        (node.input(7), node.input(8)),
        interleaved=node.flag("rotary_interleaved"),
    )
    return builder.transpose(turned, (0, 2, 1, 3))


def _cached(builder: Builder, past: Value | None, new: Value, step: _Step) -> Value:
    """The cache with `new` [B, K, S, h] written in behind what each sample has; zeros after it."""
    batch, groups, _, size = new.type.shape
    if step.length == step.total:
        return new
    shape = (batch, groups, step.total, size)
    places = builder.iota((1, 1, step.total, 1), 2, I64)
    offset = builder.emit("sub", places, builder.reshape(step.past, (batch, 1, 1, 1)))
    picked = builder.emit("clip", offset, min=0.0, max=float(step.length - 1))
    moved = builder.emit("gather_elements", new, builder.expand(picked, shape), axis=2)
    room = past.type.shape[2] if past is not None else 0
    assert isinstance(room, int)
    old = builder.full((batch, groups, step.total - room, size), 0, new.type.dtype)
    if past is not None:
        old = past if room == step.total else builder.emit("concat", past, old, axis=2)
    written = builder.emit("select", builder.emit("equal", offset, picked), moved, old)
    behind = builder.emit("greater", offset, builder.scalar(step.length - 1, I64))
    return builder.emit("select", behind, builder.scalar(0, new.type.dtype), written)


def _seen(builder: Builder, node: NodeView, step: _Step) -> Value:
    """Which keys each query sees, [B, 1, S, T]: those up to its own place, or the last of them."""
    batch = step.past.type.shape[0]
    rows = builder.iota((1, 1, step.length, 1), 2, I64)
    place = builder.emit("add", rows, builder.reshape(step.past, (batch, 1, 1, 1)))
    keys = builder.iota((1, 1, 1, step.total), 3, I64)
    seen = builder.emit("less_equal", keys, place)
    window = node.integer("local_window_size", -1)
    if window < 0:
        return seen
    first = builder.shifted(place, -window)
    return builder.emit("and", seen, builder.emit("greater", keys, first))


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "GroupQueryAttention": _group_query_attention,
}
