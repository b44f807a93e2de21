"""Attention, in core operators: products, a softmax, and what masks the scores.

Heads that share a key head are rows of one product, so that no key or value is repeated. Half
precision is rounded once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.linear_attention import linear_attention
from mlc.importers.onnx.node import Converter, NodeView
from mlc.importers.onnx.symbolic import product, quotient
from mlc.importers.onnx.tensors import dtype_from_onnx
from mlc.ir.dtype import BOOL, F32, I64, DType
from mlc.ir.graph import Value
from mlc.ir.types import Dim

_MINUS_INFINITY = float("-inf")


def _attention(builder: Builder, node: NodeView) -> list[Value]:
    """softmax(softcap(Q @ K^T * scale) + bias) @ V per head, on a cache where there is one."""
    given = [node.input(position) for position in range(3)]
    packed = given[0].type.rank == 3
    query, key, value = _heads(builder, node, given)
    past_key, past_value = node.optional(4), node.optional(5)
    if (past_key is None) != (past_value is None):
        raise ModelError("Attention: past_key and past_value must be given together")
    if past_key is not None and past_value is not None:
        key = builder.emit("concat", past_key, key, axis=2)
        value = builder.emit("concat", past_value, value, axis=2)
    dtype, groups = query.type.dtype, key.type.shape[1]
    wide_query, wide_key, wide_value = (_widened(builder, x) for x in (query, key, value))
    raw = grouped_scores(builder, wide_query, wide_key, node.number("scale", 0.0), groups)
    capped = soft_cap(builder, raw, node.number("softcap", 0.0))
    bias = _bias(builder, node, capped.type.shape[2:], raw.type.dtype)
    scores = capped if bias is None else builder.emit("add", capped, bias)
    weights = _weights(builder, node, scores, bias)
    result = builder.cast(weighted_values(builder, weights, wide_value, groups), dtype)
    stages = (raw, capped, scores, weights)
    mode = node.integer("qk_matmul_output_mode", 0)
    if not 0 <= mode < len(stages):
        raise ModelError(f"Attention: qk_matmul_output_mode {mode} is none of 0 to 3")
    shown = builder.cast(stages[mode], dtype)
    return [packed_heads(builder, result) if packed else result, key, value, shown]


def _widened(builder: Builder, x: Value) -> Value:
    """`x` in f32, or in a wider type that it has."""
    return x if x.type.dtype.bits >= F32.bits else builder.cast(x, F32)


def _heads(builder: Builder, node: NodeView, given: Sequence[Value]) -> list[Value]:
    """Query, key and value as [batch, heads, length, size]."""
    ranks = {value.type.rank for value in given}
    if ranks == {4}:
        return list(given)
    if ranks != {3}:
        shown = ", ".join(str(value.type) for value in given)
        raise ModelError(f"Attention: query, key and value {shown} must all have 3 axes, or 4")
    counts = [node.integer(f"{which}_num_heads") for which in ("q", "kv", "kv")]
    return [split_heads(builder, value, count) for value, count in zip(given, counts, strict=True)]


def split_heads(builder: Builder, value: Value, heads: int) -> Value:
    """[batch, length, heads * size] as [batch, heads, length, size]."""
    batch, length, width = value.type.shape
    size = quotient([width], [heads]) if heads > 0 else None
    if size is None:
        raise ModelError(f"a width of {width} is not {heads} heads")
    return builder.transpose(builder.reshape(value, (batch, length, heads, size)), (0, 2, 1, 3))


def packed_heads(builder: Builder, value: Value) -> Value:
    """[batch, heads, length, size] as [batch, length, heads * size]."""
    batch, heads, length, size = value.type.shape
    turned = builder.transpose(value, (0, 2, 1, 3))
    return builder.reshape(turned, (batch, length, product([heads, size])))


def grouped_scores(builder: Builder, query: Value, key: Value, scale: float, groups: Dim) -> Value:
    """The scores [batch, heads, query length, key length]; a scale of 0 stands for the default."""
    batch, heads, length, size = query.type.shape
    if scale == 0:
        if not isinstance(size, int):
            raise builder.unresolved("Attention: the size of the heads")
        scale = 1 / math.sqrt(size)
    shared = quotient([heads], [groups]) if groups != 0 else None
    if shared is None:
        raise ModelError(f"Attention: {heads} query heads cannot share {groups} key heads")
    rows = builder.reshape(
        builder.scaled(query, scale), (batch, groups, product([shared, length]), size)
    )
    scores = builder.emit("matmul", rows, key, transpose_b=True)
    return builder.reshape(scores, (batch, heads, length, key.type.shape[2]))


def weighted_values(builder: Builder, weights: Value, value: Value, groups: Dim) -> Value:
    """The values weighted: [batch, heads, query length, size]."""
    batch, heads, length, keys = weights.type.shape
    rows = product([quotient([heads], [groups]) or 1, length])
    mixed = builder.emit("matmul", builder.reshape(weights, (batch, groups, rows, keys)), value)
    return builder.reshape(mixed, (batch, heads, length, value.type.shape[3]))


def soft_cap(builder: Builder, scores: Value, cap: float) -> Value:
    """Cap * tanh(scores / cap); the scores themselves where there is no cap."""
    if cap <= 0:
        return scores
    return builder.scaled(builder.emit("tanh", builder.scaled(scores, 1 / cap)), cap)


def _weights(builder: Builder, node: NodeView, scores: Value, bias: Value | None) -> Value:
    """The softmax of the scores; a row whose keys are all masked has weights of 0."""
    dtype = precise = scores.type.dtype
    if node.has("softmax_precision"):
        asked = dtype_from_onnx(node.integer("softmax_precision"), "Attention: softmax_precision")
        precise = asked if asked.bits > dtype.bits else dtype
    weights = builder.emit("softmax", builder.cast(scores, precise), axis=3)
    if bias is not None:
        masked = _all_masked(builder, bias)
        known = builder.array(masked)
        if known is None or known.any():
            weights = builder.emit("select", masked, builder.scalar(0.0, precise), weights)
    return builder.cast(weights, dtype)


def _all_masked(builder: Builder, bias: Value) -> Value:
    """Which rows of the bias let no key through."""
    most = builder.emit("reduce_max", bias, axes=(bias.type.rank - 1,), keepdims=True)
    return builder.emit("equal", most, builder.scalar(_MINUS_INFINITY, bias.type.dtype))


@dataclass(frozen=True)
class _Positions:
    """Where queries and keys stand, and how many keys there are where that varies.

    They are i64 that broadcast to [batch, 1, query, key] from the right.
    """

    query: Value
    key: Value
    filled: Value | None


def _bias(builder: Builder, node: NodeView, lengths: Sequence[Dim], dtype: DType) -> Value | None:
    """What is added to the scores: 0 or the mask's numbers, minus infinity where masked."""
    mask, filled = node.optional(3), node.optional(6)
    if filled is not None and node.optional(4) is not None:
        raise ModelError("Attention: nonpad_kv_seqlen does not go with past_key")
    allowed: list[Value] = []
    bias: Value | None = None
    if mask is not None and mask.type.dtype is BOOL:
        allowed.append(_fitted(builder, mask, lengths[1], False))
    elif mask is not None:
        bias = _fitted(builder, builder.cast(mask, dtype), lengths[1], _MINUS_INFINITY)
    before, after = node.integer("left_window_size", -1), node.integer("right_window_size", -1)
    for name, bound in (("left", before), ("right", after)):
        if bound < -1:
            raise ModelError(f"Attention: {name}_window_size {bound} is less than -1")
    if node.flag("is_causal"):
        after = 0
    if filled is not None or max(before, after) >= 0:
        positions = _positions(builder, node, lengths, filled)
        allowed += _in_window(builder, positions, before, after)
        if positions.filled is not None:
            allowed.append(builder.emit("less", positions.key, positions.filled))
    if not allowed:
        return bias
    condition = reduce(lambda left, right: builder.emit("and", left, right), allowed)
    inside = builder.scalar(0.0, dtype) if bias is None else bias
    return builder.emit("select", condition, inside, builder.scalar(_MINUS_INFINITY, dtype))


