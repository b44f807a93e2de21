"""What a block costs by rough rules: instructions of each kind, cycles, registers.

Vectors longer than the target's are several instructions. What only some of the unrolled loops
move is loaded once for all of them. Tiles at the edges are smaller than the others and are counted
apart: a few rows that are left may take as long as a whole tile. Nothing here is exact; the model
learns what to make of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlc.autotune.features.access import LINE, Access
from mlc.autotune.features.nest import Block, Loop
from mlc.ir.expr import Expr
from mlc.target import Target

_LOADS_PER_CYCLE = 2.0
_LOAD_BYTES_PER_CYCLE = 64.0
_STORE_BYTES_PER_CYCLE = 32.0
_NOT_HIDDEN = 0.75
"""The part of the time for loads and stores that arithmetic does not hide."""
_DIVISION_CYCLES = 8.0
_CALL_CYCLES = 20.0
_QUOTIENT_CYCLES = 4.0
"""A quotient or remainder by a constant: a multiplication and shifts."""
_ENTRY_CYCLES = 10.0
"""Entering an innermost loop and leaving it, which is mispredicted."""
_SETS_BYTES = 4096
"""Addresses so far apart share a set of the first-level cache."""
_WAYS = 8
_CONFLICT_CYCLES = 2.3
"""For each load or store and each time that its set is filled more than once."""
_POINTERS = 12
"""Addresses that general registers hold beside all else."""
_POINTER_CYCLES = 0.15
"""To bring another one back from the stack, most of which is hidden."""


@dataclass(slots=True, eq=False)
class Profile:
    """A block with its figures.

    `runs`: executions of the block as instructions, all loops counted; `vectors`: instructions that
    its vector loop takes; `efficiency`: share of their lanes in use; `unrolled`: copies of it in
    the code; `wide`, `narrow`, `scattered`, `written`: loads of vectors, of single elements to
    repeat, of elements one by one, and stores; `arithmetic`: instructions; `accumulators`:
    independent sums that it adds to, in a whole tile; cycles for arithmetic, loads and stores, and
    dependent sums; `bound_cycles`: the greatest of the three, tile by tile; `flow_cycles`: so too,
    with loads and stores that arithmetic hides in part only; `edge`: the share of tiles at the
    edges in `bound_cycles`; `quotients`: divisions to compute indices; `pointers`: addresses
    that do not follow from each other; `entries`: how often its innermost loops are entered;
    `conflicts`: lines that one execution reads or writes of one set of the first-level cache,
    over its ways.
    """

    block: Block
    runs: float = 0.0
    vectors: float = 1.0
    efficiency: float = 1.0
    unrolled: float = 1.0
    wide: float = 0.0
    narrow: float = 0.0
    scattered: float = 0.0
    written: float = 0.0
    arithmetic: float = 0.0
    accumulators: float = 1.0
    arithmetic_cycles: float = 0.0
    memory_cycles: float = 0.0
    latency_cycles: float = 0.0
    bound_cycles: float = 0.0
    flow_cycles: float = 0.0
    edge: float = 0.0
    quotients: float = 0.0
    pointers: float = 0.0
    entries: float = 0.0
    conflicts: float = 0.0

    @property
    def cycles(self) -> float:
        """Estimated cycles on one core, everything in the first-level cache."""
        return max(self.bound_cycles, 1.0)

    @property
    def stall_cycles(self) -> float:
        """Cycles lost to what competes for a cache set, and to addresses without a register."""
        crowded = self.memory_cycles * max(0.0, self.conflicts - 1) * _CONFLICT_CYCLES
        rounds = self.runs / (self.unrolled * self.vectors)
        return crowded + rounds * max(0.0, self.pointers - _POINTERS) * _POINTER_CYCLES

    @property
    def overhead_cycles(self) -> float:
        """Cycles of computing indices and of entering loops."""
        return self.quotients * _QUOTIENT_CYCLES + self.entries * _ENTRY_CYCLES


def profile_of(block: Block, target: Target) -> Profile:
    """The figures of a block."""
    found = Profile(block)
    around = [loop for loop in block.loops if loop.kind not in ("vector", "unroll")]
    cut = [loop for loop in block.loops if loop.kind in ("vector", "unroll")]
    times = _product(around)
    edges = 0.0
    for share, extents in _tiles(cut):
        before = found.bound_cycles
        _add_tile(found, cut, extents, times * share, target)
        if share != 1.0 and any(extents[loop.var] != loop.most for loop in cut):
            edges += found.bound_cycles - before
    found.edge = edges / found.bound_cycles if found.bound_cycles else 0.0
    elements = times * _product(cut)
    lanes = max(1, target.lanes(block.bits))
    vector = any(loop.kind == "vector" for loop in cut)
    found.efficiency = min(1.0, elements / (found.runs * lanes)) if vector and found.runs else 1.0
    found.entries = _entries(around)
    _add_addresses(found, around, cut)
    return found


def _tiles(cut: Sequence[Loop]) -> Iterator[tuple[float, dict[str, int]]]:
    """The tiles that loops whose last iterations are fewer make: how many, and their extents.

    Loops of equal extents are thought to end together.
    """
    ends = {(loop.most, loop.least, loop.partial): None for loop in cut if loop.partial}
    for last in itertools.product((False, True), repeat=len(ends)):
        chosen = dict(zip(ends, last, strict=True))
        share = math.prod([key[2] if end else 1 - key[2] for key, end in chosen.items()])
        if share:
            yield (
                share,
                {
                    loop.var: loop.least
                    if chosen.get((loop.most, loop.least, loop.partial))
                    else loop.most
                    for loop in cut
                },
            )


def _add_tile(
    found: Profile, cut: Sequence[Loop], extents: dict[str, int], times: float, target: Target
) -> None:
    """Count tiles of one size: `times` executions of all copies of the block."""
    block = found.block
    lanes = max(1, target.lanes(block.bits))
    unrolled = [loop.var for loop in cut if loop.kind == "unroll"]
    vector = [loop.var for loop in cut if loop.kind == "vector"]
    vectors = float(math.prod([-(-extents[var] // lanes) for var in vector]))
    copies = float(math.prod([extents[var] for var in unrolled]))
    runs = times * copies * vectors
    if not runs:
        return
    loads = _Loads(unrolled, vector, vectors, extents)
    for access in block.accesses:
        if access.buffer.scope != "register":
            loads.add(access)
    operations = block.operations
    cheap = operations.fused + operations.simple + operations.choices + operations.casts
    cheap += operations.integers
    heavy = operations.divisions * _DIVISION_CYCLES + operations.calls * _CALL_CYCLES
    size = min(target.vector_bits, block.bits * _product_of(extents, vector)) / 8
    arithmetic = (cheap / target.fma_ports + heavy) * runs
    memory = loads.wide * max(1 / _LOADS_PER_CYCLE, size / _LOAD_BYTES_PER_CYCLE)
    memory += (loads.narrow + loads.scattered) / _LOADS_PER_CYCLE
    memory += loads.written * max(1.0, size / _STORE_BYTES_PER_CYCLE)
    accumulators = _accumulators(block, unrolled, vector, vectors, extents)
    latency = runs / accumulators * target.fma_latency if block.accumulator is not None else 0.0
    found.runs += runs
    found.arithmetic += (cheap + operations.divisions + operations.calls) * runs
    found.wide += loads.wide * times
    found.narrow += loads.narrow * times
    found.scattered += loads.scattered * times
    found.written += loads.written * times
    found.arithmetic_cycles += arithmetic
    found.memory_cycles += memory * times
    found.latency_cycles += latency
    found.bound_cycles += max(arithmetic, memory * times, latency)
    found.flow_cycles += max(arithmetic + _NOT_HIDDEN * memory * times, latency)
    if copies * vectors >= found.unrolled * found.vectors:
        found.unrolled, found.vectors, found.accumulators = copies, vectors, accumulators


class _Loads:
    """Counts loads and stores by kind in one execution of all copies of a block."""

    def __init__(
        self,
        unrolled: Sequence[str],
        vector: Sequence[str],
        vectors: float,
        extents: dict[str, int],
    ) -> None:
        self.wide = self.narrow = self.scattered = self.written = 0.0
        self._unrolled, self._vector = unrolled, vector
        self._vectors, self._extents = vectors, extents

    def add(self, access: Access) -> None:
        extents = self._extents
        count = float(access.count)
        count *= _product_of(extents, [v for v in self._unrolled if access.moves_with(v)])
        moving = [var for var in self._vector if access.moves_with(var)]
        if access.write:
            dense = all(access.strides.get(var) == 1 for var in moving)
            self.written += count * (self._vectors if dense else _product_of(extents, moving))
        elif not moving:
            self.narrow += count
        elif access.irregular or access.strides.get(moving[-1]) != 1:
            self.scattered += count * _product_of(extents, moving)
        else:
            self.wide += count * self._vectors


def _accumulators(
    block: Block,
    unrolled: Sequence[str],
    vector: Sequence[str],
    vectors: float,
    extents: dict[str, int],
) -> float:
    """Independent sums: the copies and vectors that the accumulator moves with."""
    target = block.accumulator
    if target is None:
        return 1.0
    moved = _product_of(extents, [var for var in unrolled if target.moves_with(var)])
    return moved * (vectors if any(target.moves_with(var) for var in vector) else 1.0)


def _entries(around: Sequence[Loop]) -> float:
    """How often the innermost loop that goes on for more than one iteration is entered."""
    outer = list(around)
    while outer and outer[-1].most <= 1:
        outer.pop()
    return _product(outer[:-1])


def _add_addresses(found: Profile, around: Sequence[Loop], cut: Sequence[Loop]) -> None:
    """Count what it takes to know where to read and write, and what falls into one cache set."""
    quotients: dict[Expr, frozenset[str]] = {}
    for access in found.block.accesses:
        if access.buffer.scope == "register":
            continue
        quotients |= access.quotients
        copies = 1.0
        for loop in cut:
            if loop.kind == "unroll" and _divides(access, loop.var):
                copies *= loop.mean
        found.pointers += copies
        found.conflicts = max(found.conflicts, _lines_in_a_set(access, cut) / _WAYS)
    for moved in quotients.values():
        depth = max((n for n, loop in enumerate(around, 1) if loop.var in moved), default=0)
        copies = _product([loop for loop in cut if loop.kind == "unroll" and loop.var in moved])
        found.quotients += _product(around[:depth]) * copies


def _divides(access: Access, loop: str) -> bool:
    return any(loop in moved for moved in access.quotients.values())


def _lines_in_a_set(access: Access, cut: Sequence[Loop]) -> float:
    """Lines that all copies of an access touch at once, over the sets that they can lie in."""
    size = access.buffer.dtype.bytes
    walks: list[tuple[float, int]] = [
        (loop.most, abs(access.strides.get(loop.var, 0)) * size)
        for loop in cut
        if loop.kind == "unroll"
    ]
    walks += [
        (reach + 1, abs(stride) * size)
        for reach, stride in zip(access.reach, access.buffer.strides, strict=True)
    ]
    lines = sets = 1.0
    for count, step in walks:
        if count > 1 and step >= LINE:
            lines *= count
            sets *= min(count, _SETS_BYTES // math.gcd(step, _SETS_BYTES))
    return lines / min(sets, _SETS_BYTES / LINE)


def _product(loops: Sequence[Loop]) -> float:
    total = 1.0
    for loop in loops:
        total *= loop.mean
    return total


def _product_of(extents: dict[str, int], names: Sequence[str]) -> float:
    total = 1.0
    for name in names:
        total *= extents[name]
    return total
