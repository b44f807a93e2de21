"""window: depthwise convolution, pooling and lrn, where results are reduced over a small window.

    for images, rows, tiles of channels, tiles of columns
      acc[columns, channels] = start         in registers
      for kernel positions
        acc = acc op element                 a vector of channels
      out tile = epilogue(acc)

The vector axis is the one that lies densely in memory, channels in a channels-last layout.

Knobs: `rows`, positions at once; `vectors` of the dense axis at once; `lines` of the image at once,
where windows of one line do not differ; `order`: all "lines" are done for some channels, or all
"channels" for a line, or for the "positions" of a tile; `unroll`, how many of the loops over the
window, innermost first; `shared`, how many of the outer loops the threads share.
"""

from __future__ import annotations

from mlc.errors import ScheduleError
from mlc.ir.expr import Const
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
_MOST_UNROLLED = 64
"""Positions of a window that are unrolled at most; each becomes code of its own."""


class Window:
    """Schedules groups around a depthwise convolution, a pooling or an lrn."""

    name = "window"

    def matches(self, group: Group) -> bool:
        """One reduction over a window, and it is depthwise where it is a convolution."""
        heavy = [s for s in group.stages if kind_of(s) in (Kind.CONTRACTION, Kind.REDUCTION)]
        return len(heavy) == 1 and (heavy[0].node.op in _OPERATORS or is_depthwise(heavy[0].node))

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """Positions and vectors at once."""
        box: dict[str, tuple[int | str | bool, ...]] = {
            "rows": tuple(range(1, 9)),
            "vectors": (1, 2, 4),
            "lines": (1, 2, 3),
            "order": ("lines", "channels", "positions"),
            "unroll": tuple(range(len(_window_loops(_anchor(group), group)) + 1)),
        }
        return ({**box, "shared": (1, 2, 3)},) if machine.threads > 1 else (box,)

    def default(self, group: Group, machine: Machine) -> Knobs:
        """As many positions as fit half the registers and waste least at the end of the row.

        All positions of a convolution's kernel are unrolled.
        """
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
        knobs: dict[str, int | str | bool] = {
            "rows": rows,
            "vectors": vectors,
            "lines": 1,
            "order": "channels",
            "unroll": _unrolled(anchor, group),
        }
        return {**knobs, "shared": 3} if machine.threads > 1 else knobs

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """Tile positions and the dense axis, accumulate in registers."""
        knobs = {**self.default(group, machine), **knobs}
        try:
            return _apply(group, knobs, machine)
        except ScheduleError:
            if knobs["lines"] == 1:
                raise
            return _apply(group, {**knobs, "lines": 1}, machine)


def _unrolled(anchor: Stage, group: Group) -> int:
    """All loops over the window of a convolution, one of others, while the code stays short."""
    loops, names = Schedule(group.func).loops(), _window_loops(anchor, group)
    wanted, positions = len(names) if anchor.node.op == "conv" else min(1, len(names)), 1
    for count, name in enumerate(reversed(names[len(names) - wanted :])):
        extent = loops[name].extent
        positions *= int(extent.value) if isinstance(extent, Const) else _MOST_UNROLLED + 1
        if positions > _MOST_UNROLLED:
            return count
    return wanted


def _apply(group: Group, knobs: Knobs, machine: Machine) -> Schedule:
    anchor = _anchor(group)
    dense = _dense_axis(anchor)
    schedule = inline_cheap(Schedule(group.func), group)
    schedule, outer, inner = _tile(schedule, group, anchor, knobs, machine)
    schedule = reorder(schedule, *outer, *inner)
    schedule = compute_at(schedule, anchor.outputs[0], outer[-1])
    schedule = set_scope(schedule, anchor.outputs[0], "register")
    schedule = _shape_inner_nests(schedule, anchor, dense, outer[-1], int(knobs["unroll"]))
    if anchor.node.op == "conv":
        rank = anchor.node.output.type.rank
        order = [(0, "outer"), *range(1, rank), (0, "inner")]
        schedule = pack(schedule, anchor.inputs[1], {0: _columns(anchor, knobs, machine)}, order)
    schedule = schedule_nests(schedule, machine, skip=outer[:1])
    if machine.threads > 1 and anchor.node.output.type.elements > PARALLEL_ELEMENTS:
        for name in outer[:-1][: int(knobs["shared"])]:
            schedule = attempt(parallel, schedule, name)
    return schedule


def _tile(
    schedule: Schedule, group: Group, anchor: Stage, knobs: Knobs, machine: Machine
) -> tuple[Schedule, list[str], list[str]]:
    """Cut positions, perhaps lines, and the dense axis; the loops around the tile, and its own."""
    loops = list(final_loops(group))
    dense = _dense_axis(anchor)
    row = _row_axis(anchor, dense)
    schedule = split(schedule, loops[row], int(knobs["rows"]), names=("row_o", "row_i"))
    columns = _columns(anchor, knobs, machine)
    schedule = split(schedule, loops[dense], columns, names=("dense_o", "dense_i"))
    inner = ["row_i", "dense_i"]
    line = _line_axis(anchor, dense, row)
    if knobs["lines"] != 1 and line is not None:
        names = ("line_o", "line_i")
        schedule = split(schedule, loops[line], int(knobs["lines"]), names=names)
        loops[line] = names[0]
        inner.insert(0, names[1])
    others = [name for axis, name in enumerate(loops) if axis not in (row, dense)]
    if knobs["order"] == "lines":
        return schedule, [*others[:1], "dense_o", *others[1:], "row_o"], inner
    if knobs["order"] == "positions":
        return schedule, [*others, "row_o", "dense_o"], inner
    return schedule, [*others, "dense_o", "row_o"], inner


def _columns(anchor: Stage, knobs: Knobs, machine: Machine) -> int:
    return machine.target.lanes(anchor.node.output.type.dtype.bits) * int(knobs["vectors"])


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


def _line_axis(anchor: Stage, dense: int, row: int) -> int | None:
    """The spatial axis around the one of the rows."""
    order = anchor.node.output.type.memory_layout.order
    spatial = [axis for axis in order if axis not in (0, 1, dense, row)]
    return spatial[-1] if spatial else None


def _window_loops(anchor: Stage, group: Group) -> list[str]:
    """The loops over the window, outermost first."""
    loops = Schedule(group.func).loops()
    return [name for name in loops if name.startswith(f"{anchor.prefix}r")]


def _shape_inner_nests(
    schedule: Schedule, anchor: Stage, dense: int, loop: str, unrolled: int
) -> Schedule:
    """Kernel positions outside, then the tile.

    By default all positions of a convolution are unrolled; of other windows those of a row, for
    their rows are passed over where they lie in the padding.
    """
    prefix = anchor.prefix
    columns = {f"{prefix}{kind}{dense}" for kind in "zif"} | {"dense_i"}
    for path in inner_loops(schedule.func.body, loop):
        reduced = [name for name in path if name.startswith(f"{prefix}r")]
        column = [name for name in path if name in columns]
        rows = [name for name in path if name not in reduced and name not in column]
        if len(path) > 1:
            schedule = reorder(schedule, *reduced, *rows, *column)
        for name in (*reduced[len(reduced) - unrolled :], *rows):
            schedule = attempt(unroll, schedule, name)
        for name in column:
            schedule = vectorize(schedule, name)
    return schedule
