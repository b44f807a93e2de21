"""What a block costs by rough rules: instructions of each kind, cycles, registers.

Vectors longer than the target's are several instructions. What only some of the unrolled loops
move is loaded once for all of them. Nothing here is exact; the model learns what to make of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlc.autotune.features.access import Access
from mlc.autotune.features.nest import Block, Loop
from mlc.target import Target

_LOADS_PER_CYCLE = 2.0
_DIVISION_CYCLES = 8.0
_CALL_CYCLES = 20.0


@dataclass(slots=True, eq=False)
class Profile:
    """A block with its figures.

    `runs`: executions of the block as instructions, all loops counted; `vectors`: instructions that
    its vector loop takes; `efficiency`: share of their lanes in use; `unrolled`: copies of it in
    the code; `wide`, `narrow`, `scattered`, `written`: loads of vectors, of single elements to
    repeat, of elements one by one, and stores; `arithmetic`: instructions; `accumulators`:
    independent sums that it adds to; cycles for arithmetic, loads and stores, and dependent sums.
    """

    block: Block
    runs: float
    vectors: float
    efficiency: float
    unrolled: float
    wide: float
    narrow: float
    scattered: float
    written: float
    arithmetic: float
    accumulators: float
    arithmetic_cycles: float
    memory_cycles: float
    latency_cycles: float

    @property
    def cycles(self) -> float:
        """Estimated cycles on one core, everything in the first-level cache."""
        return max(self.arithmetic_cycles, self.memory_cycles, self.latency_cycles, 1.0)


def profile_of(block: Block, target: Target) -> Profile:
    """The figures of a block."""
    lanes = max(1, target.lanes(block.bits))
    vector = [loop for loop in block.loops if loop.kind == "vector"]
    vectors, efficiency = _vectors(vector, lanes)
    around = [loop for loop in block.loops if loop.kind not in ("vector", "unroll")]
    unrolled = [loop for loop in block.loops if loop.kind == "unroll"]
    times = _product(around)
    copies = _product(unrolled)
    runs = times * copies * vectors
    loads = _Loads(unrolled, vector, vectors, times)
    for access in block.accesses:
        if access.buffer.scope != "register":
            loads.add(access)
    operations = block.operations
    cheap = operations.fused + operations.simple + operations.choices + operations.casts
    cheap += operations.integers
    scalar = operations.indices * times * copies
    arithmetic = (cheap + operations.divisions + operations.calls) * runs
    heavy = (operations.divisions * _DIVISION_CYCLES + operations.calls * _CALL_CYCLES) * runs
    accumulators = _accumulators(block, unrolled, vector, vectors)
    latency = runs / accumulators * target.fma_latency if block.reduces else 0.0
    return Profile(
        block,
        runs,
        vectors,
        efficiency,
        copies,
        loads.wide,
        loads.narrow,
        loads.scattered,
        loads.written,
        arithmetic,
        accumulators,
        cheap * runs / target.fma_ports + heavy + scalar,
        (loads.wide + loads.narrow + loads.scattered) / _LOADS_PER_CYCLE + loads.written,
        latency,
    )


class _Loads:
    """Counts loads and stores of a block by kind."""

    def __init__(
        self, unrolled: Sequence[Loop], vector: Sequence[Loop], vectors: float, times: float
    ) -> None:
        self.wide = self.narrow = self.scattered = self.written = 0.0
        self._unrolled, self._vector = unrolled, vector
        self._vectors, self._times = vectors, times

    def add(self, access: Access) -> None:
        count = self._times * access.count
        count *= _product([loop for loop in self._unrolled if access.moves_with(loop.var)])
        moving = [loop for loop in self._vector if access.moves_with(loop.var)]
        if access.write:
            dense = all(access.strides.get(loop.var) == 1 for loop in moving)
            self.written += count * (self._vectors if dense else _product(moving))
        elif not moving:
            self.narrow += count
        elif access.irregular or access.strides.get(moving[-1].var) != 1:
            self.scattered += count * _product(moving)
        else:
            self.wide += count * self._vectors


def _vectors(vector: Sequence[Loop], lanes: int) -> tuple[float, float]:
    """Instructions that the vector loops take on the average, and the share of lanes in use."""
    count, elements = 1.0, 1.0
    for loop in vector:
        whole, part = math.ceil(loop.most / lanes), math.ceil(loop.least / lanes)
        count *= max(1.0, whole * (1 - loop.partial) + part * loop.partial)
        elements *= max(loop.mean, 1e-3)
    return count, min(1.0, elements / (count * lanes))


def _accumulators(
    block: Block, unrolled: Sequence[Loop], vector: Sequence[Loop], vectors: float
) -> float:
    """Independent sums: the copies and vectors that the accumulator moves with."""
    target = block.accumulator
    if target is None:
        return 1.0
    moved = _product([loop for loop in unrolled if target.moves_with(loop.var)])
    return moved * (vectors if any(target.moves_with(loop.var) for loop in vector) else 1.0)


def _product(loops: Sequence[Loop]) -> float:
    total = 1.0
    for loop in loops:
        total *= loop.mean
    return total
