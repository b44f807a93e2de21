"""The features of a scheduled function, as one vector in the order of the table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mlc.autotune.features.access import LINE, Access
from mlc.autotune.features.arithmetic import NAMES, Operations
from mlc.autotune.features.nest import Loop, Nests, analyse
from mlc.autotune.features.profile import Profile, profile_of
from mlc.autotune.features.table import BLOCK, BLOCKS, BUFFER, BUFFERS
from mlc.ir.stmt import Func
from mlc.passes.schedule.templates.base import Machine
from mlc.target import Target

_BYTES_PER_CYCLE = (32.0, 16.0, 5.0)
"""What comes out of the second and third cache and out of memory, for one core."""
_NOT_HIDDEN = 0.25
"""The part of the time to fetch that all else does not hide."""
_START_CYCLES = 3000.0
"""Cycles of starting and joining threads."""
_PAGE = 4096


def features(func: Func, machine: Machine) -> NDArray[np.float32]:
    """The features of a function as a schedule leaves it, before tails and vectors are spelled out.

    float32 of shape (len(FEATURE_NAMES),); the same for equal loops on equal machines.
    """
    target = machine.target
    nests = analyse(func, target)
    profiles = [profile_of(block, target) for block in nests.blocks]
    profiles.sort(key=lambda profile: -profile.cycles)  # stable: ties stay in program order
    pressures = [_pressure(profile, nests, target) for profile in profiles]
    values = _target(machine)
    values += _work(profiles, nests)
    shared = _Sharing(profiles, machine)
    values += _cycles(profiles, nests, shared)
    values += _memory(func, nests, profiles, target)
    values += shared.values()
    values += _shape(nests, profiles, pressures, target)
    total = sum(profile.cycles for profile in profiles) or 1.0
    for profile, pressure in zip(profiles[:BLOCKS], pressures, strict=False):
        values += _block(profile, total, pressure, target)
    values += [0.0] * (len(BLOCK) * (BLOCKS - len(profiles[:BLOCKS])))
    values += _buffers(profiles[0], target) if profiles else [0.0] * (len(BUFFER) * BUFFERS)
    return np.array(values, np.float32)


def _log(value: float) -> float:
    return math.log2(1.0 + value)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _target(machine: Machine) -> list[float]:
    target = machine.target
    return [
        float(target.lanes(32)),
        float(target.vector_registers),
        float(target.fma_ports),
        float(target.fma_latency),
        _log(target.l1_bytes),
        _log(target.l2_bytes),
        _log(target.l3_bytes),
        float(machine.threads),
    ]


def _work(profiles: Sequence[Profile], nests: Nests) -> list[float]:
    operations = Operations()
    for profile in profiles:
        operations.add(profile.block.operations, profile.runs)
    counts = [getattr(operations, name) for name in NAMES]
    arithmetic = sum(profile.arithmetic for profile in profiles)
    quotients = sum(profile.quotients for profile in profiles)
    runs = sum(profile.runs for profile in profiles)
    scalar = sum(p.runs for p in profiles if not _loops(p, "vector"))
    lanes = sum(profile.runs * profile.efficiency for profile in profiles)
    return [
        *[_ratio(count, sum(counts)) for count in counts],
        _log(arithmetic),
        _ratio(arithmetic, nests.touched / 4),
        _ratio(sum(p.wide for p in profiles), arithmetic),
        _ratio(sum(p.narrow for p in profiles), arithmetic),
        _ratio(sum(p.scattered for p in profiles), arithmetic),
        _ratio(sum(p.written for p in profiles), arithmetic),
        _ratio(quotients, arithmetic),
        _log(sum(profile.entries for profile in profiles)),
        _ratio(scalar, runs),
        _ratio(lanes, runs),
    ]


def _loops(profile: Profile, kind: str) -> list[Loop]:
    return [loop for loop in profile.block.loops if loop.kind == kind]


def _iterations(loops: Iterable[Loop]) -> float:
    return math.prod(loop.mean for loop in loops)


class _Sharing:
    """How the threads share the cycles of all blocks."""

    def __init__(self, profiles: Sequence[Profile], machine: Machine) -> None:
        threads = machine.threads
        self.alone = self.shared = self.regions = 0.0
        self.iterations = self.imbalance = self.grain = 1.0
        entered: set[str] = set()
        for number, profile in enumerate(profiles):
            parallel = _loops(profile, "parallel")
            if not parallel:
                self.alone += profile.cycles
                continue
            count = _iterations(parallel)
            rounds = max(1.0, math.ceil(count / threads))
            self.shared += profile.cycles * rounds / max(1.0, count)
            outer = parallel[0]
            if outer.var not in entered:
                entered.add(outer.var)
                at = profile.block.loops.index(outer)
                self.regions += _iterations(profile.block.loops[:at])
            if number == 0:
                self.iterations, self.imbalance = count, rounds * threads / max(1.0, count)
                self.grain = profile.cycles / max(1.0, count)
        self.total = sum(profile.cycles for profile in profiles)
        self.busiest = self.alone + self.shared

    def values(self) -> list[float]:
        return [
            _log(self.iterations),
            self.imbalance,
            _ratio(self.alone, self.total),
            _log(self.regions),
            _log(self.grain),
            _ratio(self.regions * _START_CYCLES, self.busiest),
        ]


def _cycles(profiles: Sequence[Profile], nests: Nests, shared: _Sharing) -> list[float]:
    arithmetic = sum(profile.arithmetic_cycles for profile in profiles)
    memory = sum(profile.memory_cycles for profile in profiles)
    latency = sum(profile.latency_cycles for profile in profiles)
    stalls = sum(profile.stall_cycles for profile in profiles)
    overhead = sum(profile.overhead_cycles for profile in profiles)
    fetch = sum(part / rate for part, rate in zip(nests.traffic, _BYTES_PER_CYCLE, strict=True))
    share = _ratio(shared.busiest, shared.total)  # of what all threads do
    flow = sum(profile.flow_cycles for profile in profiles)
    together = share * (flow + overhead + stalls) + _NOT_HIDDEN * fetch
    return [
        _log(shared.total),
        _log(arithmetic),
        _log(memory),
        _log(latency),
        _log(shared.busiest),
        _log(fetch),
        _log(max(shared.busiest, fetch)),
        _log(overhead),
        _log(stalls),
        _log(together),
        _ratio(arithmetic, shared.total),
        _ratio(memory, shared.total),
        _ratio(fetch, shared.busiest),
        _ratio(overhead, shared.total),
        _ratio(stalls, shared.total),
    ]


def _memory(func: Func, nests: Nests, profiles: Sequence[Profile], target: Target) -> list[float]:
    arithmetic = sum(profile.arithmetic for profile in profiles)
    constants = [p.span * p.dtype.bytes for p in func.params if p.scope == "constant"]
    prepared = [p.params[-1].span * p.params[-1].dtype.bytes for p in func.prepare]
    sizes = {"arena": 0, "stack": 0}
    for buffer in nests.allocated:
        if buffer.scope in sizes:
            sizes[buffer.scope] += buffer.span * buffer.dtype.bytes
    return [
        _log(nests.touched),
        *[_log(part) for part in nests.traffic],
        *[_log(_ratio(part, nests.touched)) for part in nests.traffic],
        *[_log(_ratio(arithmetic, part / LINE)) for part in nests.traffic],
        _log(sum(constants) / target.l2_bytes),
        _log(sum(constants) / target.l3_bytes),
        _log(sum(prepared)),
        _ratio(nests.prefetched * LINE, nests.touched),
        _log(sizes["arena"]),
        _log(sizes["stack"]),
    ]


def _pressure(profile: Profile, nests: Nests, target: Target) -> float:
    """Vectors alive in a block: the register temporaries it touches, and what it loads at once."""
    alive = 0.0
    touched = {a.buffer.name for a in profile.block.accesses if a.buffer.scope == "register"}
    for buffer in nests.allocated:
        if buffer.name in touched:
            alive += _vectors_of(buffer.elements, buffer.dtype.bits, buffer.name, nests, target)
    loads = [a for a in profile.block.accesses if a.buffer.scope != "register" and not a.write]
    unmoved = [a for a in loads if any(a.moves_with(v.var) for v in _loops(profile, "vector"))]
    return alive + len(unmoved) * profile.vectors + bool(loads)


def _vectors_of(elements: int, bits: int, name: str, nests: Nests, target: Target) -> float:
    lanes = max(1, target.lanes(bits))
    return math.ceil(elements / lanes) if name in nests.vectorised else float(elements)


def _shape(
    nests: Nests, profiles: Sequence[Profile], pressures: Sequence[float], target: Target
) -> list[float]:
    registers = [buffer for buffer in nests.allocated if buffer.scope == "register"]
    vectors = [_vectors_of(b.elements, b.dtype.bits, b.name, nests, target) for b in registers]
    most = max(pressures, default=0.0)
    code = sum(
        profile.unrolled * profile.vectors * (profile.arithmetic / max(1.0, profile.runs) + 1)
        for profile in profiles
    )
    return [
        _log(len(nests.loops)),
        _log(len(profiles)),
        float(max((len(profile.block.loops) for profile in profiles), default=0)),
        _log(sum(loop.mean != loop.most for loop in nests.loops)),
        _log(sum(profile.block.conditions for profile in profiles)),
        _log(code),
        _log(sum(vectors)),
        most / target.vector_registers,
        _log(max(0.0, most - target.vector_registers)),
    ]


def _block(profile: Profile, total: float, pressure: float, target: Target) -> list[float]:
    block = profile.block
    serial = _loops(profile, "serial")
    inner = [loop for loop in serial if loop.most > 1][::-1]
    innermost = inner[0] if inner else None
    second = inner[1] if len(inner) > 1 else None
    hidden = target.fma_latency * target.fma_ports
    far = 0
    if innermost is not None:
        steps = [
            abs(a.strides.get(innermost.var, 0)) * a.buffer.dtype.bytes for a in block.accesses
        ]
        far = sum(step >= _PAGE for step in steps)
    arithmetic = profile.arithmetic
    return [
        profile.cycles / total,
        _log(profile.runs),
        float(block.bits),
        float(block.reduces),
        _log(profile.accumulators),
        profile.accumulators / hidden,
        _log(profile.vectors),
        profile.efficiency,
        _log(profile.unrolled),
        _log(innermost.mean if innermost else 1.0),
        _log(second.mean if second else 1.0),
        _log(_iterations(serial)),
        _log(_iterations(_loops(profile, "parallel"))),
        float(len(block.loops)),
        _ratio(arithmetic, profile.runs),
        block.operations.fused,
        _ratio(profile.wide, arithmetic),
        _ratio(profile.narrow, arithmetic),
        _ratio(profile.scattered, arithmetic),
        _ratio(profile.written, arithmetic),
        profile.arithmetic_cycles / profile.cycles,
        profile.memory_cycles / profile.cycles,
        pressure / target.vector_registers,
        _log(innermost.whole_bytes / target.l1_bytes if innermost else 0.0),
        _log(second.whole_bytes / target.l2_bytes if second else 0.0),
        float(far),
        math.prod(loop.mean / loop.most for loop in block.loops if loop.most),
        profile.edge,
        _log(profile.pointers),
        _log(profile.entries),
        _ratio(profile.quotients, profile.runs),
        _log(profile.conflicts),
    ]


def _buffers(profile: Profile, target: Target) -> list[float]:
    memory = [a for a in profile.block.accesses if a.buffer.scope != "register"]
    rows = [_buffer(access.copy(), profile, target) for access in memory]
    rows.sort(key=lambda row: -row[0])  # stable
    values = [value for _, row in rows[:BUFFERS] for value in row]
    return values + [0.0] * (len(BUFFER) * BUFFERS - len(values))


def _buffer(access: Access, profile: Profile, target: Target) -> tuple[float, list[float]]:
    loops = profile.block.loops
    distance, total = 0.0, 1.0
    for loop in reversed(loops):
        if not distance and loop.most > 1 and not access.moves_with(loop.var):
            distance = loop.body_bytes + LINE
        access.widen(loop.var, loop.most)
        total *= max(loop.mean, 1.0)
    lines, elements = access.lines(), access.elements()
    size = access.buffer.dtype.bytes
    inner = [loop for loop in loops if loop.kind == "serial" and loop.most > 1]
    vector = [loop for loop in loops if loop.kind == "vector"]
    row = [
        _log(lines * LINE),
        min(1.0, elements * size / (lines * LINE)),
        _log(lines * LINE / target.l1_bytes),
        _log(lines * LINE / target.l2_bytes),
        _signed(access.strides.get(vector[-1].var, 0) if vector else 0),
        _signed(access.strides.get(inner[-1].var, 0) * size if inner else 0),
        _log(total * access.count / elements),
        _log(distance),
        float(access.buffer.scope == "constant"),
        float(access.write),
    ]
    return lines, row


def _signed(step: float) -> float:
    return math.copysign(_log(abs(step)), step)
