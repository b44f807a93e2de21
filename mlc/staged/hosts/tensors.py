"""Operators on any tensors, for strings: what numbers have compiled code for.

Each function takes the node, for its attributes, and the values it reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from mlc.errors import InputError, ModelError, ShapeError
from mlc.importers.onnx.node import NodeView, normal_axes, normal_axis
from mlc.importers.onnx.tensors import dtype_from_onnx
from mlc.staged.held import Array, Held, strings_from_onnx
from mlc.staged.hosts.sequences import required_array
from mlc.staged.hosts.strings import is_strings, required_strings, string_array


def constant(node: NodeView) -> list[Array]:
    """A constant of strings."""
    if node.has("value"):
        return [strings_from_onnx(node.attributes["value"].t)]
    if node.has("value_string"):
        return [string_array([node.text("value_string")], ())]
    return [string_array(node.texts("value_strings"))]


def cast(node: NodeView, value: Held) -> list[Array]:
    """Strings from numbers, or numbers from strings."""
    array, code = required_array(value, "Cast: the input"), node.integer("to")
    if code == TensorProto.STRING:
        texts = array if is_strings(array) else [_text(number) for number in array.reshape(-1)]
        return [string_array(list(np.reshape(texts, -1)), array.shape)]
    dtype = dtype_from_onnx(code, "Cast: the result").numpy
    numbers = [_number(text, dtype) for text in required_strings(array, "Cast: the input").flat]
    return [np.array(numbers, dtype).reshape(array.shape)]


_SPECIAL = {"nan": "NaN", "inf": "INF", "-inf": "-INF"}
"""What ONNX calls the floats that are no numbers."""


def _text(number: Any) -> str:
    text = str(number)
    return _SPECIAL.get(text, text)


def _number(text: str, dtype: np.dtype[Any]) -> Any:
    try:
        if dtype.kind not in "iu":
            return dtype.type(float(text))
        digits = text.strip().lstrip("+-").isdigit()
        return dtype.type(int(text) if digits else int(float(text)))
    except (ValueError, OverflowError):
        raise InputError(f"Cast: {text!r} is no number of type {dtype}") from None


def reshape(node: NodeView, value: Held, shape: Held) -> list[Array]:
    """The elements in another shape: 0 keeps a dimension, -1 is what is left."""
    array = required_array(value, "Reshape: the input")
    dims = _integers(shape, "Reshape: the shape")
    if not node.flag("allowzero"):
        dims = [
            array.shape[axis] if dim == 0 and axis < array.ndim else dim
            for axis, dim in enumerate(dims)
        ]
    try:
        return [array.reshape(dims)]
    except ValueError:
        raise ShapeError(f"Reshape: {array.shape} does not become {tuple(dims)}") from None


def flatten(node: NodeView, value: Held) -> list[Array]:
    """Two axes: those before `axis`, and the others."""
    array = required_array(value, "Flatten: the input")
    axis = node.integer("axis", 1)
    axis = axis + array.ndim if axis < 0 else axis
    rows = int(np.prod(array.shape[:axis], dtype=np.int64))
    return [array.reshape(rows, int(np.prod(array.shape[axis:], dtype=np.int64)))]


def squeeze(node: NodeView, value: Held, axes: Held = None) -> list[Array]:
    """Without the axes given, or without all of size 1."""
    array = required_array(value, "Squeeze: the input")
    given = _axes(node, axes)
    chosen = None if given is None else normal_axes(given, array.ndim)
    try:
        return [np.squeeze(array, chosen)]
    except ValueError:
        raise ShapeError(f"Squeeze: axes {chosen} of {array.shape} are not all 1") from None


def unsqueeze(node: NodeView, value: Held, axes: Held = None) -> list[Array]:
    """With axes of size 1 put in."""
    array = required_array(value, "Unsqueeze: the input")
    given = _axes(node, axes) or []
    return [np.expand_dims(array, normal_axes(given, array.ndim + len(given)))]


def _axes(node: NodeView, axes: Held) -> list[int] | None:
    """Axes are an attribute before operator set 13, an input since."""
    if axes is not None:
        return _integers(axes, f"{node.op_type}: the axes")
    return list(node.integers("axes")) if node.has("axes") else None


def transpose(node: NodeView, value: Held) -> list[Array]:
    """Axes permuted, or reversed."""
    array = required_array(value, "Transpose: the input")
    perm = node.integers("perm", tuple(reversed(range(array.ndim))))
    if sorted(perm) != list(range(array.ndim)):
        raise ModelError(f"Transpose: perm {list(perm)} of {array.ndim} axes")
    return [np.ascontiguousarray(array.transpose(perm)).reshape([array.shape[p] for p in perm])]


def concat(node: NodeView, *values: Held) -> list[Array]:
    """Tensors joined along an axis."""
    arrays = [required_array(value, "Concat: an input") for value in values]
    axis = normal_axis(node.integer("axis"), arrays[0].ndim)
    try:
        return [np.concatenate(arrays, axis)]
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ShapeError(f"Concat: the shapes {shapes} do not fit together") from None


def gather(node: NodeView, value: Held, indices: Held) -> list[Array]:
    """Elements along an axis, by index; negative ones count from the end."""
    array = required_array(value, "Gather: the input")
    axis = node.axis("axis", array.ndim, 0)
    places = required_array(indices, "Gather: the indices")
    extent = array.shape[axis]
    if places.size and not (-extent <= places.min() and places.max() < extent):
        raise InputError(f"Gather: an index is outside of {extent} elements")
    return [np.asarray(np.take(array, places.astype(np.int64), axis), array.dtype)]


def array_feature_extractor(node: NodeView, value: Held, places: Held) -> list[Array]:
    """Columns of the last axis; a vector is a row."""
    array = np.atleast_2d(required_array(value, "ArrayFeatureExtractor: the input"))
    columns = _integers(places, "ArrayFeatureExtractor: the columns")
    if columns and not (min(columns) >= 0 and max(columns) < array.shape[-1]):
        raise InputError(f"ArrayFeatureExtractor: a column is outside of {array.shape[-1]}")
    return [array[..., columns]]


def where(node: NodeView, condition: Held, on_true: Held, on_false: Held) -> list[Array]:
    """Elements of one tensor or the other, broadcast as NumPy does."""
    values = [required_array(v, "Where: an input") for v in (condition, on_true, on_false)]
    try:
        return [np.where(*values)]
    except ValueError:
        shapes = ", ".join(str(value.shape) for value in values)
        raise ShapeError(f"Where: the shapes {shapes} do not broadcast") from None


def expand(node: NodeView, value: Held, shape: Held) -> list[Array]:
    """Broadcast in both directions."""
    array = required_array(value, "Expand: the input")
    wanted = tuple(_integers(shape, "Expand: the shape"))
    try:
        return [np.broadcast_to(array, np.broadcast_shapes(array.shape, wanted)).copy()]
    except ValueError:
        raise ShapeError(f"Expand: {array.shape} does not broadcast to {wanted}") from None


def shape(node: NodeView, value: Held) -> list[Array]:
    """The dimensions from `start` to `end`: i64[n]."""
    dims = required_array(value, "Shape: the input").shape
    end = node.integer("end") if node.has("end") else None
    return [np.array(dims[node.integer("start", 0) : end], np.int64)]


def size(node: NodeView, value: Held) -> list[Array]:
    """The number of elements: i64[]."""
    return [np.array(required_array(value, "Size: the input").size, np.int64)]


def _integers(value: Held, what: str) -> list[int]:
    array = required_array(value, what)
    if array.dtype.kind not in "iu":
        raise ModelError(f"{what} must be integers, not {array.dtype}")
    return [int(number) for number in array.reshape(-1)]