def _in_window(builder: Builder, positions: _Positions, before: int, after: int) -> list[Value]:
    """Which keys are at most so far before and after the query; -1 is no bound."""
    conditions = []
    if after >= 0:
        last = builder.shifted(positions.query, after)
        conditions.append(builder.emit("less_equal", positions.key, last))
    if before >= 0:
        first = builder.shifted(positions.query, -before)
        conditions.append(builder.emit("greater_equal", positions.key, first))
    return conditions


def _positions(
    builder: Builder, node: NodeView, lengths: Sequence[Dim], filled: Value | None
) -> _Positions:
    """Queries are the last of the sequence: they stand after what the cache held before."""
    query = builder.iota((lengths[0], 1), 0, I64)
    key = builder.iota((1, lengths[1]), 1, I64)
    past, counts = node.optional(4), None
    if past is not None:
        query = builder.emit("add", query, _dimension(builder, past.type.shape[2]))
    elif filled is not None:
        counts = builder.reshape(builder.cast(filled, I64), (filled.type.shape[0], 1, 1, 1))
        offset = builder.emit("sub", counts, _dimension(builder, lengths[0]))
        query = builder.emit("add", offset, query)
    return _Positions(query, key, counts)


def _dimension(builder: Builder, dim: Dim) -> Value:
    return builder.reshape(builder.dimensions([dim]), ())


