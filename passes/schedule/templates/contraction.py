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
round); `block`, tiles of the inner one of these loops that are done before the outer one moves on,
0 for all; `unroll`, steps of the reduction at once; `channels` of a convolution that go through all
positions of the kernel, 0 for all of them through one position after the other; `depth`, the part
of the reduction after which the accumulators are stored, 0 for none, and `parts`, whether the loop
over parts is "inside" or "outside" of the outer tile loop; `shared`, how many of the tile loops the
threads share; `pack` and `pack_rows`, whether the columns and the rows are laid out anew;
`prefetch`, whether the tiles fetch the next panel of weights, where these stream past;
`algorithm` of a convolution: "implicit_gemm" has the rows of a tile go on in the next line of the
image, "direct" ends them with the line.
"""

from __future__ import annotations

from mlc.ir.operator import Kind
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
from mlc.passes.schedule.templates.contraction_space import contraction_spaces, default_tile
from mlc.passes.schedule.templates.fetch_ahead import fetch_ahead
from mlc.passes.schedule.templates.matrix import (
    Shape,
    anchor_of,
    by_lines,
    clamped_rows,
    fuse_rows,
    pack_columns,
    pack_rows,
    shape_of,
    shared_loops,
    tile_output,
)
from mlc.passes.schedule.templates.nests import schedule_nests

_FEW_TILES = 12
"""Tiles of rows that do not make up for reading the weights for the first time."""
_SMALL_REDUCTION = 4
"""A channel loop this short is unrolled."""


class Contraction:
    """Schedules groups around a `matmul` or a `conv` that is not depthwise."""

    name = "contraction"

    def matches(self, group: Group) -> bool:
        """Exactly one contraction, and it is a matmul or a convolution with wide groups."""
        anchors = [stage for stage in group.stages if kind_of(stage) is Kind.CONTRACTION]
        return len(anchors) == 1 and anchors[0].node.op in ("matmul", "conv")

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """Promising tiles, by their columns; with the reduction whole, and in parts."""
        anchor = anchor_of(group)
        return contraction_spaces(group, anchor, shape_of(anchor), machine)

    def default(self, group: Group, machine: Machine) -> Knobs:
        """The rule of `register_tile`; weights that many tiles read stay in a cache."""
        anchor = anchor_of(group)
        shape = shape_of(anchor)
        tile = default_tile(group, anchor, shape, machine)
        fits = shape.weight_bytes <= machine.target.l2_bytes // 2
        often = shape.rows > _FEW_TILES * tile.rows
        whole = contraction_spaces(group, anchor, shape, machine)[0]
        knobs: dict[str, int | str | bool] = {
            **{name: values[0] for name, values in whole.items()},
            "rows": tile.rows,
            "columns": tile.columns,
            "order": "rows" if fits and often else "columns",
        }
        if machine.threads > 1:
            knobs["shared"] = 2
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
        schedule = _shape_inner_nests(schedule, anchor, outer[-1], inner, shape, knobs)
        schedule = pack_columns(schedule, anchor, knobs)
        if knobs.get("prefetch"):
            schedule = attempt(fetch_ahead, schedule, f"{anchor.inputs[1]}_packed", outer[-1])
        if knobs.get("pack_rows"):
            schedule = pack_rows(schedule, anchor, shape, knobs)
        schedule = schedule_nests(schedule, machine, skip=outer[:1])
        work = anchor.node.output.type.elements * shape.depth
        if machine.threads > 1 and work > PARALLEL_ELEMENTS:
            for loop in shared_loops(order, knobs):
                schedule = parallel(schedule, loop)
        return schedule


def _shape_inner_nests(
    schedule: Schedule, anchor: Stage, loop: str, inner: list[str], shape: Shape, knobs: Knobs
) -> Schedule:
    """Reductions outside, rows unrolled, columns as vectors, in every nest of the tile."""
    prefix, axis, channels = anchor.prefix, shape.column_axis, int(knobs.get("channels", 0))
    columns = {f"{prefix}i{axis}", f"{prefix}z{axis}", inner[1]}
    for path in inner_loops(schedule.func.body, loop):
        reduced = [name for name in path if name.startswith(f"{prefix}r")]
        reduced = [*reduced[1:], *reduced[:1]]  # kernel positions, then channels
        if reduced and channels:
            names = (f"{reduced[-1]}_b", f"{reduced[-1]}_c")
            schedule = split(schedule, reduced[-1], channels, names=names)
            reduced = [names[0], *reduced[:-1], names[1]]
        column = [name for name in path if name in columns]
        rows = [name for name in path if name not in column and not name.startswith(f"{prefix}r")]
        if len(path) > 1 and path != [*reduced, *rows, *column]:
            schedule = reorder(schedule, *reduced, *rows, *column)
        for name in rows:
            schedule = unroll(schedule, name)
        if reduced:
            schedule = _unroll_reduction(schedule, reduced[-1], int(knobs.get("unroll", 1)))
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
