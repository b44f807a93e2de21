"""Scheduled loops → blocks of straight-line code with the loops around them, and memory traffic.

A block is what stands side by side in one innermost loop. On the way up each loop learns how many
bytes of distinct cache lines one iteration and the whole of it touch, which gives distances of
reuse, and the traffic beyond each cache: a loop whose iteration fits the cache fetches its distinct
lines once; one that does not fetches those of each iteration.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mlc.autotune.features.access import LINE, Access, AccessTable
from mlc.autotune.features.arithmetic import Operations, count_operations
from mlc.ir.affine import bounds_of
from mlc.ir.expr import Const, Expr, Load
from mlc.ir.rewrite import free_variables
from mlc.ir.stmt import Alloc, Buffer, For, Func, If, Prefetch, Seq, Stmt, Store
from mlc.target import Target


@dataclass(slots=True, eq=False)
class Loop:
    """A loop: the greatest and the mean extent, the smallest, and bytes of lines it touches."""

    var: str
    kind: str
    most: int
    mean: float
    least: int
    partial: float
    body_bytes: float = 0.0
    whole_bytes: float = 0.0


@dataclass(slots=True, eq=False)
class Block:
    """Straight-line code in one innermost loop; `loops` stand around it, outermost first.

    `reduces`: it adds to what it wrote in an earlier iteration; `accumulator`: where to.
    """

    loops: tuple[Loop, ...]
    bits: int
    operations: Operations = field(default_factory=Operations)
    accesses: list[Access] = field(default_factory=list)
    stores: int = 0
    conditions: int = 0
    accumulator: Access | None = None

    @property
    def reduces(self) -> bool:
        """Whether iterations depend on each other by a sum or the like."""
        return self.accumulator is not None


@dataclass(slots=True, eq=False)
class Nests:
    """What was found in a function.

    `traffic`: bytes fetched beyond each cache of the target; `prefetched`: lines asked for ahead.
    """

    blocks: list[Block]
    loops: list[Loop]
    allocated: list[Buffer]
    vectorised: set[str]
    traffic: Sequence[float]
    touched: float
    prefetched: float


@dataclass(slots=True)
class _Part:
    accesses: list[Access]
    traffic: list[float]


def analyse(func: Func, target: Target) -> Nests:
    """Walk the scheduled loops of a function once."""
    walk = _Walk((target.l1_bytes, target.l2_bytes, target.l3_bytes))
    whole = walk.visit(func.body, ())
    touched = _bytes(whole.accesses)
    return Nests(
        walk.blocks,
        walk.loops,
        walk.allocated,
        walk.vectorised,
        whole.traffic,
        touched,
        walk.prefetched,
    )


class _Walk:
    def __init__(self, caches: Sequence[int]) -> None:
        self.caches = caches
        self.blocks: list[Block] = []
        self.loops: list[Loop] = []
        self.allocated: list[Buffer] = []
        self.vectorised: set[str] = set()
        self.prefetched = 0.0
        self._bounds: dict[str, tuple[int, int]] = {}
        self._table = AccessTable()

    def visit(self, stmt: Stmt, loops: tuple[Loop, ...]) -> _Part:
        match stmt:
            case For():
                return self._loop(stmt, loops)
            case Alloc(buffer, body):
                self.allocated.append(buffer)
                return self.visit(body, loops)
            case Seq(body=body):
                return self._sequence(body, loops)
            case If(_, then, otherwise) if not _is_straight(stmt):
                return self._sequence((then, otherwise) if otherwise else (then,), loops)
        return self._block((stmt,), loops)

    def _loop(self, stmt: For, loops: tuple[Loop, ...]) -> _Part:
        loop = self._described(stmt)
        self.loops.append(loop)
        part = self.visit(stmt.body, (*loops, loop))
        loop.body_bytes = _bytes(part.accesses)
        for access in part.accesses:
            access.widen(loop.var, loop.most)
        loop.whole_bytes = _bytes(part.accesses)
        traffic = [
            min(loop.whole_bytes, loop.mean * inner)
            if loop.body_bytes <= size
            else loop.mean * inner
            for size, inner in zip(self.caches, part.traffic, strict=True)
        ]
        return _Part(part.accesses, traffic)

    def _described(self, stmt: For) -> Loop:
        extent = stmt.extent
        if isinstance(extent, Const):
            size = int(extent.value)
            self._bounds[stmt.var] = (0, max(0, size - 1))
            return Loop(stmt.var, stmt.kind, size, float(size), size, 0.0)
        found = bounds_of(extent, self._bounds) or (1, 1)
        least, most = max(0, found[0]), max(1, found[1])
        self._bounds[stmt.var] = (0, most - 1)
        times = 1
        for name in free_variables(extent):
            low, high = self._bounds.get(name, (0, 0))
            times *= high - low + 1
        mean = ((times - 1) * most + least) / times
        return Loop(stmt.var, stmt.kind, most, mean, least, 1 / times)

    def _sequence(self, body: Iterable[Stmt], loops: tuple[Loop, ...]) -> _Part:
        parts: list[_Part] = []
        straight: list[Stmt] = []
        for stmt in body:
            if isinstance(stmt, Prefetch):  # no work, and what it fetches is read anyway
                self.prefetched += math.prod([loop.mean for loop in loops])
                continue
            if _is_straight(stmt):
                straight.append(stmt)
                continue
            if straight:
                parts.append(self._block(straight, loops))
                straight = []
            parts.append(self.visit(stmt, loops))
        if straight:
            parts.append(self._block(straight, loops))
        if len(parts) == 1:
            return parts[0]
        accesses = _merged(access for part in parts for access in part.accesses)
        together = _bytes(accesses)
        traffic = []
        for level, size in enumerate(self.caches):
            total = sum(part.traffic[level] for part in parts)
            traffic.append(min(total, together) if together <= size else total)
        return _Part(accesses, traffic)

    def _block(self, body: Sequence[Stmt], loops: tuple[Loop, ...]) -> _Part:
        block = Block(loops, 32)
        found: list[Access] = []
        for stmt in body:
            self._collect(stmt, block, found)
        self.blocks.append(block)
        block.accesses = _merged(found)
        memory = [a.copy() for a in block.accesses if a.buffer.scope != "register"]
        return _Part(memory, [float(LINE * len(memory))] * len(self.caches))

    def _collect(self, stmt: Stmt | None, block: Block, found: list[Access]) -> None:
        match stmt:
            case Store(buffer, index, value):
                self._store(buffer, index, value, block, found)
            case If(condition, then, otherwise):
                block.conditions += 1
                self._reads(condition, block, found)
                self._collect(then, block, found)
                self._collect(otherwise, block, found)
            case Seq(body=body):
                for part in body:
                    self._collect(part, block, found)

    def _store(
        self,
        buffer: Buffer,
        index: tuple[Expr, ...],
        value: Expr,
        block: Block,
        found: list[Access],
    ) -> None:
        block.stores += 1
        block.bits = buffer.dtype.bits
        access = self._table.access(buffer, index, True)
        found.append(access)
        if block.loops and block.loops[-1].kind == "vector":
            self.vectorised.add(buffer.name)
        loads = self._reads(value, block, found)
        if any(load.buffer is buffer and load.index == index for load in loads):
            block.accumulator = access

    def _reads(self, value: Expr, block: Block, found: list[Access]) -> list[Load]:
        """The loads of an expression, its operations counted."""
        loads: list[Load] = []
        count_operations(value, block.operations, loads)
        for load in loads:  # grows by the loads in indices
            access = self._table.access(load.buffer, load.index, False)
            found.append(access)
            if access.irregular:
                loads += self._table.loads_in(load.index)
        return loads


def _is_straight(stmt: Stmt) -> bool:
    match stmt:
        case Store() | Prefetch():
            return True
        case If(_, then, otherwise):
            return _is_straight(then) and (otherwise is None or _is_straight(otherwise))
        case Seq(body=body):
            return all(map(_is_straight, body))
    return False


def _merged(accesses: Iterable[Access]) -> list[Access]:
    """One access for those that step alike."""
    kept: dict[object, Access] = {}
    for access in accesses:
        other = kept.setdefault(access.key, access)
        if other is not access:
            other.join(access)
    return list(kept.values())


def _bytes(accesses: Sequence[Access]) -> float:
    """Bytes of the distinct lines: of each buffer those of its widest access."""
    widest: dict[str, float] = {}
    for access in accesses:
        name, lines = access.buffer.name, access.lines()
        if lines > widest.get(name, 0.0):
            widest[name] = lines
    return LINE * sum(widest.values())
