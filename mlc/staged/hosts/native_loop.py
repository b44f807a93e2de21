"""Loops over a body that is one compiled stage, without Python in between.

Holds while a loop runs: every input of the body has a slot in the driver's table; state lies in two
buffers that change places after each iteration; slices that are scanned or collected are reached by
pointers that advance. The driver returns from time to time, so that the interpreter sees signals
and what is collected can grow.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from mlc.backends.llvm.machine import compile_to_object, load_object
from mlc.backends.llvm.native.loop import DONE, LOOP_IR
from mlc.backends.llvm.targets import resolve
from mlc.runtime.executable import FIRST_ARRAY
from mlc.runtime.memory import aligned_bytes
from mlc.runtime.module import Module
from mlc.runtime.native import LoadedCode
from mlc.staged.held import Array

FIRST_CHUNK = 64
"""Iterations of the first call of the driver; the next ones take more, while they are quick."""

MAX_SECONDS = 0.1
"""A call of the driver that took longer is not followed by a larger one."""

MAX_CHUNK_BYTES = 1 << 26
"""What one call of the driver collects takes no more, unless it is a single slice."""


@dataclass(frozen=True)
class Result:
    """An output of the body that its module computes: by position."""

    position: int


@dataclass(frozen=True)
class Same:
    """An output of the body that is one of its inputs, or a captured array: by name."""

    name: str


Origin = Result | Same | Array
"""Where an output of the body comes from; an array is the same in every iteration."""


@dataclass(frozen=True)
class SliceType:
    """Element type and shape of what one iteration gives."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of one slice."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Wiring:
    """What the inputs of a loop's body are told, and where its outputs go.

    `read` are the names of what the module takes, in its order; `inputs` those of the body, some of
    which the module may do without. `live` has what the body reads in the next iteration, captured
    arrays included. `counter` is the input that counts; each of `states` an input and the output
    that becomes it; `condition`, one of the states, ends the loop when it is false.
    """

    module: Module
    read: tuple[str, ...]
    inputs: tuple[str, ...]
    live: Mapping[str, Array]
    counter: str | None
    condition: str | None
    states: tuple[tuple[str, Origin], ...]
    scanned: tuple[str, ...]
    collected: tuple[Origin, ...]

    def type_of(self, origin: Origin) -> SliceType:
        """The type of an output of the body."""
        match origin:
            case Result(position):
                port = self.module.outputs[position]
                return SliceType(port.numpy_dtype, port.shape)
            case Same(name):
                return SliceType(self.live[name].dtype, self.live[name].shape)
            case _:
                return SliceType(origin.dtype, origin.shape)


@dataclass
class Progress:
    """How far a loop has come.

    `states` are the newest, the condition included, by the input they are read from; `scanned`
    arrays have a slice for each iteration; `collected` has pieces of several slices per output.
    """

    states: dict[str, Array]
    scanned: dict[str, Array]
    collected: list[list[Array]]
    iteration: int = 0


@lru_cache(maxsize=1)
def loop_driver() -> LoadedCode:
    """The driver, compiled for this machine when it is first needed."""
    return load_object(compile_to_object(LOOP_IR, resolve("host")))


