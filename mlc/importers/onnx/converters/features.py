"""Preparing features, of ai.onnx.ml: picking, scaling, filling in, joining."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import F32, DType
from mlc.ir.graph import Value


def array(builder: Builder, numbers: Sequence[float], dtype: DType) -> Value:
    """A constant of one axis."""
    return builder.constant(np.array(numbers).astype(dtype.numpy))


def floats(builder: Builder, node: NodeView) -> Value:
    """The first input; integers become f32."""
    x = node.input(0)
    return x if x.type.dtype.is_float else builder.cast(x, F32)


def _array_feature_extractor(builder: Builder, node: NodeView) -> list[Value]:
    """Columns of the last axis; a vector is a row."""
    x, places = node.input(0), node.input(1)
    if x.type.rank == 1:
        x = builder.reshape(x, (1, *x.type.shape))
    flat = builder.reshape(places, (places.type.elements,))
    return [builder.emit("gather", x, flat, axis=x.type.rank - 1)]


def _binarizer(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    limit = builder.scalar(node.number("threshold", 0.0), x.type.dtype)
    return [builder.cast(builder.emit("greater", x, limit), x.type.dtype)]


def _scaler(builder: Builder, node: NodeView) -> list[Value]:
    """(x - offset) * scale, one number for all or one per feature."""
    x = builder.cast(node.input(0), F32)
    offset = array(builder, node.numbers("offset", (0.0,)), F32)
    scale = array(builder, node.numbers("scale", (1.0,)), F32)
    return [builder.emit("mul", builder.emit("sub", x, offset), scale)]


_LEAST_NORM = 1e-30

_NORMS: Mapping[str, Callable[[Builder, Value], Value]] = {
    "MAX": lambda builder, x: builder.emit(
        "reduce_max", builder.emit("abs", x), axes=(x.type.rank - 1,), keepdims=True
    ),
    "L1": lambda builder, x: builder.emit(
        "reduce_sum", builder.emit("abs", x), axes=(x.type.rank - 1,), keepdims=True
    ),
    "L2": lambda builder, x: builder.emit(
        "sqrt",
        builder.emit(
            "reduce_sum", builder.emit("mul", x, x), axes=(x.type.rank - 1,), keepdims=True
        ),
    ),
}


def _normalizer(builder: Builder, node: NodeView) -> list[Value]:
    x, norm = builder.cast(node.input(0), F32), node.text("norm", "MAX")
    if norm not in _NORMS:
        raise ModelError(f"Normalizer: norm '{norm}' is none of {', '.join(_NORMS)}")
    least = builder.scalar(_LEAST_NORM, F32)
    return [builder.emit("div", x, builder.emit("max", _NORMS[norm](builder, x), least))]


def _imputer(builder: Builder, node: NodeView) -> list[Value]:
    """What stands for a missing number is replaced, by one number or one per feature."""
    x = node.input(0)
    dtype = x.type.dtype
    if dtype.is_float:
        replaced = node.number("replaced_value_float", 0.0)
        values: Sequence[float] = node.numbers("imputed_value_floats", ())
    else:
        replaced = node.integer("replaced_value_int64", 0)
        values = node.integers("imputed_value_int64s", ())
    if len(values) not in (1, x.type.shape[-1]):
        raise ModelError(f"Imputer: {len(values)} values for {x.type}")
    if math.isnan(replaced):
        absent = builder.emit("isnan", x)
    else:
        absent = builder.emit("equal", x, builder.scalar(replaced, dtype))
    return [builder.emit("select", absent, array(builder, values, dtype), x)]


def _feature_vectorizer(builder: Builder, node: NodeView) -> list[Value]:
    """All features side by side, as f32."""
    parts = [builder.cast(value, F32) for value in node.present()]
    rows = [builder.reshape(p, (1, *p.type.shape)) if p.type.rank == 1 else p for p in parts]
    return [rows[0] if len(rows) == 1 else builder.emit("concat", *rows, axis=1)]


def _one_hot_encoder(builder: Builder, node: NodeView) -> list[Value]:
    """A new last axis with a 1 at the category of each number, and zeros only for others."""
    if node.has("cats_strings"):
        raise UnsupportedError("OneHotEncoder: categories that are strings are not supported")
    if not node.flag("zeros", default=True):
        raise UnsupportedError("OneHotEncoder: zeros = 0 is not supported")
    x = node.input(0)
    categories = array(builder, node.integers("cats_int64s"), x.type.dtype)
    column = builder.reshape(x, (*x.type.shape, 1))
    return [builder.cast(builder.emit("equal", column, categories), F32)]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "ArrayFeatureExtractor": _array_feature_extractor,
    "Binarizer": _binarizer,
    "FeatureVectorizer": _feature_vectorizer,
    "Imputer": _imputer,
    "Normalizer": _normalizer,
    "OneHotEncoder": _one_hot_encoder,
    "Scaler": _scaler,
}
