"""reduction: sums, maxima, softmax and normalisations, all in one pass over the rows.

Every temporary is computed inside the loop over rows, so that a row is read from memory once and
stays in cache. Where the reduced axis lies densely in memory, vectors run along it and partial
results are combined at the end of the row; where another axis does, its elements are the lanes:

    for rows (parallel)                        for rows, tiles of the dense axis (parallel)
      for along the row: partial[lane] += x      for reduced axes: acc[lane] += x[…, lane]
      total = sum of partial                     out[lane] = epilogue(acc[lane])
      for along the row: out = f(x, total)

Knobs: `vectors`, how many vectors of partial results; `shared`, how many of the loops over rows the
threads share.
"""

from __future__ import annotations

from typing import cast

from mlc.errors import ScheduleError
from mlc.ir.expr import Const, Load
from mlc.ir.graph import Node
from mlc.ir.operator import Kind
from mlc.ir.rewrite import walk, walk_exprs
from mlc.ir.stmt import Alloc, For, Stmt, Store
from mlc.passes.lower.group import Group, Stage
from mlc.passes.schedule.primitives import (
    compute_at,
    inline,
    parallel,
    reorder,
    rfactor,
    set_scope,
    split,
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
    stride_of,
)

_OPERATORS = frozenset(
    (
        *("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod"),
        *("softmax", "log_softmax", "layer_norm", "rms_norm"),
    )
)
_TRAILING = ("layer_norm", "rms_norm")
"""Those that reduce over an axis and all axes after it."""


_ALL = 8
"""More loops than there are over rows."""


