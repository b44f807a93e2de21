"""contraction: matmul and convolution by a register tile over packed weights.

    for the rest of the output (parallel)
      acc[rows, columns] = 0                 in registers
      for reduction
        acc += row element (broadcast) * packed column vector
      out tile = epilogue(acc)

Rows are the spatial axes of a convolution, fused, or the rows of all matrices of a product that
share their right side. Knobs: `rows` and `columns` of the tile, `order` of the tile loops
("columns" keeps a panel of weights in cache while the rows stream past, "rows" the other way
round).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from mlc.ir.operator import Kind
from mlc.ir.rewrite import buffers_of
from mlc.ir.stmt import For
from mlc.ir.types import TensorType
from mlc.passes.lower.group import Group, Stage
from mlc.passes.schedule.primitives import (
    compute_at,
    fuse,
    merge_dims,
    pack,
    parallel,
    reorder,
    set_scope,
    split,
    unroll,
    vectorize,
)
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import (
    PARALLEL_ELEMENTS,
    Knobs,
    Machine,
    Space,
    final_loops,
    inline_cheap,
    inner_loops,
    kind_of,
)
from mlc.passes.schedule.templates.nests import schedule_nests
from mlc.passes.schedule.templates.register_tile import candidate_tiles, choose_tile

_PAGE = 4096
_ROWS_IN_ONE_SET = 8
"""Ways of the first-level cache on the CPUs there are."""
_SMALL_REDUCTION = 4
"""A channel loop this short is unrolled."""


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


class Contraction:
    """Schedules groups around a `matmul` or a `conv` that is not depthwise."""

    name = "contraction"

    def matches(self, group: Group) -> bool:
        """Exactly one contraction, and it is a matmul or a convolution with wide groups."""
        anchors = [stage for stage in group.stages if kind_of(stage) is Kind.CONTRACTION]
        return len(anchors) == 1 and anchors[0].node.op in ("matmul", "conv")

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """All tiles that fit the registers, both orders."""
        shape = _shape(_anchor(group))
        bits = _anchor(group).node.output.type.dtype.bits
        columns = shape.columns // shape.groups
        tiles = candidate_tiles(shape.rows, columns, machine.target, bits)
        box: Space = {
            "rows": tuple(sorted({tile.rows for tile in tiles})),
            "columns": tuple(sorted({tile.columns for tile in tiles})),
            "order": ("columns", "rows"),
        }
        return (box,)

    def default(self, group: Group, machine: Machine) -> Knobs:
        """The rule of `register_tile`; weights that fit the second-level cache stay there."""
        anchor = _anchor(group)
        shape = _shape(anchor)
        bits = anchor.node.output.type.dtype.bits
        columns = shape.columns // shape.groups
        ways = _ROWS_IN_ONE_SET if _rows_collide(group, anchor, shape) else shape.rows
        tile = choose_tile(shape.rows, columns, machine.target, bits, ways)
        fits = shape.weight_bytes <= machine.target.l2_bytes // 2
        return {
            "rows": tile.rows,
            "columns": tile.columns,
            "order": "rows" if fits and shape.rows > tile.rows else "columns",
        }

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """Tile the output, accumulate in registers, pack what the columns read."""
        anchor = _anchor(group)
        shape = _shape(anchor)
        schedule = inline_cheap(Schedule(group.func), group)
        schedule, rows = _fuse_rows(schedule, group, anchor, shape)
        loops = final_loops(group)
        images = [loops[axis] for axis in shape.outer]
        schedule, order = _tile(schedule, images, rows, shape, group, knobs)
        outer, inner = order[:-2], order[-2:]
        schedule = compute_at(schedule, anchor.outputs[0], outer[-1])
        schedule = set_scope(schedule, anchor.outputs[0], "register")
        schedule = _shape_inner_nests(schedule, anchor, outer[-1], inner, shape)
        schedule = _pack_columns(schedule, anchor, int(knobs["columns"]))
        schedule = schedule_nests(schedule, 2, machine, skip=outer[:1])
        work = anchor.node.output.type.elements * shape.depth
        if machine.threads > 1 and work > PARALLEL_ELEMENTS:
            for loop in outer:
                schedule = parallel(schedule, loop)
        return schedule


def _anchor(group: Group) -> Stage:
    return next(stage for stage in group.stages if kind_of(stage) is Kind.CONTRACTION)


def _shape(anchor: Stage) -> Shape:
    node = anchor.node
    out = node.output.type
    right = node.inputs[1].type
    if node.op == "conv":
        dims = out.static_shape
        depth = right.elements // dims[1]
        split_at = _first_mergeable(out, 2, len(dims))
        spatial = tuple(range(split_at, len(dims)))
        rows = _product(dims[split_at:])
        groups = cast(int, node.attrs["groups"])
        outer = (0, *range(2, split_at))
        return Shape(outer, spatial, 1, rows, dims[1], depth, right.bytes, groups)
    dims = out.static_shape
    rank = len(dims)
    left = node.inputs[0].type.static_shape
    depth = left[-2 if node.attrs.get("transpose_a") else -1]
    first = _first_mergeable(out, 0, rank - 1) if right.rank == 2 else rank - 2
    row_axes, outer = tuple(range(first, rank - 1)), tuple(range(first))
    rows = _product([dims[axis] for axis in row_axes])
    panel = dims[-1] * depth * right.dtype.bytes
    return Shape(outer, row_axes, rank - 1, rows, dims[-1], depth, panel)


def _first_mergeable(out: TensorType, first: int, end: int) -> int:
    """The axis from which on the axes before `end` lie one in the other, as one would."""
    sizes, strides = out.static_shape, out.strides
    axis = end - 1
    while axis > first and strides[axis - 1] == strides[axis] * sizes[axis]:
        axis -= 1
    return axis


def _rows_collide(group: Group, anchor: Stage, shape: Shape) -> bool:
    """Whether neighbouring rows of the input lie a multiple of a page apart.

    Their elements then compete for one set of the first-level cache.
    """
    source = buffers_of(group.func).get(anchor.inputs[0])
    if source is None:  # a constant of one element
        return False
    axis, step = len(source.shape) - 2, 1
    if anchor.node.op == "conv":
        axis = shape.row_axes[-1]
        step = cast("tuple[int, ...]", anchor.node.attrs["strides"])[-1]
    apart = step * source.strides[axis] * source.dtype.bytes
    return apart % _PAGE == 0 and shape.depth > 1


def _product(sizes: Sequence[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def _fuse_rows(
    schedule: Schedule, group: Group, anchor: Stage, shape: Shape
) -> tuple[Schedule, str]:
    """Make one loop of the row axes, and one dimension of them in the accumulator."""
    loops = final_loops(group)
    name = loops[shape.row_axes[0]]
    for number, axis in enumerate(shape.row_axes[1:]):
        fused = f"{anchor.prefix}m{number}"
        schedule = fuse(schedule, name, loops[axis], name=fused)
        schedule = merge_dims(schedule, anchor.outputs[0], shape.row_axes[0])
        name = fused
    return schedule, name


def _tile(
    schedule: Schedule, outer: list[str], rows: str, shape: Shape, group: Group, knobs: Knobs
) -> tuple[Schedule, list[str]]:
    """Split rows and columns; returns the loops in order, the two of the tile last."""
    columns = final_loops(group)[shape.column_axis]
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
    order = [*outer, *tiles, row_names[1], column_names[1]]
    return reorder(schedule, *order), order


def _shape_inner_nests(
    schedule: Schedule, anchor: Stage, loop: str, inner: list[str], shape: Shape
) -> Schedule:
    """Reductions outside, rows unrolled, columns as vectors, in every nest of the tile."""
    prefix, axis = anchor.prefix, shape.column_axis
    columns = {f"{prefix}i{axis}", f"{prefix}z{axis}", inner[1]}
    for path in inner_loops(schedule.func.body, loop):
        reduced = [name for name in path if name.startswith(f"{prefix}r")]
        reduced = [*reduced[1:], *reduced[:1]]  # kernel positions, then channels
        column = [name for name in path if name in columns]
        rows = [name for name in path if name not in reduced and name not in column]
        if len(path) > 1 and path != [*reduced, *rows, *column]:
            schedule = reorder(schedule, *reduced, *rows, *column)
        for name in rows:
            schedule = unroll(schedule, name)
        if reduced and _extent(schedule.loop(reduced[-1])) <= _SMALL_REDUCTION:
            schedule = unroll(schedule, reduced[-1])
        for name in column:
            schedule = vectorize(schedule, name)
    return schedule


def _extent(loop: For) -> int:
    value = getattr(loop.extent, "value", None)
    return int(value) if value is not None else _SMALL_REDUCTION + 1


def _pack_columns(schedule: Schedule, anchor: Stage, columns: int) -> Schedule:
    """Lay the column operand out as [column tile][reduction][columns of the tile]."""
    name = anchor.inputs[1]
    buffer = buffers_of(schedule.func).get(name)
    if buffer is None:  # a constant of one element, which stands in the loops as a number
        return schedule
    rank = len(buffer.shape)
    if anchor.node.op == "conv":
        order: list[int | tuple[int, str]] = [(0, "outer"), *range(2, rank), 1, (0, "inner")]
        groups = cast(int, anchor.node.attrs["groups"])
        block = columns if groups == 1 else buffer.shape[0] // groups
        return pack(schedule, name, {0: block}, order)
    transposed = bool(anchor.node.attrs.get("transpose_b"))
    column, depth = (rank - 2, rank - 1) if transposed else (rank - 1, rank - 2)
    if buffer.scope != "constant" and buffer.strides[column] == 1:
        return schedule
    order = [*range(rank - 2), (column, "outer"), depth, (column, "inner")]
    return pack(schedule, name, {column: columns}, order)
