"""Compiles kernels into this process and calls them on memory in which every mistake shows.

Memory that a kernel has not written holds bytes of 255 (NaN in every float type), and so does the
memory around and between the elements of its arguments: it must still hold them afterwards.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from mlc.backends.llvm.emit.function import workspaces
from mlc.backends.llvm.emit.module import emit_functions
from mlc.backends.llvm.machine import LoadedObject, compile_to_object, load_object
from mlc.backends.llvm.targets import resolve
from mlc.ir.stmt import Buffer, Func
from mlc.runtime.memory import aligned_bytes
from mlc.target import Target

Array = np.ndarray[Any, np.dtype[Any]]

POISON = 0xFF
MARGIN = 256
"""Bytes of poison before and after each argument: more than a vector is long."""

_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_QUICK = 1


class Argument:
    """Memory for one buffer: poison, and the view of its elements."""

    def __init__(self, buffer: Buffer, values: Array | None = None) -> None:
        steps = [(d - 1) * s for d, s in zip(buffer.shape, buffer.strides, strict=True)]
        size = buffer.dtype.bytes
        empty = 0 in buffer.shape
        low = 0 if empty else sum(min(0, step) for step in steps)
        high = 0 if empty else sum(max(0, step) for step in steps) + 1
        self.memory = aligned_bytes((high - low) * size + 2 * MARGIN)
        self.memory[:] = POISON
        start = MARGIN - low * size
        self.address = self.memory[start:].ctypes.data
        self.view = self._view(self.memory, start, buffer)
        if values is not None:
            self.view[...] = values
        touched = np.zeros(self.memory.size, bool)
        for byte in range(size):
            strides = tuple(stride * size for stride in buffer.strides)
            np.lib.stride_tricks.as_strided(touched[start + byte :], buffer.shape, strides)[...] = 1
        self._around = ~touched
        self._before = self.memory.copy()

    @staticmethod
    def _view(memory: Array, start: int, buffer: Buffer) -> Array:
        strides = tuple(stride * buffer.dtype.bytes for stride in buffer.strides)
        return np.ndarray(buffer.shape, buffer.dtype.numpy, memory, start, strides)

    def assert_rest_untouched(self, name: str) -> None:
        """Nothing was written but elements of the buffer."""
        changed = np.flatnonzero((self.memory != self._before) & self._around)
        assert not changed.size, f"{name}: bytes {changed[:8] - MARGIN} around it were written"

    def assert_unchanged(self, name: str) -> None:
        """Nothing was written at all."""
        assert (self.memory == self._before).all(), f"{name} was written"


class Kernels:
    """Compiled functions; `call` runs one."""

    def __init__(
        self, funcs: Sequence[Func], target: str | Target = "host", *, check_bounds: bool = False
    ) -> None:
        resolved = resolve(target)
        text = emit_functions(funcs, resolved.triple, check_bounds=check_bounds)
        self.code: LoadedObject = load_object(compile_to_object(text, resolved, _QUICK))
        self._funcs = {func.name: func for func in funcs}

    def call(self, name: str, arguments: Mapping[str, Argument], pool: int | None = None) -> None:
        """Call a function with one argument per parameter, and poisoned workspaces."""
        func = self._funcs[name]
        work = [Argument(buffer) for buffer in workspaces(func)]
        addresses = [arguments[buffer.name].address for buffer in func.params]
        addresses += [argument.address for argument in work]
        table = (ctypes.c_void_p * max(len(addresses), 1))(*addresses)
        _KERNEL(self.code.address(name))(ctypes.addressof(table), pool)
        for number, argument in enumerate(work):
            argument.assert_rest_untouched(f"workspace {number}")

    def status(self) -> int:
        """1 if an access was out of bounds so far."""
        return ctypes.CFUNCTYPE(ctypes.c_int32)(self.code.address("mlc_status"))()


@contextmanager
def pool_of(code: LoadedObject, threads: int) -> Iterator[int | None]:
    """A thread pool made by compiled code; None for one thread."""
    if threads == 1:
        yield None
        return
    create = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int32)(code.address("mlc_pool_create"))
    destroy = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("mlc_pool_destroy"))
    handle = create(threads - 1)
    try:
        yield handle
    finally:
        destroy(handle)


def run_compiled(
    func: Func,
    values: Mapping[str, Array],
    target: str | Target = "host",
    threads: int = 1,
    *,
    params: Sequence[Buffer] = (),
    check_bounds: bool = False,
    status: int = 0,
) -> dict[str, Array]:
    """Compile a function that `finish_loops` made, run it, and return its parameters afterwards.

    `values` are the contents of those parameters that have any, `params` the parameters as they
    were before a schedule gave the same memory other dimensions. What a `prepare` function writes
    is made first, by compiled code too. Nothing but the other parameters is written. `status` is
    what the code reports afterwards: 1 where an access was out of bounds.
    """
    func = replace(func, name="kernel")
    prepare = [replace(part, name=f"prepare{n}") for n, part in enumerate(func.prepare)]
    kernels = Kernels([func, *prepare], target, check_bounds=check_bounds)
    buffers = {b.name: b for part in (*prepare, func) for b in part.params}
    buffers.update({b.name: b for b in params})
    arguments = {name: Argument(b, values.get(name)) for name, b in buffers.items()}
    for part in prepare:
        kernels.call(part.name, arguments)
        arguments[part.params[-1].name].assert_rest_untouched(part.params[-1].name)
        written = arguments[part.params[-1].name]
        written._before = written.memory.copy()
    with pool_of(kernels.code, threads) as pool:
        kernels.call(func.name, arguments, pool)
    assert kernels.status() == status
    for buffer in func.params:
        argument = arguments[buffer.name]
        if buffer.name in values or buffer.scope == "constant":
            argument.assert_unchanged(buffer.name)
        else:
            argument.assert_rest_untouched(buffer.name)
    return {name: argument.view for name, argument in arguments.items()}
