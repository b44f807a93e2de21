"""RotaryEmbedding of com.microsoft: positions as angles."""

from __future__ import annotations

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.slicing import part
from mlc.importers.onnx.node import Converter, NodeView
from mlc.importers.onnx.symbolic import product, quotient
from mlc.ir.dtype import I64
from mlc.ir.graph import Value
from mlc.ir.types import Dim


def _rotary_embedding(builder: Builder, node: NodeView) -> list[Value]:
    """Pairs of each head turned by an angle that grows with the position."""
    x, places, cosines, sines = map(node.input, range(4))
    node.refuse("is_packed_batching", 0)
    split = _rows_of_heads(builder, node, x, product([2, cosines.type.shape[1]]))
    if places.type.rank == 1:
        offset = builder.reshape(builder.cast(places, I64), (1, 1))
        places = builder.emit("add", builder.iota((1, split.type.shape[1]), 1, I64), offset)
    caches = (cosines, sines)
    turned = rotated(builder, split, places, caches, interleaved=node.flag("interleaved"))
    if x.type.rank == 4:
        return [builder.transpose(turned, (0, 2, 1, 3))]
    return [builder.reshape(turned, x.type.shape)]


def _rows_of_heads(builder: Builder, node: NodeView, x: Value, turned: Dim) -> Value:
    """The input as [B, S, N, h]; all of a head is turned where its size is not given."""
    if x.type.rank == 4:
        return builder.transpose(x, (0, 2, 1, 3))
    batch, length, width = x.type.shape
    heads = node.integer("num_heads", 0)
    size = quotient([width], [heads]) if heads > 0 else turned
    count = None if size is None else quotient([width], [size])
    if size is None or count is None:
        raise ModelError(f"RotaryEmbedding: a width of {width} does not split into heads")
    return builder.reshape(x, (batch, length, count, size))


def rotated(
    builder: Builder, x: Value, places: Value, caches: tuple[Value, Value], *, interleaved: bool
) -> Value:
    """Heads [B, S, N, h] at `places` [B or 1, S]; `caches` are cosines and sines [places, half].

    The first 2 * half elements of a head are turned; those after them stay.
    """
    half, size = caches[0].type.shape[1], x.type.shape[3]
    if not isinstance(half, int) or not isinstance(size, int):
        raise builder.unresolved("the size of the heads")
    if size < 2 * half:
        raise ModelError(f"heads of {size} do not have {half} pairs")
    cosine, sine = (
        builder.reshape(taken, (*taken.type.shape[:2], 1, half))
        for taken in (builder.emit("gather", cache, places, axis=0) for cache in caches)
    )
    turned = _turned(builder, x, half, cosine, sine, interleaved=interleaved)
    if size == 2 * half:
        return turned
    rest = part(builder, x, 3, 2 * half, size - 2 * half)
    return builder.emit("concat", turned, rest, axis=3)


def _turned(
    builder: Builder, x: Value, half: int, cosine: Value, sine: Value, *, interleaved: bool
) -> Value:
    """Pairs (a, b) become (ac - bs, as + bc)."""
    batch, length, heads, _ = x.type.shape
    shape = (batch, length, heads, half)
    if interleaved:
        pairs = builder.reshape(part(builder, x, 3, 0, 2 * half), (*shape, 2))
        a, b = (builder.reshape(part(builder, pairs, 4, k, 1), shape) for k in (0, 1))
    else:
        a, b = part(builder, x, 3, 0, half), part(builder, x, 3, half, half)
    first = builder.emit("sub", builder.emit("mul", a, cosine), builder.emit("mul", b, sine))
    second = builder.emit("add", builder.emit("mul", a, sine), builder.emit("mul", b, cosine))
    if not interleaved:
        return builder.emit("concat", first, second, axis=3)
    columns = [builder.reshape(turned, (*shape, 1)) for turned in (first, second)]
    joined = builder.emit("concat", *columns, axis=4)
    return builder.reshape(joined, (batch, length, heads, 2 * half))


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "RotaryEmbedding": _rotary_embedding,
}
