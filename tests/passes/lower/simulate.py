"""Runs a lowered program as its plan says, in one arena full of NaN, by the interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlc.ir.interpret import run_func
from mlc.ir.program import Place, PlainConstant, PreparedConstant, Program
from mlc.ir.stmt import Buffer

Array = np.ndarray[Any, np.dtype[Any]]


def run_program(program: Program, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs by name; memory that no kernel has written holds bytes of 0xFF."""
    constants = np.full(program.constant_bytes, 0xFF, np.uint8)
    for constant in program.constants:
        _write_constant(constant, constants)
    inputs = [np.ascontiguousarray(feeds[value.name]) for value in program.inputs]
    outputs = [_poisoned(value.type.bytes) for value in program.outputs]
    spaces = {
        "input": [array.reshape(-1).view(np.uint8) for array in inputs],
        "output": outputs,
        "constant": [constants],
        "arena": [_poisoned(program.arena_bytes)],
    }
    for call in program.calls:
        func = program.kernels[call.kernel]
        places = call.arguments[: len(func.params)]
        run_func(func, [_seen(b, p, spaces) for b, p in zip(func.params, places, strict=True)])
    return {
        value.name: memory.view(value.type.dtype.numpy).reshape(value.type.static_shape)
        for value, memory in zip(program.outputs, outputs, strict=True)
    }


def _poisoned(size: int) -> Array:
    return np.full(size, 0xFF, np.uint8)


def _seen(buffer: Buffer, place: Place, spaces: Mapping[str, list[Array]]) -> Array:
    """The elements of a buffer at a place; NumPy refuses what leaves the memory."""
    memory = spaces[place.space][place.number]
    return strided(memory, buffer, place.offset)


def strided(memory: Array, buffer: Buffer, offset: int) -> Array:
    """A buffer's elements in bytes of memory."""
    dtype = buffer.dtype.numpy
    strides = tuple(stride * dtype.itemsize for stride in buffer.strides)
    elements: Array = np.ndarray(buffer.shape, dtype, memory.data, offset, strides)
    return elements


def _write_constant(constant: PlainConstant | PreparedConstant, area: Array) -> None:
    if isinstance(constant, PlainConstant):
        strided(area, constant.buffer, constant.place.offset)[...] = constant.array
    else:
        target = strided(area, constant.func.params[-1], constant.place.offset)
        run_func(constant.func, [*constant.sources, target])
