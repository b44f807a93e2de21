"""A matmul or a convolution as one product of matrices: which axes are what, and its tiles.

The templates of contractions share this: the roles of the axes, the loop over rows, the cut of the
output in tiles, and the layout of what the columns read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from mlc.ir.operator import Kind
from mlc.ir.rewrite import buffers_of
from mlc.ir.types import TensorType
from mlc.passes.lower.group import Group, Stage
from mlc.passes.schedule.primitives import fuse, merge_dims, pack, split
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import Knobs, Machine, kind_of
from mlc.passes.schedule.templates.register_tile import rows_that_fit


@dataclass(frozen=True, slots=True)
class Shape:
    """The roles of the output's axes, and the sizes of the equivalent matrix product."""

    outer: tuple[int, ...]
    row_axes: tuple[int, ...]
    column_axis: int
    rows: int
    columns: int
    depth: int
    weight_bytes: int
    groups: int = 1


def anchor_of(group: Group) -> Stage:
    """The one contraction of a group."""
    return next(stage for stage in group.stages if kind_of(stage) is Kind.CONTRACTION)


def shape_of(anchor: Stage) -> Shape:
    """The roles of the axes of a matmul or a convolution."""
    node = anchor.node
    out = node.output.type
    right = node.inputs[1].type
    if node.op == "conv":
        dims = out.static_shape
        depth = right.elements // dims[1]
        split_at = _first_mergeable(out, 2, len(dims))
        spatial = tuple(range(split_at, len(dims)))
        rows = math.prod(dims[split_at:])
        groups = cast(int, node.attrs["groups"])
        outer = (0, *range(2, split_at))
        return Shape(outer, spatial, 1, rows, dims[1], depth, right.bytes, groups)
    dims = out.static_shape
    rank = len(dims)
    left = node.inputs[0].type.static_shape
    depth = left[-2 if node.attrs.get("transpose_a") else -1]
    first = _first_mergeable(out, 0, rank - 1) if right.rank == 2 else rank - 2
    row_axes, outer = tuple(range(first, rank - 1)), tuple(range(first))
    rows = math.prod([dims[axis] for axis in row_axes])
    panel = dims[-1] * depth * right.dtype.bytes
    return Shape(outer, row_axes, rank - 1, rows, dims[-1], depth, panel)


def _first_mergeable(out: TensorType, first: int, end: int) -> int:
    """The axis from which on the axes before `end` lie one in the other, as one would."""
    sizes, strides = out.static_shape, out.strides
    axis = end - 1
    while axis > first and strides[axis - 1] == strides[axis] * sizes[axis]:
        axis -= 1
    return axis


def by_lines(anchor: Stage, shape: Shape) -> Shape:
    """The same, but only the innermost spatial axis makes rows."""
    *lines, last = shape.row_axes
    rows = anchor.node.output.type.static_shape[last]
    return replace(shape, outer=(*shape.outer, *lines), row_axes=(last,), rows=rows)


def reduction_length(anchor: Stage) -> int:
    """Iterations of the innermost reduction: input channels of a group, or the whole depth."""
    node = anchor.node
    if node.op == "conv":
        return node.inputs[1].type.static_shape[1]
    return node.inputs[0].type.static_shape[-2 if node.attrs.get("transpose_a") else -1]


def fuse_rows(
    schedule: Schedule, loops: Sequence[str], anchor: Stage, shape: Shape
) -> tuple[Schedule, str]:
    """Make one loop of the row axes, and one dimension of them in the accumulator.

    `loops` are those of a nest by logical axis.
    """
    name = loops[shape.row_axes[0]]
    for number, axis in enumerate(shape.row_axes[1:]):
        fused = f"{anchor.prefix}m{number}"
        schedule = fuse(schedule, name, loops[axis], name=fused)
        schedule = merge_dims(schedule, anchor.outputs[0], shape.row_axes[0])
        name = fused
    return schedule, name


