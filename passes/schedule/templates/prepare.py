"""prepare: functions that lay out constants, run once when the model is compiled.

A nest that stores along one dimension and loads along another would fetch a cache line for every
element. The loop that the loads are dense in is cut into lines, and a line becomes the innermost
loop; the stores then revisit a few lines that stay in cache.
"""

from __future__ import annotations

from functools import lru_cache

from mlc.ir.expr import Const
from mlc.ir.rewrite import loads_of, walk
from mlc.ir.stmt import For, Func, Stmt, Store
from mlc.passes.schedule.primitives import reorder, split
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import attempt, chain, roots, stride_of

_LINE = 16
"""Elements of a dense load taken at a time: a cache line of four-byte elements."""

_REMEMBERED = 128
"""How many functions are remembered: candidates for one kernel pack its weights in a few ways."""


@lru_cache(_REMEMBERED)
def schedule_prepare(func: Func) -> Func:
    """Order the loops of every copying nest for the cache."""
    schedule = Schedule(func)
    for nest in roots(func.body):
        if isinstance(nest, For):
            schedule = _by_lines(schedule, nest)
    return schedule.func


def _by_lines(schedule: Schedule, nest: For) -> Schedule:
    names = [loop.var for loop in chain(nest)]
    dense = _dense_load(nest, names)
    if dense is None or dense == names[-1]:
        return schedule
    extent = schedule.loop(dense).extent
    if not isinstance(extent, Const) or int(extent.value) <= _LINE:
        return attempt(reorder, schedule, *[name for name in names if name != dense], dense)
    cut = attempt(split, schedule, dense, _LINE, names=(f"{dense}_line", f"{dense}_part"))
    order = [f"{dense}_line" if name == dense else name for name in names]
    ordered = attempt(reorder, cut, *order, f"{dense}_part")
    return schedule if ordered is cut else ordered


def _dense_load(nest: Stmt, names: list[str]) -> str | None:
    """The loop along which the one load of a copying nest is dense."""
    stores = [part for part in walk(nest) if isinstance(part, Store)]
    loads = list(loads_of(nest))
    if len(stores) != 1 or len(loads) != 1:
        return None
    load = loads[0]
    for name in names:
        if stride_of(load.buffer, load.index, name) == 1:
            return name
    return None
