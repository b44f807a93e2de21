"""What flows between the stages of a model: arrays, sequences, maps, and optionals without content.

A tensor of strings is an array of objects, each a `str`. A sequence is a list of tensors. An
optional is its content, or `None`. Nobody writes into a value once it is held: values are shared.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeGuard

import numpy as np
import onnx

from mlc.errors import ModelError

Array = np.ndarray[Any, Any]

Held = Array | list[Any] | dict[Any, Any] | None
"""A value between two stages."""


def is_tensor(value: object) -> TypeGuard[Array]:
    """Whether compiled code can take the value: an array of anything but strings."""
    return isinstance(value, np.ndarray) and value.dtype.kind not in "OUST"


def type_key(value: Held) -> Hashable:
    """What of a value compiled code depends on: dtype and shape of a tensor, the kind of others.

    >>> type_key(np.zeros((2, 3), np.float32))
    (dtype('float32'), (2, 3))
    >>> type_key([np.zeros(2)])
    'sequence'
    """
    if is_tensor(value):
        return value.dtype, value.shape
    match value:
        case np.ndarray():
            return "strings"
        case list():
            return "sequence"
        case dict():
            return "map"
        case _:
            return "nothing"


def strings_from_onnx(tensor: onnx.TensorProto) -> Array:
    """The strings that a tensor of a file holds; `ModelError` where they do not fill its shape."""
    array = np.empty(len(tensor.string_data), object)
    array[:] = [text.decode("utf-8", "replace") for text in tensor.string_data]
    try:
        return array.reshape(tuple(tensor.dims))
    except ValueError:
        raise ModelError(
            f"tensor '{tensor.name}' of shape {list(tensor.dims)} holds {array.size} strings"
        ) from None
