"""Aligned memory: what compiled code reads and writes starts on a cache line."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np

from mlc.errors import MlcError
from mlc.runtime.abi import ffi
from mlc.runtime.signature import Port

ALIGNMENT = 64
"""Bytes of a cache line, and of the widest vector."""

Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]

_ADDRESS = ffi.typeof("uintptr_t")


def address_of(buffer: Any) -> int:
    """Where the bytes of a contiguous buffer start."""
    return int(ffi.cast(_ADDRESS, ffi.from_buffer(buffer)))


def aligned_bytes(size: int) -> Bytes:
    """`size` uninitialised bytes that start on a cache line; `MlcError` without so many."""
    memory = _allocate(size + ALIGNMENT)
    start = -address_of(memory) % ALIGNMENT
    return memory[start : start + size]


def aligned_array(port: Port) -> np.ndarray[Any, Any]:
    """An uninitialised array for `port` that starts on a cache line."""
    memory = _allocate(port.nbytes + ALIGNMENT)
    start = -address_of(memory) % ALIGNMENT
    array: np.ndarray[Any, Any] = np.ndarray(port.shape, port.numpy_dtype, memory, start)
    return array


def _allocate(size: int) -> Bytes:
    try:
        return np.empty(size, np.uint8)
    except MemoryError:
        raise MlcError(f"not enough memory for {size} bytes") from None


def align(data: Bytes) -> Bytes:
    """The same bytes on a cache line: `data` itself if it is there, else a copy."""
    if address_of(data) % ALIGNMENT == 0 and data.flags.c_contiguous:
        return data
    copy = aligned_bytes(data.size)
    copy[:] = data
    return copy


def map_file(path: Path) -> tuple[Bytes, os.stat_result]:
    """The bytes of a file that is not empty, mapped read-only, and the status of this very file.

    Pages are read when touched.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapping, np.uint8), status
