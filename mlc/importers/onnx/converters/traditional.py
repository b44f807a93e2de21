"""Operators of ONNX's own domain of traditional machine learning, ai.onnx.ml."""

from __future__ import annotations

import numpy as np

from mlc.errors import DtypeError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.labels import Labels, read_labels
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import BOOL, I64
from mlc.ir.graph import Value

MAX_DENSE = 1 << 20
"""Integer keys that span no more than this are looked up by their value in a table."""


def _label_encoder(builder: Builder, node: NodeView) -> list[Value]:
    """Labels of numbers: a table for integers that lie close, else a comparison with every key."""
    x = node.input(0)
    labels = read_labels(node)
    if labels.values.dtype.kind == "O":
        raise UnsupportedError("LabelEncoder: values that are strings are not supported")
    if labels.keys.dtype != x.type.dtype.numpy:
        raise DtypeError(f"LabelEncoder: the keys are {labels.keys.dtype}, the input is {x.type}")
    return [(_from_table if _is_dense(labels) else _by_comparison)(builder, x, labels)]


def _is_dense(labels: Labels) -> bool:
    keys = labels.keys
    signed = keys.dtype.kind == "i" or (keys.dtype.kind == "u" and keys.dtype.itemsize < 8)
    return signed and keys.size > 0 and int(keys.max()) - int(keys.min()) < MAX_DENSE


def _from_table(builder: Builder, x: Value, labels: Labels) -> Value:
    low, high = int(labels.keys.min()), int(labels.keys.max())
    table = np.full(high - low + 2, labels.default)
    table[(labels.keys.astype(object) - low).astype(np.int64)] = labels.values
    wide = builder.cast(x, I64)
    inside = builder.emit(
        "and",
        builder.emit("greater_equal", wide, builder.scalar(low, I64)),
        builder.emit("less_equal", wide, builder.scalar(high, I64)),
    )
    place = builder.emit("sub", wide, builder.scalar(low, I64))
    place = builder.emit("select", inside, place, builder.scalar(high - low + 1, I64))
    return builder.emit("gather", builder.constant(table), place, axis=0)


def _by_comparison(builder: Builder, x: Value, labels: Labels) -> Value:
    """The last key that is equal counts; NaN is equal to NaN."""
    keys = builder.constant(labels.keys[::-1].copy())
    column = builder.reshape(x, (*x.type.shape, 1))
    equal = builder.emit("equal", column, keys)
    if x.type.dtype.is_float:
        both = builder.emit("and", builder.emit("isnan", column), builder.emit("isnan", keys))
        equal = builder.emit("or", equal, both)
    # One more column is always true, so that what equals no key finds the default.
    always = builder.full((*x.type.shape, 1), True, BOOL)
    every = builder.emit("concat", equal, always, axis=x.type.rank)
    place = builder.emit(
        "arg_max", builder.cast(every, I64), axis=x.type.rank, keepdims=False, last=False
    )
    values = np.concatenate([labels.values[::-1], labels.default.reshape(1)])
    return builder.emit("gather", builder.constant(values), place, axis=0)


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {"LabelEncoder": {2: _label_encoder}}
