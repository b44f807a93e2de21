"""Runs whole compiled models on poisoned memory: constants, arena and outputs start full of NaN."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any
from unittest import mock

import numpy as np

import mlc.build
from mlc.backends.llvm.machine import load_object
from mlc.backends.llvm.targets import resolve
from mlc.build import Options, build
from mlc.ir.graph import Graph
from mlc.passes.context import Context
from mlc.runtime.compiled import Compiled
from mlc.runtime.memory import Bytes, aligned_bytes
from tests.backends.harness import MARGIN, POISON, pool_of

Array = np.ndarray[Any, np.dtype[Any]]

_RUN = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)


def poisoned(size: int) -> Bytes:
    """Bytes that start on a cache line and are all poison."""
    memory = aligned_bytes(size)
    memory[:] = POISON
    return memory


def compiled(
    graph: Graph, target: str = "host", threads: int = 1, *, check_bounds: bool = False
) -> Compiled:
    """A graph compiled; what its constants leave unwritten is poison."""
    options = Options(threads, check_bounds=check_bounds)
    resolved = resolve(target)
    with mock.patch.object(mlc.build, "aligned_bytes", poisoned):
        return build(graph, resolved, options, Context(target=resolved, verify="all"))


class Running:
    """A compiled model in this process; its arena is poisoned before every call."""

    def __init__(self, model: Compiled) -> None:
        self.model = model
        self.code = load_object(model.code.data)

    def __call__(self, feeds: Mapping[str, Array], *, status: int = 0) -> dict[str, Array]:
        """Call with one array per input; `status` is what the code has to return."""
        model, arena = self.model, poisoned(self.model.arena_bytes + 2 * MARGIN)
        inputs = [np.ascontiguousarray(feeds[port.name]) for port in model.inputs]
        memory = [poisoned(port.nbytes + MARGIN) for port in model.outputs]
        addresses = [model.constants.ctypes.data, arena[MARGIN:].ctypes.data]
        with pool_of(self.code, model.num_threads or 1) as pool:
            addresses += [pool or 0, 0, *(a.ctypes.data for a in (*inputs, *memory))]
            table = (ctypes.c_void_p * len(addresses))(*addresses)
            assert _RUN(self.code.address("mlc_run"))(ctypes.addressof(table)) == status
        assert (arena[:MARGIN] == POISON).all(), "written before the arena"
        assert (arena[MARGIN + model.arena_bytes :] == POISON).all(), "written after the arena"
        results = {}
        for port, part in zip(model.outputs, memory, strict=True):
            assert (part[port.nbytes :] == POISON).all(), f"written after {port.name}"
            array = part[: port.nbytes].view(port.numpy_dtype).reshape(port.shape)
            results[port.name] = array
        return results