def run_natively(wiring: Wiring, progress: Progress, limit: int | None) -> None:
    """Run the loop to its end: until `limit` iterations, or until the condition is false.

    Every array of `progress` has the type of its port. It is brought up to date.
    """
    table = _Table(wiring, progress)
    chunk = FIRST_CHUNK
    done = count = 0
    while done == count and (limit is None or progress.iteration < limit):
        count = chunk if limit is None else min(chunk, limit - progress.iteration)
        count = max(1, min(count, MAX_CHUNK_BYTES // max(table.bytes_collected, 1)))
        started = time.perf_counter()
        done = table.advance(count)
        if wiring.condition is not None and not progress.states[wiring.condition].item():
            break
        if time.perf_counter() - started < MAX_SECONDS:
            chunk *= 2


@dataclass
class _Table:
    """The arrays behind the driver's table, in order, and the lists of its plan."""

    wiring: Wiring
    progress: Progress
    arrays: list[Array] = field(init=False)
    slots: dict[str, int] = field(init=False)
    copies: list[tuple[int, int, int]] = field(default_factory=list)
    swaps: list[tuple[int, int, int]] = field(default_factory=list)
    collectors: list[tuple[int, SliceType]] = field(default_factory=list)

    def __post_init__(self) -> None:
        module = self.wiring.module
        self.slots = {name: at for at, name in enumerate(self.wiring.read)}
        missing = [name for name in self.wiring.inputs if name not in self.slots]
        outputs = [np.empty(port.shape, port.numpy_dtype) for port in module.outputs]
        self._results = range(len(module.inputs), len(module.inputs) + len(outputs))
        self.arrays = [self._initial(name) for name in self.slots] + outputs
        for name in missing:
            self._add(self._initial(name), name)
        taken: set[int] = set()
        for name, origin in self.wiring.states:
            self._wire_state(name, origin, taken)
        for origin in self.wiring.collected:
            self._wire_collected(origin, taken)
        self.bytes_collected = sum(kind.nbytes for _, kind in self.collectors)

    def _add(self, array: Array, name: str = "") -> int:
        self.arrays.append(array)
        if name:
            self.slots[name] = len(self.arrays) - 1
        return len(self.arrays) - 1

    def _initial(self, name: str) -> Array:
        """What an input starts with: its own copy where the loop writes to it."""
        if name == self.wiring.counter:
            return np.array(self.progress.iteration, np.int64)
        if name in self.progress.states:
            return _aligned_copy(self.progress.states[name])
        if name in self.progress.scanned:
            return self.progress.scanned[name]
        return _contiguous(self.wiring.live[name])

    def _wire_state(self, name: str, origin: Origin, taken: set[int]) -> None:
        if isinstance(origin, Same) and origin.name == name:
            return
        slot = self.slots[name]
        source = self._source(origin)
        if not isinstance(origin, Result) or source in taken:
            fresh = self._add(_aligned_copy(self.arrays[slot]))
            self.copies.append((source, fresh, self.arrays[slot].nbytes))
            source = fresh
        taken.add(source)
        self.swaps.append((slot, source, 0))

    def _wire_collected(self, origin: Origin, taken: set[int]) -> None:
        source, kind = self._source(origin), self.wiring.type_of(origin)
        if not isinstance(origin, Result) or source in taken:
            fresh = self._add(np.empty(0, kind.dtype))
            self.copies.append((source, fresh, kind.nbytes))
            source = fresh
        taken.add(source)
        self.collectors.append((source, kind))

    def _source(self, origin: Origin) -> int:
        match origin:
            case Result(position):
                return self._results[position]
            case Same(name):
                return (
                    self.slots[name] if name in self.slots else self._add(self._initial(name), name)
                )
            case _:
                return self._add(_contiguous(origin))

    def advance(self, count: int) -> int:
        """Run at most `count` iterations, and tell how many it were."""
        progress, buffers = self.progress, []
        steps = []
        for slot, kind in self.collectors:
            buffers.append(np.empty((count, *kind.shape), kind.dtype))
            self.arrays[slot] = buffers[-1]
            steps.append((slot, kind.nbytes, 0))
        for name, array in progress.scanned.items():
            self.arrays[self.slots[name]] = array[progress.iteration :]
            steps.append((self.slots[name], array[0].nbytes, 0))
        plan = self._plan(count, steps)
        self.wiring.module.executable.repeat(loop_driver(), self.arrays, plan)
        done = int(plan[DONE])
        if done % 2:
            for left, right, _ in self.swaps:
                self.arrays[left], self.arrays[right] = self.arrays[right], self.arrays[left]
        progress.iteration += done
        progress.states.update((name, self.arrays[self.slots[name]]) for name in progress.states)
        for pieces, buffer in zip(progress.collected, buffers, strict=True):
            pieces.append(buffer[:done])
        return done

    def _plan(self, count: int, steps: Sequence[tuple[int, int, int]]) -> Array:
        """The driver's plan: its slots count from the table's first entry, ours from an array."""
        single = (self.wiring.counter, self.wiring.condition)
        named = [-1 if name is None else self.slots[name] + FIRST_ARRAY for name in single]
        rows = [(a + FIRST_ARRAY, b + FIRST_ARRAY, c) for a, b, c in (*self.copies, *self.swaps)]
        rows += [(slot + FIRST_ARRAY, size, 0) for slot, size, _ in steps]
        lengths = len(self.copies), len(self.swaps), len(steps)
        flat = [number for row in rows for number in row]
        return np.array([count, 0, *named, *lengths, *flat], np.int64)


def _contiguous(array: Array) -> Array:
    """The array in row-major order, of the same rank."""
    dense: Array = np.require(array, requirements=["C_CONTIGUOUS", "ALIGNED"])
    return dense


def _aligned_copy(array: Array) -> Array:
    memory = aligned_bytes(array.nbytes)
    copy: Array = np.ndarray(array.shape, array.dtype, memory)
    copy[...] = array
    return copy