def tile_output(
    schedule: Schedule, loops: Sequence[str], rows: str, shape: Shape, knobs: Knobs
) -> tuple[Schedule, list[str]]:
    """Split rows and columns; returns the loops in order, the two of the tile last.

    With the knob `block`, the tiles of the inner loop go in blocks of so many, in a loop around.
    """
    outer, columns = [loops[axis] for axis in shape.outer], loops[shape.column_axis]
    if shape.groups > 1:
        names = (f"{columns}_g", f"{columns}_c")
        schedule = split(schedule, columns, shape.columns // shape.groups, names=names)
        outer, columns = [*outer, names[0]], names[1]
    row_names, column_names = (f"{rows}_o", f"{rows}_i"), (f"{columns}_o", f"{columns}_i")
    schedule = split(schedule, rows, int(knobs["rows"]), names=row_names)
    schedule = split(schedule, columns, int(knobs["columns"]), names=column_names)
    tiles = [column_names[0], row_names[0]]
    if knobs["order"] == "rows":
        tiles.reverse()
    block = int(knobs.get("block", 0))
    if block:
        streamed = tiles[1]
        names = (f"{streamed}_b", f"{streamed}_t")
        schedule = split(schedule, streamed, block, names=names)
        tiles = [names[0], tiles[0], names[1]]
    return schedule, [*outer, *tiles, row_names[1], column_names[1]]


def shared_loops(order: Sequence[str], knobs: Knobs) -> Sequence[str]:
    """Of the loops that `tile_output` gave, those that the threads share.

    All around the tile loops, and of these the first two, or as many as the knob `shared` says.
    """
    tile_loops = 3 if int(knobs.get("block", 0)) else 2
    return order[: len(order) - 2 - tile_loops + int(knobs.get("shared", 2))]


def pack_choices(group: Group, anchor: Stage) -> tuple[bool, ...]:
    """Whether the columns may be laid out anew, or left as they are; the default comes first."""
    buffer = buffers_of(group.func).get(anchor.inputs[1])
    if buffer is None or anchor.node.op == "conv":
        return ()
    column = -2 if anchor.node.attrs.get("transpose_b") else -1
    if buffer.strides[column] != 1:
        return ()
    return (True, False) if buffer.scope == "constant" else (False, True)


def pack_columns(schedule: Schedule, anchor: Stage, knobs: Knobs) -> Schedule:
    """Lay the column operand out as [column tile][reduction][columns of the tile]."""
    name, columns = anchor.inputs[1], int(knobs["columns"])
    buffer = buffers_of(schedule.func).get(name)
    if buffer is None:  # a constant of one element, which stands in the loops as a number
        return schedule
    rank = len(buffer.shape)
    if anchor.node.op == "conv":
        groups = cast(int, anchor.node.attrs["groups"])
        block = columns if groups == 1 else buffer.shape[0] // groups
        channels = int(knobs.get("channels", 0))
        order: list[int | tuple[int, str]] = [(0, "outer"), *range(2, rank), 1, (0, "inner")]
        if not channels:
            return pack(schedule, name, {0: block}, order)
        order = [order[0], (1, "outer"), *range(2, rank), (1, "inner"), order[-1]]
        return pack(schedule, name, {0: block, 1: channels}, order)
    transposed = bool(anchor.node.attrs.get("transpose_b"))
    column, depth = (rank - 2, rank - 1) if transposed else (rank - 1, rank - 2)
    dense = buffer.strides[column] == 1
    if dense and not knobs.get("pack", buffer.scope == "constant"):
        return schedule
    order = [*range(rank - 2), (column, "outer"), depth, (column, "inner")]
    return pack(schedule, name, {column: columns}, order)


def can_pack_rows(group: Group, anchor: Stage, shape: Shape) -> bool:
    """Whether the row operand may be laid out anew: a parameter whose rows make one dimension."""
    buffer = buffers_of(group.func).get(anchor.inputs[0])
    if buffer is None or buffer.scope != "param" or anchor.inputs[0] == anchor.inputs[1]:
        return False
    if anchor.node.op == "conv" and not _is_pointwise(anchor):
        return False
    if anchor.node.attrs.get("transpose_a") and len(shape.row_axes) > 1:
        return False
    return all(
        buffer.shape[axis] == 1
        or buffer.strides[axis] == buffer.shape[axis + 1] * buffer.strides[axis + 1]
        for axis in _row_dims(anchor, shape)[:-1]
    )


def pack_rows(schedule: Schedule, anchor: Stage, shape: Shape, knobs: Knobs) -> Schedule:
    """Lay the row operand out as [row tile][reduction][rows of the tile], before all else.

    Its elements then lie side by side, whatever lay between the rows.
    """
    name, dims = anchor.inputs[0], _row_dims(anchor, shape)
    for _ in dims[1:]:
        schedule = merge_dims(schedule, name, dims[0])
    row, rank = dims[0], len(schedule.buffer(name).shape)
    others = [dim for dim in range(rank) if dim != row]
    missing = 0 if anchor.node.op == "conv" else _missing_dims(anchor)
    outer = [dim for dim in others if dim + missing in shape.outer]
    depth = [dim for dim in others if dim not in outer]
    order: list[int | tuple[int, str]] = [*outer, (row, "outer"), *depth, (row, "inner")]
    return pack(schedule, name, {row: int(knobs["rows"])}, order)


def _is_pointwise(anchor: Stage) -> bool:
    """Whether a convolution reads exactly one position for each that it writes."""
    node = anchor.node
    ones = set(node.inputs[1].type.static_shape[2:]) == {1}
    strides = cast("tuple[int, ...]", node.attrs["strides"])
    same = node.inputs[0].type.static_shape[2:] == node.output.type.static_shape[2:]
    return ones and set(strides) == {1} and same and node.attrs["groups"] == 1


def _row_dims(anchor: Stage, shape: Shape) -> list[int]:
    """The dimensions of the row operand that its rows walk."""
    if anchor.node.op == "conv":
        return list(shape.row_axes)
    rank = anchor.node.inputs[0].type.rank
    missing = _missing_dims(anchor)
    row = rank - 1 if anchor.node.attrs.get("transpose_a") else rank - 2
    return [*(axis - missing for axis in shape.row_axes[:-1]), row]


def _missing_dims(anchor: Stage) -> int:
    """How many dimensions the row operand of a matmul has less than the output."""
    return anchor.node.output.type.rank - anchor.node.inputs[0].type.rank


def clamped_rows(knobs: Knobs, machine: Machine, bits: int) -> int:
    """The knob `rows`, or as many as the registers hold beside the knob `columns`."""
    vectors = -(-int(knobs["columns"]) // machine.target.lanes(bits))
    return min(int(knobs["rows"]), max(1, rows_that_fit(vectors, machine.target)))
