"""Random schedules: any primitive with arguments that may or may not be legal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np

from mlc.errors import ScheduleError
from mlc.ir.expr import Var
from mlc.ir.interpret import run_func, run_prepared
from mlc.ir.rewrite import buffers_of, map_stmt, substitute
from mlc.ir.stmt import For, Func, Stmt, Store
from mlc.passes.schedule.dependence import read_buffers, written_buffers
from mlc.passes.schedule.primitives import PRIMITIVES
from mlc.passes.schedule.schedule import Schedule
from tests.strategies import arguments_for, array_for

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Chooser = Callable[[st.DataObject, Schedule], tuple[Any, ...]]


def loop(data: st.DataObject, schedule: Schedule) -> str:
    return data.draw(st.sampled_from(list(schedule.loops())))


def buffer(data: st.DataObject, schedule: Schedule) -> str:
    return data.draw(st.sampled_from(list(buffers_of(schedule.func))))


def temporary(data: st.DataObject, schedule: Schedule) -> str:
    params = {param.name for param in schedule.func.params}
    names = [name for name in buffers_of(schedule.func) if name not in params]
    return data.draw(st.sampled_from(names)) if names else "none"


def compute_at_arguments(data: st.DataObject, schedule: Schedule) -> tuple[Any, ...]:
    """A temporary, and most often a loop around something that reads it."""
    name = temporary(data, schedule)
    readers = [var for var, part in schedule.loops().items() if _reads_only(part.body, name)]
    if readers and data.draw(st.integers(0, 4)):
        return name, data.draw(st.sampled_from(readers))
    return name, loop(data, schedule)


def _reads_only(body: Stmt, name: str) -> bool:
    return name in read_buffers(body) and name not in written_buffers(body)


def some_loops(data: st.DataObject, schedule: Schedule) -> list[str]:
    """Loops around one store, in any order."""
    name = buffer(data, schedule)
    nests = schedule.nests(name) or [tuple(schedule.loops())]
    around = data.draw(st.sampled_from(nests)) or tuple(schedule.loops())
    return list(data.draw(st.permutations(around)))[: data.draw(st.integers(2, 4))]


def factor(data: st.DataObject) -> int:
    return data.draw(st.integers(1, 6))


def scope(data: st.DataObject) -> str:
    return data.draw(st.sampled_from(["arena", "stack", "register"]))


def fuse_arguments(data: st.DataObject, schedule: Schedule) -> tuple[Any, ...]:
    outer = schedule.loops()[loop(data, schedule)]
    return outer.var, getattr(outer.body, "var", outer.var)


def pack_arguments(data: st.DataObject, schedule: Schedule) -> tuple[Any, ...]:
    name = buffer(data, schedule)
    rank = len(schedule.buffer(name).shape)
    cut = data.draw(st.sets(st.integers(0, max(0, rank - 1)), max_size=min(rank, 2)))
    dims = data.draw(st.permutations(range(rank)))
    order = [(dim, "outer") if dim in cut else dim for dim in dims]
    order += [(dim, "inner") for dim in sorted(cut)]
    return name, {dim: factor(data) for dim in cut}, order


def cache_arguments(data: st.DataObject, schedule: Schedule) -> tuple[Any, ...]:
    where = None if data.draw(st.integers(0, 3)) == 0 else loop(data, schedule)
    return buffer(data, schedule), where, scope(data)


def tile_arguments(data: st.DataObject, schedule: Schedule) -> tuple[Any, ...]:
    loops = some_loops(data, schedule)[:2]
    return loops, [factor(data) for _ in loops]


def fission_arguments(data: st.DataObject, schedule: Schedule) -> tuple[Any, ...]:
    several = [v for v, part in schedule.loops().items() if not isinstance(part.body, For | Store)]
    return (data.draw(st.sampled_from(several)) if several else loop(data, schedule),)


CHOOSERS: dict[str, Chooser] = {
    "alternate": lambda d, s: (loop(d, s), loop(d, s)),
    "split": lambda d, s: (loop(d, s), factor(d)),
    "prefetch": lambda d, s: (buffer(d, s), loop(d, s), loop(d, s)),
    "partition": lambda d, s: (loop(d, s), factor(d)),
    "rfactor": lambda d, s: (loop(d, s), factor(d)),
    "fission": fission_arguments,
    "vectorize": lambda d, s: (loop(d, s),),
    "unroll": lambda d, s: (loop(d, s),),
    "parallel": lambda d, s: (loop(d, s),),
    "reorder": lambda d, s: tuple(some_loops(d, s)),
    "tile": tile_arguments,
    "fuse": fuse_arguments,
    "inline": lambda d, s: (temporary(d, s),),
    "compute_at": compute_at_arguments,
    "cache_read": cache_arguments,
    "cache_write": cache_arguments,
    "pack": pack_arguments,
    "merge_dims": lambda d, s: (buffer(d, s), d.draw(st.integers(0, 2))),
    "split_dim": lambda d, s: (buffer(d, s), d.draw(st.integers(0, 2)), factor(d)),
    "set_scope": lambda d, s: (temporary(d, s), scope(d)),
}


NAMES = [*sorted(CHOOSERS), "compute_at", "compute_at", "split", "split", "reorder", "reorder"]
"""What is chosen from: the richer ones more often."""


def random_schedule(data: st.DataObject, func: Func, most_steps: int = 12) -> Schedule:
    """A schedule of legal steps; what is refused is left out."""
    schedule = Schedule(func)
    for _ in range(data.draw(st.integers(1, most_steps))):
        if not schedule.loops():
            break
        name = data.draw(st.sampled_from(NAMES))
        arguments = CHOOSERS[name](data, schedule)
        try:
            schedule = PRIMITIVES[name](schedule, *arguments)
        except ScheduleError as error:
            refusal = str(error)  # printing it must work, whatever it is
            if not refusal.startswith((f"{name}: ", "split: ", "reorder: ")):
                raise
    return schedule


def backwards(func: Func) -> Func:
    """The function with parallel and vector loops run from their end: the order must not matter."""

    def turn(stmt: Stmt) -> Stmt:
        if isinstance(stmt, For) and stmt.kind in ("parallel", "vector"):
            last = stmt.extent - 1
            return replace(stmt, body=substitute(stmt.body, {stmt.var: last - Var(stmt.var)}))
        return stmt

    return replace(func, body=map_stmt(func.body, turn))


def results(func: Func, like: Func) -> dict[str, np.ndarray]:
    """What `func` makes of the arguments for `like`; both have the same parameters by name."""
    arrays = arguments_for(like)
    prepared = [param for prepare in func.prepare for param in prepare.params]
    for param in (*func.params, *prepared):
        known = arrays.get(param.name)
        if known is not None and known.shape != param.shape:
            arrays[param.name] = array_for(param, known.reshape(param.shape))
    if func.prepare:
        run_prepared(func, arrays)
    else:
        run_func(func, arrays)
    return {b.name: arrays[b.name].reshape(b.shape) for b in like.params}
