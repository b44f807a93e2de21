"""Attention of com.microsoft: with the projection inside, of given heads, of integers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.attention import split_heads
from mlc.importers.onnx.converters.integer_products import integer_matmul
from mlc.importers.onnx.converters.matmul import matmul
from mlc.importers.onnx.converters.microsoft.quantized_products import rescaled
from mlc.importers.onnx.converters.slicing import part
from mlc.importers.onnx.node import Converter, NodeView
from mlc.importers.onnx.symbolic import product
from mlc.ir.dtype import BOOL, I64, DType
from mlc.ir.graph import Value
from mlc.ir.types import Dim


@dataclass(frozen=True)
class _Heads:
    """Query [B, N, S, h], key [B, N, T, h] and value [B, N, T, v]; what was there before: past."""

    query: Value
    key: Value
    value: Value
    past: Dim = 0


def _mask(builder: Builder, node: NodeView, mask: Value, heads: _Heads, dtype: DType) -> Value:
    """What is added to the scores: 0, or the attribute `mask_filter_value` where masked.

    Masks are [B, T], [B, S, T] or [B, 1, S, T] with 0 where masked; or ends [B] of the keys, or
    ends and then starts [2 * B].
    """
    batch, _, keys, _ = heads.key.type.shape
    if mask.type.rank == 1:
        allowed = _between(builder, node, mask, batch, keys)
    else:
        shapes = {2: (batch, 1, 1, keys), 3: (batch, 1, heads.query.type.shape[2], keys)}
        shape = shapes.get(mask.type.rank, mask.type.shape)
        if mask.type.rank == 4 and mask.type.shape[2:] != (heads.query.type.shape[2], keys):
            raise UnsupportedError(f"{node.op_type}: a mask {mask.type} is not supported")
        mask = builder.reshape(mask, shape)
        allowed = mask
        if mask.type.dtype is not BOOL:
            allowed = builder.emit("greater", mask, builder.scalar(0, mask.type.dtype))
    masked = builder.scalar(node.number("mask_filter_value", -10000.0), dtype)
    return builder.emit("select", allowed, builder.scalar(0.0, dtype), masked)


def _between(builder: Builder, node: NodeView, mask: Value, batch: Dim, keys: Dim) -> Value:
    """Which keys lie before the ends, and not before the starts."""
    place = builder.iota((1, 1, 1, keys), 3, mask.type.dtype)
    column = (batch, 1, 1, 1)
    if mask.type.shape == (batch,):
        return builder.emit("less", place, builder.reshape(mask, column))
    if not isinstance(batch, int) or mask.type.shape != (2 * batch,):
        raise UnsupportedError(f"{node.op_type}: a mask {mask.type} is not supported")
    ends = builder.reshape(part(builder, mask, 0, 0, batch), column)
    starts = builder.reshape(part(builder, mask, 0, batch, batch), column)
    return builder.emit(
        "and",
        builder.emit("less", place, ends),
        builder.emit("greater_equal", place, starts),
    )


def _attend(
    builder: Builder, node: NodeView, heads: _Heads, mask: Value | None, bias: Value | None
) -> Value:
    """softmax(scale * Q @ K^T + mask + bias) @ V as [B, S, N * v]."""
    query, key = heads.query, heads.key
    size, dtype = query.type.shape[3], query.type.dtype
    if not isinstance(size, int):
        raise builder.unresolved(f"{node.op_type}: the size of the heads")
    scale = node.number("scale", 0.0) or 1 / math.sqrt(size)
    scores = builder.scaled(builder.emit("matmul", query, key, transpose_b=True), scale)
    if mask is not None:
        scores = builder.emit("add", scores, _mask(builder, node, mask, heads, dtype))
    if bias is not None:
        scores = builder.emit("add", scores, bias)
    if node.flag("unidirectional"):
        length, keys = query.type.shape[2], key.type.shape[2]
        rows = builder.emit(
            "add",
            builder.iota((length, 1), 0, I64),
            builder.reshape(builder.dimensions([heads.past]), ()),
        )
        seen = builder.emit("less_equal", builder.iota((1, keys), 1, I64), rows)
        hidden = builder.scalar(float("-inf"), dtype)
        scores = builder.emit("select", seen, scores, hidden)
    weights = builder.emit("softmax", scores, axis=3)
    mixed = builder.transpose(builder.emit("matmul", weights, heads.value), (0, 2, 1, 3))
    batch, length, count, width = mixed.type.shape
    return builder.reshape(mixed, (batch, length, product([count, width])))


def _joined(builder: Builder, heads: _Heads, past: Value | None) -> tuple[_Heads, Value | None]:
    """With the keys and values of `past` [2, B, N, P, h] in front; both stacked anew."""
    key, value = heads.key, heads.value
    if past is not None:
        shape = past.type.shape[1:]
        old_key, old_value = (
            builder.reshape(part(builder, past, 0, which, 1), shape) for which in (0, 1)
        )
        key = builder.emit("concat", old_key, key, axis=2)
        value = builder.emit("concat", old_value, value, axis=2)
        heads = _Heads(heads.query, key, value, shape[2])
    if key.type != value.type:
        return heads, None
    stacked = [builder.reshape(tensor, (1, *tensor.type.shape)) for tensor in (key, value)]
    return heads, builder.emit("concat", *stacked, axis=0)


def _refuse_buffers(node: NodeView) -> None:
    for name in ("past_present_share_buffer", "do_rotary"):
        node.refuse(name, 0)


def _projected(builder: Builder, node: NodeView, total: Value) -> _Heads:
    """Query, key and value side by side in [B, S, 3 * H], or of sizes that an attribute gives."""
    width = total.type.shape[2]
    if not isinstance(width, int):
        raise builder.unresolved(f"{node.op_type}: the width of the projection")
    sizes = node.integers("qkv_hidden_sizes", ()) or (width // 3,) * 3
    if len(sizes) != 3 or sum(sizes) != width or min(sizes) < 1:
        raise ModelError(f"{node.op_type}: {list(sizes)} do not make up a width of {width}")
    starts, count = (0, sizes[0], sizes[0] + sizes[1]), node.integer("num_heads")
    query, key, value = (
        split_heads(builder, part(builder, total, 2, start, size), count)
        for start, size in zip(starts, sizes, strict=True)
    )
    return _Heads(query, key, value)


def _outputs(
    builder: Builder,
    node: NodeView,
    total: Value,
    mask: Value | None,
    past: Value | None,
    bias: Value | None,
) -> list[Value]:
    heads, present = _joined(builder, _projected(builder, node, total), past)
    result = _attend(builder, node, heads, mask, bias)
    return [result] if present is None else [result, present]


def _attention(builder: Builder, node: NodeView) -> list[Value]:
    """Input @ weights + bias holds query, key and value side by side."""
    _refuse_buffers(node)
    total = matmul(builder, node.input(0), node.input(1))
    bias = node.optional(2)
    if bias is not None:
        total = builder.emit("add", total, bias)
    return _outputs(builder, node, total, node.optional(3), node.optional(4), node.optional(5))


def _qattention(builder: Builder, node: NodeView) -> list[Value]:
    """The same with a projection of integers."""
    _refuse_buffers(node)
    x, weights, bias, x_scale, w_scale = map(node.input, range(5))
    products = integer_matmul(builder, x, node.optional(6), weights, node.optional(7))
    total = rescaled(builder, products, x_scale, w_scale, bias)
    return _outputs(builder, node, total, node.optional(5), node.optional(8), None)


def _multi_head_attention(builder: Builder, node: NodeView) -> list[Value]:
    """Query, key and value in several forms; a bias for all three; a cache of two tensors."""
    if node.optional(8) is not None or node.optional(9) is not None:
        raise UnsupportedError("MultiHeadAttention: shared buffers are not supported")
    heads = _Heads(*_given_heads(builder, node))
    past_key, past_value = node.optional(6), node.optional(7)
    if past_key is not None and past_value is not None:
        heads = _Heads(
            heads.query,
            builder.emit("concat", past_key, heads.key, axis=2),
            builder.emit("concat", past_value, heads.value, axis=2),
            past_key.type.shape[2],
        )
    result = _attend(builder, node, heads, node.optional(4), node.optional(5))
    return [result, heads.key, heads.value]


def _given_heads(builder: Builder, node: NodeView) -> tuple[Value, Value, Value]:
    query, key, value, bias = node.input(0), node.optional(1), node.optional(2), node.optional(3)
    if query.type.rank == 5:
        _refuse_bias(node, bias)
        first, second, third = _unstacked(builder, query, 3)
        return first, second, third
    if key is None:
        raise ModelError("MultiHeadAttention: input 1 is missing")
    width, count = query.type.shape[2], node.integer("num_heads")
    biases = _biases(builder, node, bias, width)
    queries = split_heads(builder, _plus(builder, query, biases[0]), count)
    if key.type.rank == 5:
        _refuse_bias(node, bias)
        return (queries, *_unstacked(builder, key, 2))  # type: ignore[return-value]
    if value is None:
        raise ModelError("MultiHeadAttention: input 2 is missing")
    if key.type.rank == 4:
        return queries, key, value
    keys = split_heads(builder, _plus(builder, key, biases[1]), count)
    return queries, keys, split_heads(builder, _plus(builder, value, biases[2]), count)


def _refuse_bias(node: NodeView, bias: Value | None) -> None:
    if bias is not None:
        raise UnsupportedError(f"{node.op_type}: a bias of packed heads is not supported")


def _unstacked(builder: Builder, packed: Value, count: int) -> list[Value]:
    """[B, S, N, count, h] as `count` tensors [B, N, S, h]."""
    batch, length, heads, _, size = packed.type.shape
    return [
        builder.transpose(
            builder.reshape(part(builder, packed, 3, which, 1), (batch, length, heads, size)),
            (0, 2, 1, 3),
        )
        for which in range(count)
    ]


def _biases(
    builder: Builder, node: NodeView, bias: Value | None, width: Dim
) -> Sequence[Value | None]:
    if bias is None:
        return (None, None, None)
    total = bias.type.shape[0]
    if not isinstance(width, int) or not isinstance(total, int):
        raise builder.unresolved(f"{node.op_type}: the width of the heads")
    sizes = (width, width, total - 2 * width)
    starts = (0, width, 2 * width)
    return [part(builder, bias, 0, start, size) for start, size in zip(starts, sizes, strict=True)]


def _plus(builder: Builder, x: Value, bias: Value | None) -> Value:
    return x if bias is None else builder.emit("add", x, bias)


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Attention": _attention,
    "MultiHeadAttention": _multi_head_attention,
    "QAttention": _qattention,
}
