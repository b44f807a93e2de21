"""Plain nests, each on its own: order, collapse, cut into vectors or tiles, share.

A nest is brought to the memory order of what it stores; neighbouring loops that step through all
buffers together become one. The innermost loop is cut into vectors; where something is read far
apart along it but densely along another loop, both are cut into square tiles, which are transposed
in registers. The outermost loops are shared by threads. Whatever a nest does not allow is left out.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from mlc.errors import ScheduleError
from mlc.ir.expr import Const, Expr, Var
from mlc.ir.rewrite import loads_of, walk
from mlc.ir.stmt import Buffer, For, Stmt, Store
from mlc.passes.schedule.location import ranges_of_loops
from mlc.passes.schedule.primitives import (
    fuse,
    merge_dims,
    parallel,
    reorder,
    split,
    unroll,
    vectorize,
)
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import (
    PARALLEL_ELEMENTS,
    Machine,
    attempt,
    chain,
    roots,
    stride_of,
)

SIDES = (8, 4)
"""Sides of the tiles that can be transposed in registers."""


@dataclass(frozen=True, slots=True)
class NestChoice:
    """What can be chosen for a plain nest.

    `vectors`: how many an iteration of the innermost loop computes; `side`: the greatest side of
    tiles to transpose, 1 for none; `pieces`: for each thread at least so many iterations of the
    parallel loops, where the nest has them.
    """

    vectors: int = 2
    side: int = SIDES[0]
    pieces: int = 8


def schedule_nests(
    schedule: Schedule,
    machine: Machine,
    skip: Collection[str] = (),
    choice: NestChoice = NestChoice(),
) -> Schedule:
    """Schedule the nests at the top of the function, but for those whose outermost loop to skip."""
    for nest in roots(schedule.func.body):
        if isinstance(nest, For) and nest.var not in skip:
            schedule = _schedule_nest(schedule, nest, choice, machine)
    return schedule


def _schedule_nest(schedule: Schedule, nest: For, choice: NestChoice, machine: Machine) -> Schedule:
    names = [loop.var for loop in chain(nest)]
    store = _only_store(nest)
    if store is None:
        return _share(schedule, names, machine, choice.pieces)
    schedule, names = _memory_order(schedule, names, store)
    schedule, names = _collapse(schedule, names)
    across = _loop_to_transpose(schedule, names, choice.side)
    if across is not None:
        try:
            schedule, names = _transposing_tiles(schedule, names, across, choice.side)
            return _share(schedule, names, machine, choice.pieces)
        except ScheduleError:
            pass
    schedule, names = _vectors(schedule, names, choice.vectors, machine)
    return _share(schedule, names, machine, choice.pieces)


def _only_store(nest: Stmt) -> Store | None:
    stores = [part for part in walk(nest) if isinstance(part, Store)]
    return stores[0] if len(stores) == 1 else None


def _memory_order(schedule: Schedule, names: list[str], store: Store) -> tuple[Schedule, list[str]]:
    """Loops by falling stride of the store, those that run once outermost.

    Loops that run more often without moving the store keep all in their places.
    """
    strides = {
        name: math.inf
        if schedule.loop(name).extent == Const(1)
        else stride_of(store.buffer, store.index, name)
        for name in names
    }
    if None in strides.values() or 0 in strides.values():
        return schedule, names
    wanted = sorted(names, key=lambda name: -(strides[name] or 0))
    if wanted == names:
        return schedule, names
    moved = attempt(reorder, schedule, *wanted)
    return moved, names if moved is schedule else wanted


def _collapse(schedule: Schedule, names: list[str]) -> tuple[Schedule, list[str]]:
    """Fuse neighbouring loops whose dimensions lie one in the other in every buffer."""
    position = len(names) - 2
    while position >= 0:
        outer, inner = names[position], names[position + 1]
        fused = _fuse_pair(schedule, outer, inner)
        if fused is not None:
            schedule = fused
            names = [*names[:position], f"{outer}_{inner}", *names[position + 2 :]]
        position -= 1
    return schedule, names


def _fuse_pair(schedule: Schedule, outer: str, inner: str) -> Schedule | None:
    extent = schedule.loop(inner).extent
    if not isinstance(extent, Const):
        return None
    merges: dict[str, int] = {}
    for buffer, index in _accesses(schedule.loop(outer)):
        steps = [stride_of(buffer, index, name) for name in (outer, inner)]
        if None in steps or steps[0] != (steps[1] or 0) * int(extent.value):
            return None
        if steps[1] == 0:
            continue
        dims = [_dimension(index, name) for name in (outer, inner)]
        if dims[0] is None or dims[1] != dims[0] + 1 or buffer.shape[dims[1]] != extent.value:
            return None
        if not _walked_plainly(schedule, buffer, dims[0]):
            return None
        merges[buffer.name] = dims[0]
    schedule = fuse(schedule, outer, inner, name=f"{outer}_{inner}")
    for name, dim in merges.items():
        merged = attempt(merge_dims, schedule, name, dim)
        if merged is schedule:
            return None
        schedule = merged
    return schedule


def _walked_plainly(schedule: Schedule, buffer: Buffer, dim: int) -> bool:
    """Whether two dimensions are walked by loops of their own everywhere, from end to end.

    Elsewhere a part of a dimension could not be told from another once they are merged.
    """
    return all(
        isinstance(index[dim], Var) and isinstance(index[dim + 1], Var)
        for other, index in _accesses(schedule.func.body)
        if other.name == buffer.name
    )


def _accesses(stmt: Stmt) -> list[tuple[Buffer, tuple[Expr, ...]]]:
    stores = [(part.buffer, part.index) for part in walk(stmt) if isinstance(part, Store)]
    loads = [(load.buffer, load.index) for load in loads_of(stmt)]
    return [*stores, *loads]


def _dimension(index: tuple[Expr, ...], loop: str) -> int | None:
    """The one dimension that a loop walks, if its index is the bare variable."""
    found = [dim for dim, part in enumerate(index) if part == Var(loop)]
    return found[0] if len(found) == 1 else None


def _vectors(
    schedule: Schedule, names: list[str], vectors: int, machine: Machine
) -> tuple[Schedule, list[str]]:
    """Cut the innermost loop into vectors, several at once where there are enough."""
    inner = names[-1]
    store = _only_store(schedule.loop(inner))
    lanes = machine.target.lanes(store.buffer.dtype.bits if store else 32)
    step = lanes * vectors
    if _most(schedule, inner) <= step:
        return attempt(vectorize, schedule, inner), names[:-1]
    schedule = split(schedule, inner, step, names=(f"{inner}_o", f"{inner}_v"))
    schedule = attempt(vectorize, schedule, f"{inner}_v")
    return schedule, [*names[:-1], f"{inner}_o"]


def _most(schedule: Schedule, name: str) -> int:
    """The greatest extent of a loop; 1 where that is data."""
    return ranges_of_loops(schedule.func.body).get(name, (0, 0))[1] + 1


def _loop_to_transpose(schedule: Schedule, names: list[str], most: int) -> str | None:
    """A loop along which something is read densely that the innermost loop reads far apart."""
    inner = names[-1]
    for buffer, index in _accesses(schedule.loop(inner)):
        if stride_of(buffer, index, inner) in (0, 1, None):
            continue
        for name in reversed(names[:-1]):
            if stride_of(buffer, index, name) == 1 and _side(schedule, most, name, inner) > 1:
                return name
    return None


def _side(schedule: Schedule, most: int, *names: str) -> int:
    """The side, at most so long, of the tiles to cut two loops into; 1 where one is too short."""
    extents = [_most(schedule, name) for name in names]
    return next((side for side in SIDES if side <= most and _fits(extents, side)), 1)


def _fits(extents: list[int], side: int) -> bool:
    """Whether tiles leave no rest, or one that hardly matters."""
    return all(extent % side == 0 or extent >= 4 * side for extent in extents)


def _transposing_tiles(
    schedule: Schedule, names: list[str], across: str, most: int
) -> tuple[Schedule, list[str]]:
    """Square tiles, to be transposed in registers; two in turn use whole lines of the cache."""
    inner = names[-1]
    side = _side(schedule, most, across, inner)
    outer = (f"{across}_o", f"{across}_l")
    schedule = split(schedule, across, 2 * side, names=outer)
    schedule = split(schedule, outer[1], side, names=(f"{across}_m", f"{across}_t"))
    schedule = split(schedule, inner, side, names=(f"{inner}_o", f"{inner}_v"))
    around = [outer[0] if name == across else name for name in names[:-1]]
    order = [*around, f"{inner}_o", f"{across}_m", f"{across}_t", f"{inner}_v"]
    schedule = reorder(schedule, *order)
    schedule = attempt(unroll, schedule, f"{across}_t")
    schedule = attempt(vectorize, schedule, f"{inner}_v")
    return schedule, [*around, f"{inner}_o"]


def _share(schedule: Schedule, names: list[str], machine: Machine, pieces: int) -> Schedule:
    """Give the outermost loops to the threads, as many as it takes to keep them all busy."""
    loops = schedule.loops()
    if machine.threads == 1 or not names or names[0] not in loops:
        return schedule
    extents = [_most(schedule, loop.var) for loop in chain(loops[names[0]])]
    if math.prod(extents) < PARALLEL_ELEMENTS:
        return schedule
    count = 1
    for name in names:
        after = attempt(parallel, schedule, name)
        if after is schedule:
            return schedule
        schedule = after
        count *= _most(schedule, name)
        if count >= pieces * machine.threads:
            break
    return schedule
