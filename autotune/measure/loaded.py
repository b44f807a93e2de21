"""A candidate in this process: its memory laid out and filled, its code ready to be called.

All that the kernel touches lies in one block, each buffer on a cache line of its own, as in the
arena of a model. What nobody has written is poison: NaN in every float type.

In a model, the constants of other kernels pass through the caches between two calls of this one,
while what it reads besides was written just before. So there may be several copies of the
constants, which calls take in turn.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np

from mlc.autotune.measure.arguments import Array
from mlc.autotune.measure.candidate import Candidate, thread_pool
from mlc.backends.llvm.emit.timing import SHARED, TIME
from mlc.backends.llvm.machine import LoadedObject, load_object
from mlc.backends.llvm.targets import resolve
from mlc.ir.stmt import Buffer
from mlc.runtime.abi import ffi
from mlc.runtime.memory import ALIGNMENT, Bytes, address_of
from mlc.runtime.native import POOL_CREATE, POOL_DESTROY

POISON = 0xFF

_MAX_BYTES = 1 << 40
_MOST_COPIES = 256
_SMALL = 16 * 1024


class Extent:
    """The bytes of a strided buffer: how many, and where in them its first element lies."""

    def __init__(self, buffer: Buffer) -> None:
        size = buffer.dtype.bytes
        steps = [(d - 1) * s for d, s in zip(buffer.shape, buffer.strides, strict=True)]
        empty = 0 in buffer.shape
        self.start = 0 if empty else -sum(min(0, step) for step in steps) * size
        last = 0 if empty else sum(max(0, step) for step in steps) * size + size
        self.bytes = self.start + last

    def view(self, buffer: Buffer, memory: Bytes) -> Array:
        """The elements of `buffer` in its bytes."""
        strides = tuple(stride * buffer.dtype.bytes for stride in buffer.strides)
        elements: Array = np.ndarray(buffer.shape, buffer.dtype.numpy, memory, self.start, strides)
        return elements


class Layout:
    """Where each argument of a kernel lies in one block; constants that it reads are at the end.

    `buffers` are the parameters of the plain loops; a schedule may see the same memory through
    other dimensions.
    """

    def __init__(self, candidate: Candidate, buffers: Iterable[Buffer]) -> None:
        self.buffers = {buffer.name: buffer for buffer in buffers}
        self.extents = {name: Extent(buffer) for name, buffer in self.buffers.items()}
        self.prepared = {part.params[-1]: part.bytes for part in candidate.prepare}
        sources = [name for part in candidate.prepare for name in part.params[:-1]]
        self.offsets: dict[str, int] = {}
        self.bytes = 0
        self.constants = [name for name in candidate.params if self._is_constant(name)]
        others = (*candidate.params, *self.prepared, *self.buffers, *sources)
        for name in dict.fromkeys(others):
            if name not in self.constants:
                self.offsets[name] = self._reserve(self._size(name))
        self.workspaces = [self._reserve(size) for size in candidate.workspaces]
        self.constants_start = self.bytes
        for name in self.constants:
            self.offsets[name] = self._reserve(self._size(name))

    def copies_for(self, working_set: int) -> int:
        """How many copies of the constants fill so many bytes; one where they are small."""
        size = self.bytes - self.constants_start
        return min(_MOST_COPIES, -(-working_set // size)) if size >= _SMALL and working_set else 1

    def _is_constant(self, name: str) -> bool:
        return name in self.prepared or self.buffers[name].scope == "constant"

    def _size(self, name: str) -> int:
        known = self.prepared.get(name)
        return self.extents[name].bytes if known is None else known

    def _reserve(self, size: int) -> int:
        offset = self.bytes
        self.bytes += -(-size // ALIGNMENT) * ALIGNMENT
        if self.bytes > _MAX_BYTES:
            raise MemoryError(f"a candidate wants {self.bytes} bytes")
        return offset

    def start(self, name: str) -> int:
        """Where the first element of a parameter lies in the block."""
        return self.offsets[name] + (self.extents[name].start if name in self.extents else 0)

    def view(self, name: str, memory: Bytes) -> Array:
        """The elements of a parameter of the plain loops."""
        offset, extent = self.offsets[name], self.extents[name]
        return extent.view(self.buffers[name], memory[offset : offset + extent.bytes])

    def fill(self, values: Mapping[str, Array], copies: int = 1) -> Bytes:
        """A new block: poison, with `values` in their places, and room for copies of constants."""
        size = self.bytes + (copies - 1) * (self.bytes - self.constants_start)
        block = np.empty(size + ALIGNMENT, np.uint8)
        start = -address_of(block) % ALIGNMENT
        memory: Bytes = block[start : start + size]
        memory[: self.bytes] = POISON
        for name, array in values.items():
            self.view(name, memory)[...] = array
        return memory


@functools.cache
def _shared_pool() -> LoadedObject:
    """The thread pool's code; it stays, because code that calls it may be loaded at any time."""
    return load_object(thread_pool(resolve("host")))


