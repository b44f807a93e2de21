"""Linear models of ai.onnx.ml."""

from __future__ import annotations

import numpy as np

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.features import array, floats
from mlc.importers.onnx.converters.scores import transformed, two_classes
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import F32, I64
from mlc.ir.graph import Value


def _scores(builder: Builder, node: NodeView, targets: int | None) -> Value:
    """The products of rows `[N, F]` with coefficients `[targets, F]`, and intercepts added."""
    x = floats(builder, node)
    if x.type.rank == 1:
        x = builder.reshape(x, (1, *x.type.shape))
    features = x.type.shape[-1]
    if x.type.rank != 2 or not isinstance(features, int):
        raise builder.unresolved(f"{node.op_type}: the size of {x.type}")
    coefficients = np.array(node.numbers("coefficients"))
    rows = coefficients.size // max(features, 1) if targets is None else targets
    if rows < 1 or coefficients.size != rows * features:
        raise ModelError(f"{node.op_type}: {coefficients.size} coefficients for {x.type}")
    weights = builder.constant(coefficients.reshape(rows, features).astype(x.type.dtype.numpy))
    result = builder.emit("matmul", x, weights, transpose_a=False, transpose_b=True)
    intercepts = node.numbers("intercepts", ())
    if not intercepts:
        return result
    if len(intercepts) not in (1, rows):
        raise ModelError(f"{node.op_type}: {len(intercepts)} intercepts for {rows} targets")
    return builder.emit("add", result, array(builder, intercepts, x.type.dtype))


def _regressor(builder: Builder, node: NodeView) -> list[Value]:
    scores = _scores(builder, node, node.integer("targets", 1))
    return [builder.cast(transformed(builder, scores, node.text("post_transform", "NONE")), F32)]


def _classifier(builder: Builder, node: NodeView) -> list[Value]:
    """Labels and scores; with two labels, a single score is that of the second."""
    if node.has("classlabels_strings"):
        raise UnsupportedError("LinearClassifier: labels that are strings are not supported")
    labels = node.integers("classlabels_ints")
    scores, name = _scores(builder, node, None), node.text("post_transform", "NONE")
    count = scores.type.shape[1]
    if count == 1 and len(labels) == 2:
        scores = two_classes(builder, scores, name, probability=False)
    else:
        scores = transformed(builder, scores, name)
    if count == 1 and len(labels) != 2:
        limit = builder.scalar(0 if name == "NONE" else 0.5, scores.type.dtype)
        above = builder.emit("greater_equal", scores, limit)
        found = builder.cast(above, I64)
        label = builder.emit("mul", found, builder.scalar(labels[0] if labels else 1, I64))
        return [builder.reshape(label, scores.type.shape[:1]), builder.cast(scores, F32)]
    if len(labels) != scores.type.shape[1]:
        raise ModelError(f"LinearClassifier: {len(labels)} labels for scores {scores.type}")
    best = builder.emit("arg_max", scores, axis=1, keepdims=False, last=False)
    label = builder.emit("gather", builder.integers(labels), best, axis=0)
    return [label, builder.cast(scores, F32)]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "LinearClassifier": _classifier,
    "LinearRegressor": _regressor,
}
