"""The constants of a model, laid out as its kernels read them.

Plain constants are copied; the others are written by the kernels' `prepare` functions, which are
compiled for this machine whatever the target is, and run once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from mlc.backends.llvm.emit.module import emit_functions
from mlc.backends.llvm.machine import LoadedObject, compile_to_object, load_object
from mlc.backends.llvm.targets import resolve
from mlc.ir.program import PlainConstant, PreparedConstant, Program
from mlc.ir.stmt import Func

_QUICK = 1
"""LLVM's level for code that runs once."""


def fill_constants(program: Program, area: np.ndarray) -> None:
    """Write every constant of a program into `area` (bytes, at least `program.constant_bytes`)."""
    for constant in program.constants:
        if isinstance(constant, PlainConstant):
            _store(constant, area)
    prepared = [item for item in program.constants if isinstance(item, PreparedConstant)]
    if not prepared:
        return
    symbols, code = _compile(item.func for item in prepared)
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
    for item in prepared:
        function = signature(code.address(symbols[replace(item.func, name="")]))
        target = area[item.place.offset :]
        addresses = [array.ctypes.data for array in item.sources] + [target.ctypes.data]
        table = (ctypes.c_void_p * len(addresses))(*addresses)
        function(ctypes.addressof(table), None)


def _store(item: PlainConstant, area: np.ndarray) -> None:
    order = sorted(range(len(item.buffer.shape)), key=lambda axis: -item.buffer.strides[axis])
    dense = np.ascontiguousarray(item.array.transpose(order) if order else item.array)
    data = dense.reshape(-1).view(np.uint8)
    area[item.place.offset : item.place.offset + data.size] = data


def _compile(funcs: Iterable[Func]) -> tuple[dict[Func, str], LoadedObject]:
    """Compile distinct functions once; returns symbols by nameless function."""
    symbols: dict[Func, str] = {}
    for func in funcs:
        symbols.setdefault(replace(func, name=""), f"prepare{len(symbols)}")
    host = resolve("host")
    distinct = [replace(func, name=name) for func, name in symbols.items()]
    text = emit_functions(distinct, host.triple)
    return symbols, load_object(compile_to_object(text, host, _QUICK))
