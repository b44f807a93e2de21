"""window: depthwise convolution, pooling and lrn, where results are reduced over a small window.

    for images, rows, tiles of channels, tiles of columns
      acc[columns, channels] = start         in registers
      for kernel positions
        acc = acc op element                 a vector of channels
      out tile = epilogue(acc)

The vector axis is the one that lies densely in memory, channels in a channels-last layout. Knobs:
`rows`, positions at once; `vectors` of the dense axis at once.
"""

from __future__ import annotations

from mlc.ir.graph import Node
from mlc.ir.operator import Kind
from mlc.passes.lower.group import Group, Stage
from mlc.passes.schedule.primitives import (
    compute_at,
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
    attempt,
    final_loops,
    inline_cheap,
    inner_loops,
    kind_of,
)
from mlc.passes.schedule.templates.nests import schedule_nests

_OPERATORS = ("max_pool", "avg_pool", "lrn")


class Window:
    """Schedules groups around a depthwise convolution, a pooling or an lrn."""

    name = "window"

    def matches(self, group: Group) -> bool:
        """One reduction over a window, and it is depthwise where it is a convolution."""
        heavy = [s for s in group.stages if kind_of(s) in (Kind.CONTRACTION, Kind.REDUCTION)]
        return len(heavy) == 1 and (heavy[0].node.op in _OPERATORS or is_depthwise(heavy[0].node))

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """Positions and vectors at once."""
        return ({"rows": tuple(range(1, 9)), "vectors": (1, 2, 4)},)

    def default(self, group: Group, machine: Machine) -> Knobs:
        """As many positions as fit half the registers and waste least at the end of the row."""
        anchor = _anchor(group)
        sizes = anchor.node.output.type.static_shape
        dense = _dense_axis(anchor)
        lanes = machine.target.lanes(anchor.node.output.type.dtype.bits)
        vectors = 2 if sizes[dense] > lanes else 1
        width = sizes[_row_axis(anchor, dense)]
        most = max(1, machine.target.vector_registers // (2 * vectors))
        rows = min(
            range(1, max(1, min(width, most, 8)) + 1), key=lambda n: (-(-width // n) * (n + 1), -n)
        )
        return {"rows": rows, "vectors": vectors}

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """Tile positions and the dense axis, accumulate in registers."""
        anchor = _anchor(group)
        accumulator = anchor.outputs[0]
        dense = _dense_axis(anchor)
        row = _row_axis(anchor, dense)
        schedule = inline_cheap(Schedule(group.func), group)
        loops = final_loops(group)
        columns = machine.target.lanes(anchor.node.output.type.dtype.bits) * int(knobs["vectors"])
        schedule = split(schedule, loops[row], int(knobs["rows"]), names=("row_o", "row_i"))
        schedule = split(schedule, loops[dense], columns, names=("dense_o", "dense_i"))
        others = [name for axis, name in enumerate(loops) if axis not in (row, dense)]
        outer = [*others, "dense_o", "row_o"]
        schedule = reorder(schedule, *outer, "row_i", "dense_i")
        schedule = compute_at(schedule, accumulator, outer[-1])
        schedule = set_scope(schedule, accumulator, "register")
        schedule = _shape_inner_nests(schedule, anchor, dense, outer[-1])
        if anchor.node.op == "conv":
            order = [(0, "outer"), *range(1, len(loops)), (0, "inner")]
            schedule = pack(schedule, anchor.inputs[1], {0: columns}, order)
        schedule = schedule_nests(schedule, 2, machine, skip=outer[:1])
        if machine.threads > 1 and anchor.node.output.type.elements > PARALLEL_ELEMENTS:
            for name in outer[:-1]:
                schedule = attempt(parallel, schedule, name)
        return schedule


def is_depthwise(node: Node) -> bool:
    """Whether a node is a convolution with one input channel per group and no wider output."""
    if node.op != "conv":
        return False
    channels = node.inputs[0].type.static_shape[1]
    return node.attrs["groups"] == channels == node.output.type.static_shape[1] and channels > 1


def _anchor(group: Group) -> Stage:
    return next(s for s in group.stages if kind_of(s) in (Kind.CONTRACTION, Kind.REDUCTION))


def _dense_axis(anchor: Stage) -> int:
    """The axis of the result that lies densely in memory."""
    return anchor.node.output.type.memory_layout.order[-1]


def _row_axis(anchor: Stage, dense: int) -> int:
    """The spatial axis to take several positions of: the innermost that is not the dense one."""
    order = anchor.node.output.type.memory_layout.order
    return next(axis for axis in reversed(order) if axis != dense)


def _shape_inner_nests(schedule: Schedule, anchor: Stage, dense: int, loop: str) -> Schedule:
    """Kernel positions outside, then the tile.

    All positions of a convolution are unrolled; of other windows those of a row, for their rows are
    passed over where they lie in the padding.
    """
    prefix = anchor.prefix
    columns = {f"{prefix}{kind}{dense}" for kind in "zif"} | {"dense_i"}
    for path in inner_loops(schedule.func.body, loop):
        reduced = [name for name in path if name.startswith(f"{prefix}r")]
        column = [name for name in path if name in columns]
        rows = [name for name in path if name not in reduced and name not in column]
        if len(path) > 1:
            schedule = reorder(schedule, *reduced, *rows, *column)
        unrolled = reduced if anchor.node.op == "conv" else reduced[-1:]
        for name in (*unrolled, *rows):
            schedule = attempt(unroll, schedule, name)
        for name in column:
            schedule = vectorize(schedule, name)
    return schedule
