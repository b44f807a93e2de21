"""dot: a product of few rows with a matrix whose columns lie densely, by vectors along the depth.

    for images, tiles of columns, tiles of rows (parallel)
      lanes[rows, columns, :] = 0            in registers
      for depth by vectors
        lanes += row vector * column vector
      out tile = epilogue(sum of lanes)

Nothing is packed: with so few rows a column is read once or twice, as it lies. A query against the
keys of a cache is such a product. Knobs: `rows` and `columns` of the tile; `vectors` of the depth
at once; `order` of the tiles, which side moves on first.
"""

from __future__ import annotations

from mlc.ir.graph import Node
from mlc.ir.operator import Kind
from mlc.ir.rewrite import buffers_of
from mlc.passes.lower.group import Group, Stage
from mlc.passes.schedule.primitives import (
    compute_at,
    parallel,
    reorder,
    rfactor,
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

MOST_ROWS = 4
"""From more rows on, packed columns pay."""
_LEAST_DEPTH = 16
_SUMS = 8
"""Independent sums that hide the latency of a multiply-add."""


class Dot:
    """Schedules groups around a `matmul` of few rows with dense columns that are not constant."""

    name = "dot"

    def matches(self, group: Group) -> bool:
        """Both sides lie densely along the depth, and there is enough of it."""
        anchors = [stage for stage in group.stages if kind_of(stage) is Kind.CONTRACTION]
        if len(anchors) != 1 or anchors[0].node.op != "matmul":
            return False
        buffers = buffers_of(group.func)
        left, right = (buffers.get(name) for name in anchors[0].inputs)
        if left is None or right is None or right.scope == "constant":
            return False
        node = anchors[0].node
        axes = _depth_axes(node)
        dense = left.strides[axes[0]] == right.strides[axes[1]] == 1
        few = node.output.type.static_shape[-2] <= MOST_ROWS
        return dense and few and left.shape[axes[0]] >= _LEAST_DEPTH

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """Tiles of few rows, and how they are walked."""
        box: Space = {
            "rows": tuple(range(1, MOST_ROWS + 1)),
            "columns": (1, 2, 3, 4, 8, 16),
            "vectors": (1, 2, 4),
            "order": ("columns", "rows"),
        }
        return (box,)

    def default(self, group: Group, machine: Machine) -> Knobs:
        """All rows at once, and as many columns as keep the multipliers busy."""
        rows = max(1, _anchor(group).node.output.type.static_shape[-2])
        return {"rows": rows, "columns": -(-_SUMS // rows), "vectors": 1, "order": "columns"}

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """Tile rows and columns, sum by lanes of the depth."""
        anchor = _anchor(group)
        output = anchor.node.output.type
        schedule = inline_cheap(Schedule(group.func), group)
        *images, row, column = final_loops(group)
        schedule = split(schedule, row, int(knobs["rows"]), names=("row_o", "row_i"))
        schedule = split(schedule, column, int(knobs["columns"]), names=("column_o", "column_i"))
        tiles = ["column_o", "row_o"]
        outer = [*images, *(reversed(tiles) if knobs.get("order") == "rows" else tiles)]
        schedule = reorder(schedule, *outer, "row_i", "column_i")
        schedule = compute_at(schedule, anchor.outputs[0], outer[-1])
        schedule = set_scope(schedule, anchor.outputs[0], "register")
        lanes = machine.target.lanes(output.dtype.bits) * int(knobs.get("vectors", 1))
        schedule = _sum_by_lanes(schedule, anchor, outer[-1], lanes)
        work = (
            output.elements * anchor.node.inputs[0].type.static_shape[_depth_axes(anchor.node)[0]]
        )
        if machine.threads > 1 and work > PARALLEL_ELEMENTS:
            for loop in outer:
                schedule = parallel(schedule, loop)
        return schedule


def _anchor(group: Group) -> Stage:
    return next(stage for stage in group.stages if kind_of(stage) is Kind.CONTRACTION)


def _depth_axes(node: Node) -> tuple[int, int]:
    """The axis that both sides share, in each of them."""
    attrs = node.attrs
    return -2 if attrs.get("transpose_a") else -1, -1 if attrs.get("transpose_b") else -2


def _sum_by_lanes(schedule: Schedule, anchor: Stage, loop: str, lanes: int) -> Schedule:
    """Vectors along the depth; what is left of the tile is unrolled."""
    depth = f"{anchor.prefix}r0"
    for path in inner_loops(schedule.func.body, loop):
        if depth in path:
            schedule = reorder(schedule, depth, *[name for name in path if name != depth])
    schedule = rfactor(schedule, depth, lanes)
    schedule = set_scope(schedule, f"{anchor.outputs[0]}_lanes", "register")
    vectors = {f"{depth}_z", f"{depth}_i", f"{depth}_l", "column_i"}
    for path in inner_loops(schedule.func.body, loop):
        for name in path:
            if name in vectors:
                schedule = vectorize(schedule, name)
            elif name != f"{depth}_o":
                schedule = unroll(schedule, name)
    return schedule
