"""The table of a LabelEncoder or CategoryMapper, as its attributes describe it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto

from mlc.errors import ModelError
from mlc.importers.onnx.node import NodeView

Array = np.ndarray[Any, Any]

_STRING = np.dtype(object)

_LISTS: dict[str, tuple[np.dtype[Any], Callable[[AttributeProto], Any]]] = {
    "strings": (_STRING, lambda attribute: _texts(attribute.strings)),
    "int64s": (np.dtype(np.int64), lambda attribute: attribute.ints),
    "floats": (np.dtype(np.float32), lambda attribute: attribute.floats),
}

_DEFAULTS: dict[str, tuple[str, Any]] = {
    "O": ("default_string", "_Unused"),
    "i": ("default_int64", -1),
    "f": ("default_float", -0.0),
}


@dataclass(frozen=True)
class Labels:
    """`keys[i]` stands for `values[i]`, anything else for `default`; strings are objects."""

    keys: Array
    values: Array
    default: Array


def read_labels(node: NodeView) -> Labels:
    """The table of a LabelEncoder; raises `ModelError` where it contradicts itself.

    Versions before the second map strings to their positions and back; `read_categories` has both.
    """
    keys, values = _column(node, "keys"), _column(node, "values")
    if keys.shape != values.shape or keys.ndim != 1:
        raise ModelError(f"LabelEncoder: {keys.size} keys for {values.size} values")
    if node.has("default_tensor"):
        default = _tensor(node, "default_tensor").reshape(-1)
        if default.size != 1 or default.dtype != values.dtype:
            raise ModelError("LabelEncoder: default_tensor is not one value of the values' type")
        return Labels(keys, values, default.reshape(()))
    name, otherwise = _DEFAULTS.get(values.dtype.kind, ("", 0))
    attribute = node.attributes.get(name)
    found = otherwise if attribute is None else _scalar(attribute)
    return Labels(keys, values, np.array(found, values.dtype))


def read_categories(node: NodeView, strings: bool) -> Labels:
    """The table from strings to numbers (`strings`) or back.

    For the operators that have one for both: CategoryMapper, and LabelEncoder of version 1.
    """
    names = "cats_strings" if node.op_type == "CategoryMapper" else "classes_strings"
    texts = np.array(node.texts(names), _STRING)
    numbers = np.array(
        node.integers("cats_int64s") if node.op_type == "CategoryMapper" else range(len(texts)),
        np.int64,
    )
    if texts.shape != numbers.shape:
        raise ModelError(f"{node.op_type}: {texts.size} strings for {numbers.size} integers")
    if strings:
        return Labels(texts, numbers, np.array(node.integer("default_int64", -1)))
    return Labels(numbers, texts, np.array(node.text("default_string", "_Unused"), _STRING))


def _column(node: NodeView, name: str) -> Array:
    """Keys or values: a tensor, or a list of one of three types."""
    if node.has(f"{name}_tensor"):
        return _tensor(node, f"{name}_tensor")
    for suffix, (dtype, read) in _LISTS.items():
        attribute = node.attributes.get(f"{name}_{suffix}")
        if attribute is not None:
            return np.array(list(read(attribute)), dtype)
    raise ModelError(f"{node.op_type}: attribute {name}_… is missing")


def _tensor(node: NodeView, name: str) -> Array:
    tensor: onnx.TensorProto = node.attributes[name].t
    if tensor.data_type != TensorProto.STRING:
        return node.tensor(name)
    texts = np.array(_texts(tensor.string_data), _STRING)
    if texts.size != np.prod(tensor.dims, dtype=np.int64):
        raise ModelError(f"{node.op_type}: {name} holds {texts.size} strings, not {tensor.dims}")
    return texts.reshape(tuple(tensor.dims))


def _texts(data: Any) -> list[str]:
    return [text.decode("utf-8", "replace") for text in data]


def _scalar(attribute: AttributeProto) -> str | float | int:
    kinds: dict[int, Callable[[], str | float | int]] = {
        AttributeProto.STRING: lambda: attribute.s.decode("utf-8", "replace"),
        AttributeProto.FLOAT: lambda: attribute.f,
        AttributeProto.INT: lambda: attribute.i,
    }
    return kinds[attribute.type]()
