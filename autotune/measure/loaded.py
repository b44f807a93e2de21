"""A candidate in this process: its memory laid out and filled, its code ready to be called.

All that the kernel touches lies in one block, each buffer on a cache line of its own, as in the
arena of a model. What nobody has written is poison: NaN in every float type.
"""

from __future__ import annotations

import functools
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
    """Where each argument of a kernel lies in one block: parameters by name, then workspaces.

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
        for name in dict.fromkeys((*candidate.params, *self.prepared, *self.buffers, *sources)):
            self.offsets[name] = self._reserve(self._size(name))
        self.workspaces = [self._reserve(size) for size in candidate.workspaces]

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

    def fill(self, values: Mapping[str, Array]) -> Bytes:
        """A new block: poison, with `values` in their places."""
        block = np.empty(self.bytes + ALIGNMENT, np.uint8)
        start = -address_of(block) % ALIGNMENT
        memory: Bytes = block[start : start + self.bytes]
        memory[:] = POISON
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
    ) -> None:
        self._layout = Layout(candidate, buffers)
        self._memory = self._layout.fill(values)
        self._shared = _shared_pool()
        symbols = {name: self._shared.address(name) for name in SHARED}
        self._code = load_object(code, symbols)
        self._pool: Any = ffi.NULL
        self._base = address_of(self._memory)
        for part in candidate.prepare:
            self._call(part.symbol, part.params)
        self._arguments = self._table(candidate.params, self._layout.workspaces)
        self._time = ffi.cast("int64_t (*)(void **, void *, int64_t)", self._code.address(TIME))
        if candidate.threads > 1:
            address = self._shared.address(POOL_CREATE)
            create = ffi.cast("void *(*)(int32_t)", address)
            self._pool = create(candidate.threads - 1)

    def time(self, calls: int) -> float:
        """Seconds that `calls` calls take, one after the other."""
        return float(self._time(self._arguments, self._pool, calls)) * 1e-9

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

    def _table(self, params: Sequence[str], offsets: Sequence[int]) -> Any:
        starts = [*(self._layout.start(name) for name in params), *offsets]
        table = ffi.new("void *[]", max(1, len(starts)))
        for number, start in enumerate(starts):
            table[number] = ffi.cast("void *", self._base + start)
        return table
