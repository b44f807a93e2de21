"""A compiled model in this process, ready to be called with arrays that fit.

The caller checks the arrays; here they become one table of addresses and one native call, which
releases the interpreter's lock. Calls may come from many threads at once: each takes an arena from
a free list. The pool starts with the first call that can use it. Everything is given back when the
last call that uses it has ended, after `close` or when nobody refers to the executable.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlc.errors import MlcError
from mlc.runtime.abi import ffi
from mlc.runtime.memory import Bytes, align, aligned_bytes
from mlc.runtime.native import LOOP, OUT_OF_BOUNDS, POOL_CREATE, POOL_DESTROY, RUN, LoadedCode

Array = np.ndarray[Any, Any]

MAX_IDLE_WORKSPACES = 8

_POOL, _PROFILE, FIRST_ARRAY = 2, 3, 4

_LOOP_TYPE = "int32_t (*)(int32_t (*)(void **), void **, int64_t *)"

_NULL = ffi.NULL


class _Workspace:
    """What one call needs for itself: the arena, and the table of addresses."""

    __slots__ = ("arena", "table")

    def __init__(self, constants: Bytes, arena_bytes: int, arrays: int) -> None:
        self.arena = aligned_bytes(arena_bytes)
        self.table = ffi.new("void *[]", FIRST_ARRAY + arrays)
        self.table[0] = ffi.from_buffer(constants)
        self.table[1] = ffi.from_buffer(self.arena)


class _Pool:
    """The native thread pool.

    A forked child has none of its parent's threads, so it starts its own and never touches the
    parent's. `users` has one entry per running call: daemon threads may still be inside one when
    the process ends, and then the pool is left alone.
    """

    def __init__(self, code: LoadedCode, workers: int) -> None:
        self.users: list[None] = []
        self._code = code
        self._create = ffi.cast("void *(*)(int32_t)", code.address(POOL_CREATE))
        self._destroy = ffi.cast("void (*)(void *)", code.address(POOL_DESTROY))
        self._workers = workers
        self._lock = threading.Lock()
        self._process: int | None = None
        self._handle: Any = _NULL

    def handle(self) -> Any:
        """The pool's address, or null when the calling thread is all there is."""
        if self._workers > 0 and self._process != os.getpid():
            self._start()
        return self._handle

    def _start(self) -> None:
        with self._lock:
            process = os.getpid()
            if self._process != process:
                self._handle = self._create(self._workers)
                self._process = process

    def shut_down(self) -> None:
        """Join the threads, unless a call is running; later calls go without a pool."""
        handle, self._handle = self._handle, _NULL
        if handle != _NULL and not self.users and self._process == os.getpid():
            self._destroy(handle)


class Threads:
    """A thread pool that executables share; its threads end when nobody refers to it.

    One call at a time has the pool, others run alone. All executables must be of one compiler.
    """

    def __init__(self, code: LoadedCode, workers: int) -> None:
        self.pool = _Pool(code, workers)
        weakref.finalize(self, self.pool.shut_down)


class _Resources:
    """What calls share: the threads and the idle workspaces."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads
        self.idle: list[_Workspace] = []


class Executable:
    """Loaded code bound to its constants.

    `constants` are kept, not copied, when they start on a cache line. `arrays` counts inputs and
    outputs together; `num_threads` counts the calling thread.
    """

    def __init__(
        self,
        code: LoadedCode,
        *,
        constants: Bytes,
        arena_bytes: int,
        arrays: int,
        num_threads: int = 1,
    ) -> None:
        self.num_threads = num_threads
        self._code = code
        self._run = ffi.cast("int32_t (*)(void **)", code.address(RUN))
        self._constants = align(constants)
        self._arena_bytes = arena_bytes
        self._arrays = arrays
        self._resources: _Resources | None = _Resources(Threads(code, num_threads - 1))

    def run(
        self, inputs: Sequence[Array], outputs: Sequence[Array], ticks: Array | None = None
    ) -> None:
        """Compute `outputs` from `inputs`: contiguous arrays of exactly the expected types.

        `ticks` (uint64, one per call of the plan) has the nanoseconds of each call added.
        Raises `MlcError` when closed.
        """
        self._enter(self._run, (*inputs, *outputs), ticks)

    def repeat(self, loop: LoadedCode, arrays: Sequence[Array], plan: Array) -> None:
        """Let the native `loop` run the code many times.

        Its table has the inputs, the outputs and any further `arrays`, the first at `FIRST_ARRAY`;
        `plan` is what `mlc.backends.llvm.native.loop` describes. Raises what `run` raises.
        """
        if len(arrays) < self._arrays:
            raise MlcError(f"{len(arrays)} arrays for a table of {self._arrays}")
        drive = ffi.cast(_LOOP_TYPE, loop.address(LOOP))
        row = ffi.from_buffer("int64_t[]", plan)
        table = ffi.new("void *[]", FIRST_ARRAY + len(arrays))
        table[FIRST_ARRAY : FIRST_ARRAY + len(arrays)] = [ffi.from_buffer(a) for a in arrays]

        def enter(own: Any) -> Any:
            table[0:FIRST_ARRAY] = own[0:FIRST_ARRAY]
            return drive(self._run, table, row)

        self._enter(enter, (), None)

    def _enter(
        self, entry: Callable[[Any], Any], arrays: Sequence[Array], ticks: Array | None
    ) -> None:
        """Call native code with a table of its own, as a user of the resources."""
        resources = self._resources
        if resources is None:
            raise MlcError("the module is closed")
        pool, idle = resources.threads.pool, resources.idle
        try:
            workspace = idle.pop()
        except IndexError:
            workspace = _Workspace(self._constants, self._arena_bytes, self._arrays)
        pool.users.append(None)
        try:
            status = self._call(entry, workspace.table, pool.handle(), arrays, ticks)
        finally:
            pool.users.pop()
        if len(idle) < MAX_IDLE_WORKSPACES:
            idle.append(workspace)
        if status:
            raise _failure(status)

    @staticmethod
    def _call(
        entry: Callable[[Any], Any],
        table: Any,
        pool: Any,
        arrays: Sequence[Array],
        ticks: Array | None,
    ) -> int:
        from_buffer = ffi.from_buffer
        table[_POOL] = pool
        table[_PROFILE] = _NULL if ticks is None else from_buffer(ticks)
        slot = FIRST_ARRAY
        for array in arrays:
            table[slot] = from_buffer(array)
            slot += 1
        return int(entry(table))

    @property
    def threads(self) -> Threads | None:
        """The threads that calls use; None when closed."""
        return None if self._resources is None else self._resources.threads

    def share(self, threads: Threads) -> None:
        """Use the threads of another executable, made for as many, from the next call on."""
        if self._resources is not None:
            self._resources = _Resources(threads)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._resources is None

    def close(self) -> None:
        """End the threads and free the arenas, once no call uses them; further calls fail."""
        self._resources = None


def _failure(status: int) -> MlcError:
    if status == OUT_OF_BOUNDS:
        return MlcError(
            "a kernel tried to leave the bounds of a buffer",
            hint="the outputs are wrong, and so is the compiler: this is a bug of mlc",
        )
    return MlcError(f"the compiled code failed with status {status}")
