"""Rewrites of operators that only move elements."""

from __future__ import annotations

import numpy as np

from mlc.ir.graph import Node, Value
from mlc.ir.graph_edit import GraphEdit
from mlc.ir.types import TensorType
from mlc.passes.graph.rewrites.rule import Rule, ints, only_input, same_type, source_of


def transpose_of_nothing(edit: GraphEdit, node: Node) -> Value | None:
    """`transpose(x) {0, 1, 2}` is x."""
    perm = ints(node, "perm")
    return node.inputs[0] if perm == tuple(range(len(perm))) else None


def transpose_of_transpose(edit: GraphEdit, node: Node) -> Value | None:
    """Two transposes are one."""
    inner = source_of(edit, only_input(node), "transpose")
    if inner is None:
        return None
    first = ints(inner, "perm")
    perm = tuple(first[axis] for axis in ints(node, "perm"))
    return edit.emit("transpose", inner.inputs, {"perm": perm}, loc=node.loc)


def transpose_to_reshape(edit: GraphEdit, node: Node) -> Value | None:
    """A transpose that only moves axes of one element is a reshape."""
    source = only_input(node).type
    kept = [axis for axis in ints(node, "perm") if source.shape[axis] != 1]
    if kept != sorted(kept) or not source.is_static:
        return None
    attrs = {"shape": node.output.type.static_shape}
    return edit.emit("reshape", node.inputs, attrs, loc=node.loc)


def reshape_of_reshape(edit: GraphEdit, node: Node) -> Value | None:
    """Two reshapes are one."""
    inner = source_of(edit, only_input(node), "reshape")
    if inner is None:
        return None
    return edit.emit("reshape", inner.inputs, node.attrs, loc=node.loc)


def slice_of_slice(edit: GraphEdit, node: Node) -> Value | None:
    """Two slices are one."""
    inner = source_of(edit, only_input(node), "slice")
    if inner is None:
        return None
    inner_starts, inner_steps = ints(inner, "starts"), ints(inner, "steps")
    outer_starts, outer_steps = ints(node, "starts"), ints(node, "steps")
    pairs = zip(inner_starts, inner_steps, outer_starts, strict=True)
    starts = tuple(start + step * offset for start, step, offset in pairs)
    steps = tuple(a * b for a, b in zip(inner_steps, outer_steps, strict=True))
    attrs = {"starts": starts, "sizes": ints(node, "sizes"), "steps": steps}
    return edit.emit("slice", inner.inputs, attrs, loc=node.loc)


def slice_of_everything(edit: GraphEdit, node: Node) -> Value | None:
    """A slice from the start, by steps of one, of the whole size."""
    source = edit.current(only_input(node))
    forward = all(step == 1 for step in ints(node, "steps")) and not any(ints(node, "starts"))
    return source if forward and source.type == node.output.type else None


def concat_of_slices(edit: GraphEdit, node: Node) -> Value | None:
    """Slices of one value, put together again as they were, are that value."""
    parts = [source_of(edit, value, "slice") for value in node.inputs]
    first = parts[0]
    if first is None or any(part is None or part.inputs != first.inputs for part in parts):
        return None
    axis, position = node.attrs["axis"], 0
    assert isinstance(axis, int)
    for part in parts:
        assert part is not None
        expected = [0] * part.output.type.rank
        expected[axis] = position
        if ints(part, "starts") != tuple(expected) or any(s != 1 for s in ints(part, "steps")):
            return None
        position += ints(part, "sizes")[axis]
    whole = first.inputs[0]
    return whole if whole.type == node.output.type else None


def expand_of_expand(edit: GraphEdit, node: Node) -> Value | None:
    """Two expands are one."""
    inner = source_of(edit, only_input(node), "expand")
    return edit.emit("expand", inner.inputs, node.attrs, loc=node.loc) if inner else None


def gather_to_slice(edit: GraphEdit, node: Node) -> Value | None:
    """A gather by known indices that follow one another is a slice, a view."""
    data, indices = node.inputs
    known = edit.array(indices)
    axis = node.attrs["axis"]
    if known is None or known.ndim > 1 or not known.size or not data.type.is_static:
        return None
    assert isinstance(axis, int)
    shape = data.type.static_shape
    wrapped = np.atleast_1d(known) % shape[axis]
    if (np.diff(wrapped) != 1).any() or (np.abs(known + 0.5) > shape[axis]).any():
        return None
    starts, sizes = [0] * len(shape), list(shape)
    starts[axis], sizes[axis] = int(wrapped[0]), len(wrapped)
    attrs = {"starts": tuple(starts), "sizes": tuple(sizes), "steps": (1,) * len(shape)}
    part = edit.emit("slice", [data], attrs, name=f"{node.output.name}.slice", loc=node.loc)
    return part if known.ndim else _reshaped(edit, part, node.output.type, node)


def _reshaped(edit: GraphEdit, value: Value, to: TensorType, node: Node) -> Value:
    return edit.emit("reshape", [value], {"shape": to.static_shape}, loc=node.loc)


RULES: dict[str, tuple[Rule, ...]] = {
    "identity": (same_type,),
    "expand": (same_type, expand_of_expand),
    "tile": (same_type,),
    "pad": (same_type,),
    "concat": (same_type, concat_of_slices),
    "reshape": (same_type, reshape_of_reshape),
    "transpose": (transpose_of_nothing, transpose_of_transpose, transpose_to_reshape),
    "slice": (slice_of_everything, slice_of_slice),
    "gather": (gather_to_slice,),
}
