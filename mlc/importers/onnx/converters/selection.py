"""Operators that choose elements; data may decide how many there are."""

from __future__ import annotations

import numpy as np

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView, normal_axis
from mlc.importers.onnx.symbolic import product
from mlc.ir.graph import Value


def _compress(builder: Builder, node: NodeView) -> list[Value]:
    """Keep the slices where a condition holds."""
    x, condition = node.input(0), node.input(1)
    axis = 0
    if node.has("axis"):
        axis = node.axis("axis", x.type.rank)
    else:
        x = builder.reshape(x, (product(x.type.shape),))
    if condition.type.rank != 1:
        raise ModelError(f"Compress: the condition {condition.type} has more than one axis")
    indices, count = builder.emit_all("nonzero", [condition], {})
    kept = builder.reshape(indices, condition.type.shape)
    if 0 in (*kept.type.shape, x.type.shape[axis]):
        return [builder.slice(x, *_none_along(x, axis))]
    return [builder.truncated(builder.emit("gather", x, kept, axis=axis), axis, count)]


def _none_along(x: Value, axis: int) -> tuple[list[int], list[int], list[int]]:
    sizes = list(x.type.static_shape)
    sizes[axis] = 0
    return [0] * len(sizes), sizes, [1] * len(sizes)


def _non_zero(builder: Builder, node: NodeView) -> list[Value]:
    """A scalar counts as one element of one axis."""
    x = node.input(0)
    if x.type.rank == 0:
        x = builder.reshape(x, (1,))
    indices, count = builder.emit_all("nonzero", [x], {})
    return [builder.truncated(indices, 1, count)]


def _top_k(builder: Builder, node: NodeView) -> list[Value]:
    """Results are always in order: sorted = 0 allows any."""
    x = node.input(0)
    (k,) = builder.required_integers(node.input(1), "TopK: k")
    return _best(builder, node, x, k)


def _top_k_attribute(builder: Builder, node: NodeView) -> list[Value]:
    return _best(builder, node, node.input(0), node.integer("k"))


def _best(builder: Builder, node: NodeView, x: Value, k: int) -> list[Value]:
    axis, largest = node.axis("axis", x.type.rank, -1), node.flag("largest", True)
    return list(builder.emit_all("top_k", [x], {"axis": axis, "k": k, "largest": largest}))


def _unique(builder: Builder, node: NodeView) -> list[Value]:
    """Rows are the elements, or the slices along an axis; the axis moves to the front and back."""
    x = node.input(0)
    perm = [0]
    if node.has("axis"):
        axis = normal_axis(node.integer("axis"), x.type.rank)
        perm = [axis, *(other for other in range(x.type.rank) if other != axis)]
        x = builder.transpose(x, perm)
        length, width = x.type.shape[0], product(x.type.shape[1:])
    else:
        x = builder.reshape(x, (product(x.type.shape),))
        length, width = x.type.shape[0], 1
    rows = builder.reshape(x, (length, width))
    ordered = node.flag("sorted", True)
    first, inverse, counts, count = builder.emit_all("unique", [rows], {"sorted": ordered})
    chosen = x if length == 0 else builder.emit("gather", x, first, axis=0)
    back = [int(place) for place in np.argsort(perm)]
    return [
        builder.truncated(builder.transpose(chosen, back), perm[0], count),
        builder.truncated(first, 0, count),
        inverse,
        builder.truncated(counts, 0, count),
    ]


def _non_max_suppression(builder: Builder, node: NodeView) -> list[Value]:
    boxes, scores = node.input(0), node.input(1)
    most = 0
    given = node.optional(2)
    if given is not None:
        (most,) = builder.required_integers(given, "NonMaxSuppression: the number of boxes")
    thresholds = [
        builder.scalar(default, boxes.type.dtype) if value is None else value
        for value, default in ((node.optional(3), 0.0), (node.optional(4), -np.inf))
    ]
    if boxes.type.rank != 3 or not boxes.type.is_static:
        raise builder.unresolved(f"NonMaxSuppression: the shape of {boxes.type}")
    available = boxes.type.static_shape[1]
    inputs = [boxes, scores, *(builder.reshape(value, (1,)) for value in thresholds)]
    selected, count = builder.emit_all(
        "non_max_suppression",
        inputs,
        {"most": max(0, min(most, available)), "centered": node.flag("center_point_box")},
    )
    return [builder.truncated(selected, 0, count)]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Compress": _compress,
    "NonMaxSuppression": _non_max_suppression,
    "NonZero": _non_zero,
    "TopK": {1: _top_k_attribute, 10: _top_k},
    "Unique": _unique,
}