def _fitted(builder: Builder, mask: Value, keys: Dim, beyond: float | bool) -> Value:
    """The mask for all keys; those that it does not reach are masked."""
    length = mask.type.shape[-1]
    if length == keys or not (isinstance(length, int) and isinstance(keys, int)):
        return mask
    if length > keys:
        raise ModelError(f"Attention: the mask {mask.type} is for more than {keys} keys")
    rest = builder.full((*mask.type.shape[:-1], keys - length), beyond, mask.type.dtype)
    return builder.emit("concat", mask, rest, axis=mask.type.rank - 1)


def _tensor_scatter(builder: Builder, node: NodeView) -> list[Value]:
    """Write an update into a cache, for each sample of the batch from an index of its own on."""
    cache, update, starts = node.input(0), node.input(1), node.optional(2)
    mode, axis = node.text("mode", "linear"), node.axis("axis", cache.type.rank, -2)
    if mode not in ("linear", "circular"):
        raise ModelError(f"TensorScatter: mode '{mode}' is neither linear nor circular")
    if axis == 0 or update.type.rank != cache.type.rank:
        raise ModelError(f"TensorScatter: cannot write {update.type} along axis {axis}")
    length, count = cache.type.shape[axis], update.type.shape[axis]
    place = builder.iota(_along(cache, axis, length), axis, I64)
    if starts is not None:
        first = builder.reshape(builder.cast(starts, I64), _along(cache, 0, cache.type.shape[0]))
        place = builder.emit("sub", place, first)
    if mode == "circular":
        place = builder.emit("mod", place, _dimension(builder, length))
    zero = builder.scalar(0, I64)
    last = builder.emit("sub", _dimension(builder, count), builder.scalar(1, I64))
    inside = builder.emit(
        "and",
        builder.emit("greater_equal", place, zero),
        builder.emit("less_equal", place, last),
    )
    picked = builder.emit("min", builder.emit("max", place, zero), last)
    indices = builder.expand(picked, cache.type.shape)
    moved = builder.emit("gather_elements", update, indices, axis=axis)
    return [builder.emit("select", inside, moved, cache)]


def _along(tensor: Value, axis: int, length: Dim) -> tuple[Dim, ...]:
    """A shape that is 1 but along one axis of a tensor."""
    return tuple(length if position == axis else 1 for position in range(tensor.type.rank))


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Attention": _attention,
    "LinearAttention": linear_attention,
    "TensorScatter": _tensor_scatter,
}
