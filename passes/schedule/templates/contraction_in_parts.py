"""A contraction whose reduction goes in parts, so that what a part reads stays in cache.

    total = 0
    for the rest of the output, columns (parallel)
      for parts of the reduction
        for rows
          tile = total                       in registers
          for the part
            tile += row element (broadcast) * packed column vector
          total = tile
    output = epilogue(total)

It pays where a panel of the weights, as deep as the whole reduction, is larger than a cache. Where
the knob `parts` is "outside", the loop over parts goes around both tile loops: then it is the rows
that stay in cache, while all weights stream past once.
"""

from __future__ import annotations

from mlc.ir.rewrite import walk
from mlc.ir.stmt import Store
from mlc.passes.lower.group import Group, Stage
from mlc.passes.schedule.primitives import (
    cache_write,
    parallel,
    reorder,
    split,
    unroll,
    vectorize,
)
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import (
    Knobs,
    Machine,
    inline_cheap,
    inner_loops,
    reads,
    stride_of,
)
from mlc.passes.schedule.templates.matrix import (
    Shape,
    fuse_rows,
    pack_columns,
    pack_rows,
    tile_output,
)
from mlc.passes.schedule.templates.nests import schedule_nests


def apply_in_parts(
    group: Group, anchor: Stage, shape: Shape, knobs: Knobs, machine: Machine
) -> Schedule:
    """The schedule with `depth` steps of the innermost reduction in a part."""
    total, prefix = anchor.outputs[0], anchor.prefix
    depth, tile = f"{prefix}r0", f"{prefix}tile"
    schedule = inline_cheap(Schedule(group.func), group)
    loops = [f"{prefix}i{axis}" for axis in range(anchor.node.output.type.rank)]
    kernel = [name for name in schedule.loops() if name.startswith(f"{prefix}r") and name != depth]
    schedule, rows = fuse_rows(schedule, loops, anchor, shape)
    schedule, order = tile_output(schedule, loops, rows, shape, knobs)
    *outer, first, second, row, column = order
    parts = (f"{depth}_o", f"{depth}_i")
    schedule = split(schedule, depth, int(knobs["depth"]), names=parts)
    outside = knobs.get("parts") == "outside"
    around = (*outer, parts[0], first) if outside else (*outer, first, parts[0])
    schedule = reorder(schedule, *around, second, *kernel, parts[1], row, column)
    schedule = cache_write(schedule, total, second, "register", name=tile)
    schedule = _shape_copies(schedule, second, total, tile)
    schedule = vectorize(unroll(schedule, row), column)
    schedule = pack_columns(schedule, anchor, knobs)
    if knobs.get("pack_rows"):
        schedule = pack_rows(schedule, anchor, shape, knobs)
    schedule = schedule_nests(schedule, machine, skip=around)
    if machine.threads > 1:
        for loop in (first, second) if outside else (*outer, first):
            schedule = parallel(schedule, loop)
    return schedule


def _shape_copies(schedule: Schedule, loop: str, total: str, tile: str) -> Schedule:
    """The copies of a tile into registers and back: vectors along what lies densely."""
    for path in inner_loops(schedule.func.body, loop):
        if not path[0].startswith(tile):
            continue
        for part in walk(schedule.loop(path[0])):
            if isinstance(part, Store):
                wanted = total
                accesses = [(part.buffer, part.index)]
                accesses += [(e.buffer, e.index) for e in reads(part, wanted)]
                buffer, index = next(a for a in accesses if a[0].name == wanted)
                dense = [name for name in path if stride_of(buffer, index, name) == 1]
        others = [name for name in path if name not in dense[:1]]
        if dense and path[-1] != dense[0]:
            schedule = reorder(schedule, *others, dense[0])
        for name in others:
            schedule = unroll(schedule, name)
        for name in dense[:1]:
            schedule = vectorize(schedule, name)
    return schedule
