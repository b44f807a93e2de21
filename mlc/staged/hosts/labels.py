"""Labels and maps, where strings or dictionaries take part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlc.errors import DtypeError, InputError, ShapeError
from mlc.importers.onnx.labels import Labels, read_categories, read_labels
from mlc.importers.onnx.node import NodeView
from mlc.staged.held import Array, Held
from mlc.staged.hosts.sequences import required_array
from mlc.staged.hosts.strings import is_strings, required_strings, string_array


def label_encoder(node: NodeView, labels: Held) -> list[Held]:
    """What stands for each element in the node's table."""
    array = required_array(labels, "LabelEncoder: the input")
    if node.opset == 1:
        return category_mapper(node, array)
    return [_looked_up(array, read_labels(node), node.op_type)]


def category_mapper(node: NodeView, labels: Held) -> list[Held]:
    """Strings to integers, or integers to strings."""
    array = required_array(labels, f"{node.op_type}: the input")
    return [_looked_up(array, read_categories(node, is_strings(array)), node.op_type)]


def _looked_up(array: Array, table: Labels, owner: str) -> Array:
    if is_strings(array) != is_strings(table.keys):
        raise DtypeError(f"{owner}: the keys are {table.keys.dtype}, the input is {array.dtype}")
    values = dict(zip(table.keys.tolist(), table.values.tolist(), strict=True))
    default = table.default.item()
    found = [values.get(element, default) for element in array.reshape(-1).tolist()]
    if is_strings(table.values):
        return string_array(found, array.shape)
    numbers: Array = np.array(found, table.values.dtype)
    numbers.shape = array.shape
    return numbers


def one_hot_encoder(node: NodeView, strings: Held) -> list[Held]:
    """1 for the category that a string is, 0 for the others: f32[..., categories].

    Raises `InputError` for a string that is no category, where `zeros` does not allow it.
    """
    array = required_strings(strings, "OneHotEncoder: the input")
    categories = string_array(node.texts("cats_strings"))
    hot = array[..., np.newaxis] == categories
    if not node.flag("zeros", True) and not hot.any(axis=-1).all():
        raise InputError("OneHotEncoder: a string of the input is no category")
    return [hot.astype(np.float32)]


def dict_vectorizer(node: NodeView, mapping: Held) -> list[Held]:
    """The values of a map in the order of the vocabulary, 0 for what it lacks: [1, words]."""
    if not isinstance(mapping, dict):
        raise DtypeError("DictVectorizer: the input must be a map")
    words: Sequence[Any] = node.texts("string_vocabulary", ()) or node.integers(
        "int64_vocabulary", ()
    )
    values = [mapping.get(word, 0) for word in words]
    if any(isinstance(value, str) for value in mapping.values()):
        return [string_array([value or "" for value in values], (1, len(words)))]
    kinds = {type(value) for value in mapping.values()}
    return [np.array([values], np.int64 if kinds == {int} else np.float32)]


def zip_map(node: NodeView, scores: Held) -> list[Held]:
    """A map from class to score for each row of [N, C] (or [C]): a sequence of maps."""
    array = np.atleast_2d(required_array(scores, "ZipMap: the input"))
    names: Sequence[Any] = node.texts("classlabels_strings", ()) or node.integers(
        "classlabels_int64s", ()
    )
    if array.ndim != 2 or array.shape[1] != len(names):
        raise ShapeError(f"ZipMap: the shape {array.shape} does not fit {len(names)} classes")
    return [[dict(zip(names, row, strict=True)) for row in array.tolist()]]
