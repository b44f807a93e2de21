"""Layer normalisations of com.microsoft: after a sum, by the root mean square, of embeddings."""

from __future__ import annotations

from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.normalization import (
    centred,
    layer_norm,
    layer_normalization,
    rms_norm,
)
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import F32, I32, I64
from mlc.ir.graph import Value


def _sum(builder: Builder, node: NodeView, bias: Value | None) -> Value:
    total = builder.emit("add", node.input(0), node.input(1))
    return total if bias is None else builder.emit("add", total, bias)


def _skip_layer_normalization(builder: Builder, node: NodeView) -> list[Value]:
    """Layer normalisation of input + skip (+ bias); the fourth output is that sum."""
    total = _sum(builder, node, node.optional(4))
    axis, epsilon = total.type.rank - 1, node.number("epsilon", 1e-12)
    result = layer_norm(builder, total, node.input(2), node.optional(3), axis, epsilon)
    if not (node.has_output(1) or node.has_output(2)):
        return [result, result, result, total]
    _, mean, inverse = centred(builder, builder.cast(total, F32), (axis,), epsilon)
    return [result, mean, inverse, total]


def _skip_simplified(builder: Builder, node: NodeView) -> list[Value]:
    """The same by the root mean square, which has no mean."""
    total = _sum(builder, node, node.optional(3))
    axis, epsilon = total.type.rank - 1, node.number("epsilon", 1e-12)
    result = rms_norm(builder, total, node.input(2), axis, epsilon)
    if not (node.has_output(1) or node.has_output(2)):
        return [result, result, result, total]
    wide = builder.cast(total, F32)
    square = builder.emit(
        "reduce_mean", builder.emit("mul", wide, wide), axes=(axis,), keepdims=True
    )
    root = builder.emit("sqrt", builder.shifted(square, epsilon))
    inverse = builder.emit("reciprocal", root)
    return [result, inverse, inverse, total]


def _embed_layer_normalization(builder: Builder, node: NodeView) -> list[Value]:
    """Word + position + segment embeddings, normalised; the lengths of the mask; the sum."""
    ids, mask, positions = node.input(0), node.optional(7), node.optional(8)
    if positions is None:
        positions = builder.iota((1, ids.type.shape[1]), 1, I64)
    words = builder.emit("gather", node.input(2), ids, axis=0)
    total = builder.emit("add", words, builder.emit("gather", node.input(3), positions, axis=0))
    segments = node.optional(1)
    if segments is not None:
        total = builder.emit("add", total, builder.emit("gather", node.input(4), segments, axis=0))
    epsilon = node.number("epsilon", 1e-12)
    result = layer_norm(builder, total, node.input(5), node.optional(6), 2, epsilon)
    if mask is None:
        lengths = builder.full((ids.type.shape[0],), 0, I32)
    else:
        lengths = builder.emit("reduce_sum", builder.cast(mask, I32), axes=(1,), keepdims=False)
    return [result, lengths, total]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "EmbedLayerNormalization": _embed_layer_normalization,
    "LayerNormalization": layer_normalization,
    "SkipLayerNormalization": _skip_layer_normalization,
    "SkipSimplifiedLayerNormalization": _skip_simplified,
}