class Reduction:
    """Schedules groups whose heavy stages are reductions over rows."""

    name = "reduction"

    def matches(self, group: Group) -> bool:
        """One reduction, and it is one of those that work row by row."""
        heavy = [s for s in group.stages if kind_of(s) in (Kind.CONTRACTION, Kind.REDUCTION)]
        return len(heavy) == 1 and heavy[0].node.op in _OPERATORS

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """Vectors of partial results."""
        vectors: Space = {"vectors": (1, 2, 4, 8, 16)}
        return ({**vectors, "shared": (1, 2, _ALL)},) if machine.threads > 1 else (vectors,)

    def default(self, group: Group, machine: Machine) -> Knobs:
        """Four vectors hide the latency of an addition; fewer give every thread its share.

        Threads share the tiles of the dense axis where that is not reduced, as in the mean over an
        image whose channels come last.
        """
        anchor = next(s for s in group.stages if kind_of(s) is Kind.REDUCTION)
        output = anchor.node.output.type
        dense = output.static_shape[output.memory_layout.order[-1]] if output.rank else 1
        if machine.threads == 1:
            return {"vectors": 4}
        if dense < 2 or not anchor.node.op.startswith("reduce_"):
            return {"vectors": 4, "shared": _ALL}
        lanes = machine.target.lanes(output.dtype.bits)
        others = output.elements // dense

        def longest_share(vectors: int) -> int:
            tiles = others * -(-dense // (lanes * vectors))
            return -(-tiles // machine.threads) * vectors

        return {"vectors": min((4, 2), key=longest_share), "shared": _ALL}

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """Move everything into the rows, then make vectors of the dense axis."""
        anchor = next(s for s in group.stages if kind_of(s) is Kind.REDUCTION)
        schedule = inline_cheap(Schedule(group.func), group)
        for name in anchor.outputs:
            schedule = attempt(inline, schedule, name)
        lanes = machine.target.lanes(anchor.node.output.type.dtype.bits)
        width = lanes * int(knobs["vectors"])
        rows, along = _split_axes(group, anchor)
        dense = _dense_axis(group, schedule)
        if dense in rows and len(rows) + len(along) > 1:
            schedule = split(schedule, dense, width, names=("dense_o", "dense_i"))
            rows = [name for name in rows if name != dense] + ["dense_o"]
            schedule = attempt(reorder, schedule, *rows, *along, "dense_i")
            along = [*along, "dense_i"]
        elif len(rows) + len(along) > 1:
            schedule = attempt(reorder, schedule, *rows, *along)
        if not rows:
            return _without_rows(schedule, machine)
        schedule = _into_rows(schedule, rows[-1])
        schedule = _vectorize_inside(schedule, rows[-1], width, lanes)
        shared = rows[: int(knobs.get("shared", _ALL))]
        return _share(schedule, shared, machine, anchor.node.inputs[0].type.elements)


def _split_axes(group: Group, anchor: Stage) -> tuple[list[str], list[str]]:
    """Loops of the last nest over rows, and those along the reduced axes."""
    loops = final_loops(group)
    rank = anchor.node.inputs[0].type.rank
    reduced = _reduced_axes(anchor.node)
    if len(loops) != rank:
        return list(loops), []
    rows = [name for axis, name in enumerate(loops) if axis not in reduced]
    return rows, [name for axis, name in enumerate(loops) if axis in reduced]


def _reduced_axes(node: Node) -> set[int]:
    axes = node.attrs.get("axes")
    if axes is not None:
        return set(cast("tuple[int, ...]", axes))
    axis = cast(int, node.attrs["axis"])
    return set(range(axis, node.inputs[0].type.rank)) if node.op in _TRAILING else {axis}


def _dense_axis(group: Group, schedule: Schedule) -> str | None:
    """The loop of the last nest along which its output lies densely."""
    loops = final_loops(group)
    for part in walk(schedule.func.body):
        if isinstance(part, Store) and part.buffer.name == group.stages[-1].outputs[0]:
            for name in loops:
                extent = schedule.loop(name).extent
                if stride_of(part.buffer, part.index, name) == 1 and extent != Const(1):
                    return name
    return None


def _into_rows(schedule: Schedule, loop: str) -> Schedule:
    """Compute the temporaries inside the loop over rows, those made last first."""
    for _ in range(2):
        for name in reversed(_temporaries(schedule.func.body)):
            moved = attempt(compute_at, schedule, name, loop)
            if moved is not schedule:
                schedule = attempt(set_scope, moved, name, "register")
    return schedule


def _temporaries(stmt: Stmt) -> list[str]:
    """Temporaries at the top of the function."""
    names = []
    while isinstance(stmt, Alloc):
        names.append(stmt.buffer.name)
        stmt = stmt.body
    return names


def _vectorize_inside(schedule: Schedule, loop: str, width: int, lanes: int) -> Schedule:
    """Vectors in every nest inside the loop over rows."""
    for path in inner_loops(schedule.func.body, loop):
        for number, name in enumerate(path):
            if _is_dense(schedule.loop(name)):
                later = path[number + 1 :]
                if later:
                    schedule = attempt(reorder, schedule, *later, name)
                schedule = _vectorize(schedule, name, width, lanes)
                break
    return schedule


def _is_dense(loop: For) -> bool:
    """Whether a store or else a load moves by one element per iteration."""
    for part in walk(loop):
        if isinstance(part, Store):
            if stride_of(part.buffer, part.index, loop.var) == 1:
                return True
            loads = [e for e in walk_exprs(part) if isinstance(e, Load)]
            if any(stride_of(e.buffer, e.index, loop.var) == 1 for e in loads):
                return True
    return False


def _vectorize(schedule: Schedule, name: str, width: int, lanes: int) -> Schedule:
    loop = schedule.loop(name)
    moves = any(
        stride_of(part.buffer, part.index, name) != 0
        for part in walk(loop)
        if isinstance(part, Store)
    )
    extent = loop.extent
    size = int(extent.value) if isinstance(extent, Const) else width
    if not moves:
        return _partial_results(schedule, name, min(width, size), lanes)
    if size > width:
        schedule = split(schedule, name, width, names=(f"{name}_s", f"{name}_v"))
        name = f"{name}_v"
    return attempt(vectorize, schedule, name)


def _partial_results(schedule: Schedule, name: str, width: int, lanes: int) -> Schedule:
    if width < 2:
        return schedule
    width = max(w for w in (2, lanes, width) if w <= width)
    store = next(part for part in walk(schedule.loop(name)) if isinstance(part, Store))
    try:
        schedule = rfactor(schedule, name, width)
    except ScheduleError:
        return schedule
    for suffix in ("_z", "_i", "_l"):
        schedule = attempt(vectorize, schedule, f"{name}{suffix}")
    return attempt(set_scope, schedule, f"{store.buffer.name}_lanes", "register")


def _without_rows(schedule: Schedule, machine: Machine) -> Schedule:
    """A reduction to one number: each nest on its own."""
    for name in [p.var for p in walk(schedule.func.body) if isinstance(p, For)]:
        loop = schedule.loops().get(name)
        if loop is not None and not isinstance(loop.body, For):
            schedule = _vectorize(schedule, name, 64, machine.target.lanes(32))
    return schedule


def _share(schedule: Schedule, rows: list[str], machine: Machine, elements: int) -> Schedule:
    if machine.threads == 1 or elements < PARALLEL_ELEMENTS:
        return schedule
    for name in rows:
        after = attempt(parallel, schedule, name)
        if after is schedule:
            break
        schedule = after
    return schedule
