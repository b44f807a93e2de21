"""Operators on sequences: Python lists of tensors, never changed in place.

Each function takes the node, for its attributes, and the values it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlc.errors import DtypeError, ModelError, ShapeError
from mlc.importers.onnx.node import NodeView, normal_axis
from mlc.staged.held import Array, Held
from mlc.staged.step import Bodies


def required_sequence(value: Held, what: str) -> list[Any]:
    """A sequence; raises `DtypeError` for anything else."""
    if not isinstance(value, list):
        raise DtypeError(f"{what} must be a sequence, not {kind_of(value)}")
    return value


def required_array(value: Held, what: str) -> Array:
    """A tensor; raises `DtypeError` for anything else."""
    if not isinstance(value, np.ndarray):
        raise DtypeError(f"{what} must be a tensor, not {kind_of(value)}")
    return value


def kind_of(value: Held) -> str:
    """What errors call a value."""
    match value:
        case list():
            return "a sequence"
        case dict():
            return "a map"
        case None:
            return "an empty optional"
        case _:
            return "a tensor"


def _position(value: Held, count: int, owner: str) -> int:
    """An index of `count` places, counted from the end where it is negative."""
    array = required_array(value, f"{owner}: the position")
    if array.size != 1 or array.dtype.kind not in "iu":
        raise ModelError(f"{owner}: the position must be one integer")
    position = int(array.item())
    if not -count <= position < count:
        raise ModelError(f"{owner}: position {position} of a sequence with {count} places")
    return position % count


def construct(node: NodeView, *tensors: Held) -> list[Held]:
    """A sequence of tensors of one element type."""
    arrays = [required_array(tensor, "SequenceConstruct: an element") for tensor in tensors]
    _check_dtypes(arrays, "SequenceConstruct")
    return [arrays]


def _check_dtypes(arrays: Sequence[Array], owner: str) -> None:
    dtypes = {array.dtype for array in arrays}
    if len(dtypes) > 1:
        shown = " and ".join(sorted(map(str, dtypes)))
        raise DtypeError(f"{owner}: elements of one sequence are {shown}")


def empty(node: NodeView) -> list[Held]:
    """A sequence without elements."""
    return [[]]


def at(node: NodeView, sequence: Held, position: Held) -> list[Held]:
    """One element."""
    elements = required_sequence(sequence, "SequenceAt: the input")
    return [elements[_position(position, len(elements), "SequenceAt")]]


def insert(node: NodeView, sequence: Held, tensor: Held, position: Held = None) -> list[Held]:
    """The sequence with one more element: before `position`, or at the end."""
    elements = required_sequence(sequence, "SequenceInsert: the input")
    array = required_array(tensor, "SequenceInsert: the element")
    _check_dtypes([*elements[:1], array], "SequenceInsert")
    count = len(elements)
    place = count if position is None else _insertion(position, count)
    return [[*elements[:place], array, *elements[place:]]]


def _insertion(position: Held, count: int) -> int:
    """Where to insert: -count to count; what is negative counts from the end of the old one."""
    array = required_array(position, "SequenceInsert: the position")
    if array.size == 1 and array.dtype.kind in "iu" and array.item() == count:
        return count
    return _position(position, count, "SequenceInsert")


def erase(node: NodeView, sequence: Held, position: Held = None) -> list[Held]:
    """The sequence without one element: that at `position`, or the last."""
    elements = required_sequence(sequence, "SequenceErase: the input")
    last = np.array(-1) if position is None else position
    place = _position(last, len(elements), "SequenceErase")
    return [[*elements[:place], *elements[place + 1 :]]]


def length(node: NodeView, sequence: Held) -> list[Held]:
    """How many elements there are: i64[]."""
    return [np.array(len(required_sequence(sequence, "SequenceLength: the input")), np.int64)]


def split(node: NodeView, tensor: Held, sizes: Held = None) -> list[Held]:
    """The parts of a tensor along an axis: of one size, of the sizes given, or of one each."""
    array = required_array(tensor, "SplitToSequence: the input")
    axis = node.axis("axis", array.ndim, 0)
    extent = array.shape[axis]
    if sizes is None:
        lengths = [1] * extent
    else:
        lengths = _lengths(required_array(sizes, "SplitToSequence: the sizes"), extent)
    ends = np.cumsum([0, *lengths])[1:-1]
    parts = np.split(array, ends, axis) if lengths else []
    if sizes is None and not node.flag("keepdims", True):
        parts = [np.squeeze(part, axis) for part in parts]
    return [[np.ascontiguousarray(part).reshape(part.shape) for part in parts]]


def _lengths(sizes: Array, extent: int) -> list[int]:
    given = [int(size) for size in sizes.reshape(-1)]
    if sizes.ndim == 0:
        size = given[0]
        if size <= 0:
            raise ShapeError(f"SplitToSequence: the size is {size}")
        return [min(size, extent - start) for start in range(0, extent, size)]
    if min(given, default=0) < 0 or sum(given) != extent:
        raise ShapeError(f"SplitToSequence: the sizes {given} do not add up to {extent}")
    return given


def concat(node: NodeView, sequence: Held) -> list[Held]:
    """The elements joined along an axis that they have, or, with `new_axis`, along a new one."""
    elements = required_sequence(sequence, "ConcatFromSequence: the input")
    if not elements:
        raise ShapeError("ConcatFromSequence: the sequence is empty")
    stack = node.flag("new_axis")
    axis = normal_axis(node.integer("axis"), elements[0].ndim + stack)
    try:
        joined = np.stack(elements, axis) if stack else np.concatenate(elements, axis)
    except ValueError:
        shapes = ", ".join(sorted({str(array.shape) for array in elements}))
        raise ShapeError(
            f"ConcatFromSequence: elements of the shapes {shapes} do not fit together"
        ) from None
    return [joined]


def sequence_map(node: NodeView, inputs: Sequence[Held], bodies: Bodies) -> list[Held]:
    """Apply a subgraph to each element; other sequences give theirs, tensors come along whole."""
    body = bodies(node.body("body"))
    first = required_sequence(inputs[0], "SequenceMap: the first input")
    for value in inputs[1:]:
        if isinstance(value, list) and len(value) != len(first):
            raise ShapeError(f"SequenceMap: sequences of {len(first)} and of {len(value)} elements")
    results: list[list[Any]] = [[] for _ in range(node.output_count)]
    for position in range(len(first)):
        given = [value[position] if isinstance(value, list) else value for value in inputs]
        for result, element in zip(results, body(given), strict=True):
            result.append(element)
    return list(results)
