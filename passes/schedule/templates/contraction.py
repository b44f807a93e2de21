"""contraction: matmul and convolution by a register tile over packed weights.

    for the rest of the output (parallel)
      acc[rows, columns] = 0                 in registers
      for reduction
        acc += row element (broadcast) * packed column vector
      out tile = epilogue(acc)

Rows are the spatial axes of a convolution, or the rows of all matrices of a product that share
their right side.

Knobs: `rows` and `columns` of the tile, of rows as many as the registers hold; `order` of the tile
loops ("columns" keeps a panel of weights in cache while the rows stream past, "rows" the other way
round); `unroll`, steps of the reduction at once; `depth`, the part of the reduction after which the
accumulators are stored, 0 for none; `shared`, how many of the two tile loops the threads share;
`pack`, whether the columns are laid out anew; `algorithm` of a convolution: "implicit_gemm" has the
rows of a tile go on in the next line of the image, "direct" ends them with the line.
"""

from __future__ import annotations

from typing import cast

from mlc.ir.operator import Kind
from mlc.ir.rewrite import buffers_of
from mlc.ir.stmt import For
from mlc.passes.lower.group import Group, Stage
from mlc.passes.schedule.primitives import (
    compute_at,
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
    attempt,
    final_loops,
    inline_cheap,
    inner_loops,
    kind_of,
)
from mlc.passes.schedule.templates.contraction_in_parts import apply_in_parts
from mlc.passes.schedule.templates.fetch_ahead import fetch_ahead
from mlc.passes.schedule.templates.matrix import (
    Shape,
    anchor_of,
    by_lines,
    clamped_rows,
    fuse_rows,
    pack_choices,
    pack_columns,
    reduction_length,
    shape_of,
    tile_output,
)
from mlc.passes.schedule.templates.nests import schedule_nests
from mlc.passes.schedule.templates.register_tile import candidate_tiles, choose_tile

_PAGE = 4096
_ROWS_IN_ONE_SET = 8
"""Ways of the first-level cache on the CPUs there are."""
_SMALL_REDUCTION = 4
"""A channel loop this short is unrolled."""
_UNROLLS = (1, 2, 4, 8)
_DEPTHS = (64, 128, 256, 512, 1024)


class Contraction:
    """Schedules groups around a `matmul` or a `conv` that is not depthwise."""

    name = "contraction"

    def matches(self, group: Group) -> bool:
        """Exactly one contraction, and it is a matmul or a convolution with wide groups."""
        anchors = [stage for stage in group.stages if kind_of(stage) is Kind.CONTRACTION]
        return len(anchors) == 1 and anchors[0].node.op in ("matmul", "conv")

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """All tiles that fit the registers, both orders; with the reduction whole, and in parts."""
        anchor = anchor_of(group)
        shape = shape_of(anchor)
        bits = anchor.node.output.type.dtype.bits
        columns = shape.columns // shape.groups
        tiles = candidate_tiles(shape.rows, columns, machine.target, bits)
        length = reduction_length(anchor)
        box: dict[str, tuple[int | str | bool, ...]] = {
            "rows": tuple(sorted({tile.rows for tile in tiles})),
            "columns": tuple(sorted({tile.columns for tile in tiles})),
            "order": ("columns", "rows"),
        }
        whole = {**box, "unroll": tuple(n for n in _UNROLLS if length % n == 0)}
        if machine.threads > 1:
            whole["shared"] = (0, 1, 2)
        packs = pack_choices(group, anchor)
        if len(packs) > 1:
            whole["pack"] = packs
        if len(shape.row_axes) > 1 and anchor.node.op == "conv":
            whole["algorithm"] = ("implicit_gemm", "direct")
        depths = tuple(depth for depth in _DEPTHS if depth < length)
        return (whole, {**box, "depth": depths}) if depths else (whole,)

    def default(self, group: Group, machine: Machine) -> Knobs:
        """The rule of `register_tile`; weights that fit the second-level cache stay there."""
        anchor = anchor_of(group)
        shape = shape_of(anchor)
        bits = anchor.node.output.type.dtype.bits
        columns = shape.columns // shape.groups
        ways = _ROWS_IN_ONE_SET if _rows_collide(group, anchor, shape) else shape.rows
        tile = choose_tile(shape.rows, columns, machine.target, bits, ways)
        fits = shape.weight_bytes <= machine.target.l2_bytes // 2
        knobs: dict[str, int | str | bool] = {
            "rows": tile.rows,
            "columns": tile.columns,
            "order": "rows" if fits and shape.rows > tile.rows else "columns",
            "unroll": 1,
        }
        if machine.threads > 1:
            knobs["shared"] = 2
        packs = pack_choices(group, anchor)
        if len(packs) > 1:
            knobs["pack"] = packs[0]
        if len(shape.row_axes) > 1 and anchor.node.op == "conv":
            knobs["algorithm"] = "implicit_gemm"
        return knobs

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """Tile the output, accumulate in registers, pack what the columns read."""
        anchor = anchor_of(group)
        shape = shape_of(anchor)
        bits = anchor.node.output.type.dtype.bits
        knobs = {**knobs, "rows": clamped_rows(knobs, machine, bits)}
        if int(knobs.get("depth", 0)):
            return apply_in_parts(group, anchor, shape, knobs, machine)
        if knobs.get("algorithm") == "direct":
            shape = by_lines(anchor, shape)
        schedule = inline_cheap(Schedule(group.func), group)
        loops = final_loops(group)
        schedule, rows = fuse_rows(schedule, loops, anchor, shape)
        schedule, order = tile_output(schedule, loops, rows, shape, knobs)
        schedule = reorder(schedule, *order)
        outer, inner = order[:-2], order[-2:]
        schedule = compute_at(schedule, anchor.outputs[0], outer[-1])
        schedule = set_scope(schedule, anchor.outputs[0], "register")
        unrolled = int(knobs.get("unroll", 1))
        schedule = _shape_inner_nests(schedule, anchor, outer[-1], inner, shape, unrolled)
        schedule = pack_columns(schedule, anchor, knobs)
        if knobs.get("prefetch"):
            schedule = attempt(fetch_ahead, schedule, f"{anchor.inputs[1]}_packed", outer[-1])
        schedule = schedule_nests(schedule, machine, skip=outer[:1])
        work = anchor.node.output.type.elements * shape.depth
        if machine.threads > 1 and work > PARALLEL_ELEMENTS:
            for loop in outer[: len(outer) - 2 + int(knobs.get("shared", 2))]:
                schedule = parallel(schedule, loop)
        return schedule


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


def _shape_inner_nests(
    schedule: Schedule, anchor: Stage, loop: str, inner: list[str], shape: Shape, unrolled: int
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
        if reduced:
            schedule = _unroll_reduction(schedule, reduced[-1], unrolled)
        for name in column:
            schedule = vectorize(schedule, name)
    return schedule


def _unroll_reduction(schedule: Schedule, loop: str, steps: int) -> Schedule:
    """Unroll a short loop, or `steps` of one that they divide."""
    extent = _extent(schedule.loop(loop))
    if extent <= _SMALL_REDUCTION:
        return unroll(schedule, loop)
    if steps == 1 or extent % steps:
        return schedule
    names = (f"{loop}_o", f"{loop}_u")
    return unroll(split(schedule, loop, steps, names=names), names[1])


def _extent(loop: For) -> int:
    value = getattr(loop.extent, "value", None)
    return int(value) if value is not None else _SMALL_REDUCTION + 1
