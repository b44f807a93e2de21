"""What classifiers and regressors of ai.onnx.ml do with their scores in the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.ir.graph import Value

POST_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
"""In the order of their numbers."""


def transformed(builder: Builder, scores: Value, name: str) -> Value:
    """Scores `[N, classes]` after the transform `name`."""
    if name not in POST_TRANSFORMS:
        raise ModelError(f"post_transform '{name}' is none of {', '.join(POST_TRANSFORMS)}")
    transform = _TRANSFORMS.get(name)
    return scores if transform is None else transform(builder, scores)


def _softmax(builder: Builder, scores: Value) -> Value:
    return builder.emit("softmax", scores, axis=1)


def _logistic(builder: Builder, scores: Value) -> Value:
    return builder.emit("sigmoid", scores)


_NEARLY_ZERO = 1e-7


def _softmax_zero(builder: Builder, scores: Value) -> Value:
    """A softmax in which scores of zero stay zero."""
    dtype = scores.type.dtype
    most = builder.emit("reduce_max", scores, axes=(1,), keepdims=True)
    powers = builder.emit("exp", builder.emit("sub", scores, most))
    scaled = builder.emit("mul", scores, builder.emit("exp", builder.emit("neg", most)))
    magnitude = builder.emit("abs", scores)
    counts = builder.emit("greater", magnitude, builder.scalar(_NEARLY_ZERO, dtype))
    parts = builder.emit("select", counts, powers, scaled)
    total = builder.emit("reduce_sum", parts, axes=(1,), keepdims=True)
    zero = builder.scalar(0, dtype)
    divided = builder.emit("div", parts, total)
    none = builder.emit("equal", total, zero)
    return builder.emit("select", none, builder.scalar(0.5, dtype), divided)


_WINITZKI = 0.147
"""The constant of Winitzki's approximation of the error function, 2008."""


def _probit(builder: Builder, scores: Value) -> Value:
    """The quantile of the normal distribution, by Winitzki's approximation as others have it."""
    dtype = scores.type.dtype
    x = builder.shifted(builder.scaled(scores, 2), -1)
    one = builder.scalar(1, dtype)
    inner = builder.emit("mul", builder.emit("sub", one, x), builder.emit("add", one, x))
    log = builder.emit("log", inner)
    v = builder.shifted(builder.scaled(log, 0.5), 2 / (math.pi * _WINITZKI))
    square = builder.emit("sub", builder.emit("mul", v, v), builder.scaled(log, 1 / _WINITZKI))
    root = builder.emit("sqrt", builder.emit("sub", builder.emit("sqrt", square), v))
    negative = builder.emit("less", x, builder.scalar(0, dtype))
    signed = builder.emit("select", negative, builder.emit("neg", root), root)
    zero = builder.scalar(0, dtype)
    edge = builder.emit("equal", inner, zero)
    return builder.scaled(builder.emit("select", edge, zero, signed), math.sqrt(2))


_TRANSFORMS: Mapping[str, Callable[[Builder, Value], Value]] = {
    "SOFTMAX": _softmax,
    "LOGISTIC": _logistic,
    "SOFTMAX_ZERO": _softmax_zero,
    "PROBIT": _probit,
}


def two_classes(builder: Builder, score: Value, name: str, *, probability: bool) -> Value:
    """Scores `[N, 2]` from that of the second class `[N, 1]`: its rest, or its opposite."""
    if probability:
        first = builder.emit("sub", builder.scalar(1, score.type.dtype), score)
        return builder.emit("concat", first, score, axis=1)
    pair = builder.emit("concat", builder.emit("neg", score), score, axis=1)
    return transformed(builder, pair, name)