@final
class LoadedKernel:
    """Code and memory of a candidate; `close` gives both back, and ends its threads."""

    def __init__(
        self,
        candidate: Candidate,
        code: bytes,
        buffers: Iterable[Buffer],
        values: Mapping[str, Array],
        working_set: int = 0,
    ) -> None:
        self._layout = Layout(candidate, buffers)
        copies = self._layout.copies_for(working_set)
        self._memory = self._layout.fill(values, copies)
        self._shared = _shared_pool()
        symbols = {name: self._shared.address(name) for name in SHARED}
        self._code = load_object(code, symbols)
        self._pool: Any = ffi.NULL
        self._base = address_of(self._memory)
        for part in candidate.prepare:
            self._call(part.symbol, part.params)
        self._copy_constants(copies)
        workspaces = self._layout.workspaces
        tables = [self._table(candidate.params, workspaces, copy) for copy in range(copies)]
        self._tables = itertools.cycle(tables)
        self._single = tables[0] if copies == 1 else None
        self._time = ffi.cast("int64_t (*)(void **, void *, int64_t)", self._code.address(TIME))
        if candidate.threads > 1:
            address = self._shared.address(POOL_CREATE)
            create = ffi.cast("void *(*)(int32_t)", address)
            self._pool = create(candidate.threads - 1)

    def time(self, calls: int) -> float:
        """Seconds that `calls` calls take, one after the other."""
        if self._single is not None:
            return float(self._time(self._single, self._pool, calls)) * 1e-9
        tables = itertools.islice(self._tables, calls)
        return float(sum(self._time(table, self._pool, 1) for table in tables)) * 1e-9

    def view(self, buffer: Buffer) -> Array:
        """The elements of a parameter of the plain loops, as they are now."""
        return self._layout.view(buffer.name, self._memory)

    def close(self) -> None:
        """End the threads. The kernel must not be called afterwards."""
        pool, self._pool = self._pool, ffi.NULL
        if pool != ffi.NULL:
            ffi.cast("void (*)(void *)", self._shared.address(POOL_DESTROY))(pool)

    def __enter__(self) -> LoadedKernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, symbol: str, params: Sequence[str]) -> None:
        function = ffi.cast("void (*)(void **, void *)", self._code.address(symbol))
        function(self._table(params, ()), ffi.NULL)

    def _copy_constants(self, copies: int) -> None:
        start, end = self._layout.constants_start, self._layout.bytes
        for copy in range(1, copies):
            place = start + copy * (end - start)
            self._memory[place : place + end - start] = self._memory[start:end]

    def _table(self, params: Sequence[str], offsets: Sequence[int], copy: int = 0) -> Any:
        layout = self._layout
        moved = copy * (layout.bytes - layout.constants_start)
        starts = [
            layout.start(name) + (moved if name in layout.constants else 0) for name in params
        ]
        starts += offsets
        table = ffi.new("void *[]", max(1, len(starts)))
        for number, start in enumerate(starts):
            table[number] = ffi.cast("void *", self._base + start)
        return table
