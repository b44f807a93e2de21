"""Where in a contraction to prefetch the weights: the next panel of columns, share by share.

    for column panel                          for column panel
      for row tile                              for row tile
        for k                          →          for k by steps
          acc += row * packed[panel, k]             prefetch packed[panel + 1, …]
                                                    for step
                                                      acc += row * packed[panel, k]

It pays where few rows go by before weights are used up that come from beyond the first-level cache:
what the hardware fetches by itself comes too late at the start of each panel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlc.errors import ScheduleError
from mlc.ir.rewrite import free_variables, sub_statements
from mlc.ir.stmt import For, Stmt, Store
from mlc.passes.schedule.location import ranges_of_loops
from mlc.passes.schedule.primitives import prefetch, split, unroll
from mlc.passes.schedule.primitives.prefetch import LINE_BYTES
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import Machine, reads

_MOST_AT_ONCE = 4
"""Lines: more would hold up the loads between them."""
_MOST_UNROLLED = 8


def prefetch_choices(
    weight_bytes: int, rows: int, tile_rows: int, machine: Machine
) -> tuple[bool, ...]:
    """Whether constant weights may be prefetched; the default comes first.

    Nothing to choose where they stay in the first-level cache, or where the rows are one tile.
    """
    return (True, False) if weight_bytes > machine.target.l1_bytes and rows > tile_rows else ()


def fetch_ahead(schedule: Schedule, buffer: str, tiles: str) -> Schedule:
    """Cut the reduction of a tile into steps that each prefetch lines of the next panel.

    `tiles` is the loop over row tiles, `buffer` the packed weights. Raises `ScheduleError` where
    they have no panels, or one tile alone reads each.
    """
    path = _path_to_read(schedule.loop(tiles).body, buffer)
    serial = [loop for loop in path if loop.kind == "serial"]
    if not serial:
        raise ScheduleError(f"no loop of steps reads '{buffer}' in '{tiles}'", code="no-reads")
    walk = _walk_of(schedule, buffer, tiles, path)
    steps, size = serial[-1].var, walk.step()
    if size > 1:
        names = (f"{steps}_p", f"{steps}_s")
        schedule = split(schedule, steps, size, names=names)
        steps = names[0]
        if size * walk.unrolled <= _MOST_UNROLLED:
            schedule = unroll(schedule, names[1])
    return prefetch(schedule, buffer, tiles, steps)


@dataclass(frozen=True, slots=True)
class _Walk:
    """A panel of so many `lines` is read by each tile, in `around` times `steps` steps.

    `unrolled` are the steps of the reduction that are written out already.
    """

    tiles: int
    lines: int
    around: int
    steps: int
    unrolled: int

    def step(self) -> int:
        """How many steps to make one of: the fewest lines that do, and of these few at a time."""
        candidates = [size for size in range(1, self.steps + 1) if self.steps % size == 0]
        few = [size for size in candidates if self._lines_at_once(size) <= _MOST_AT_ONCE]
        return min(few or [1], key=lambda size: (self._fetched(size), size))

    def _lines_at_once(self, size: int) -> int:
        return -(-self.lines // self._places(size))

    def _fetched(self, size: int) -> int:
        return self._lines_at_once(size) * self._places(size)

    def _places(self, size: int) -> int:
        return self.tiles * self.around * self.steps // size


def _walk_of(schedule: Schedule, buffer: str, tiles: str, path: list[For]) -> _Walk:
    ranges = ranges_of_loops(schedule.func.body)
    (index,) = {load.index for load in reads(path[-1], buffer)}
    moving = {name for part in index for name in free_variables(part)}
    count = {loop.var: ranges.get(loop.var, (0, 0))[1] + 1 for loop in path if loop.var in moving}
    of_kind = {
        kind: [count[loop.var] for loop in path if loop.kind == kind and loop.var in moving]
        for kind in ("serial", "unroll")
    }
    elements = math.prod(count.values())
    lines = -(-elements * schedule.buffer(buffer).dtype.bytes // LINE_BYTES)
    *around, steps = of_kind["serial"]
    number = ranges.get(tiles, (0, 0))[1] + 1
    return _Walk(number, lines, math.prod(around), steps, math.prod(of_kind["unroll"]))


def _path_to_read(stmt: Stmt, buffer: str) -> list[For]:
    """The loops around the first store that reads a buffer, outermost first; none without one."""
    if isinstance(stmt, Store) or not reads(stmt, buffer):
        return []
    inside = next((part for part in sub_statements(stmt) if reads(part, buffer)), None)
    rest = [] if inside is None else _path_to_read(inside, buffer)
    return [stmt, *rest] if isinstance(stmt, For) else rest
