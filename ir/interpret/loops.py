"""Runs a `Func` on NumPy arrays, slowly and exactly: the oracle of everything that changes loops.

Loops of every kind run in serial order. Each index is checked against the shape of its buffer, but
for those of prefetches, which do nothing.
Allocated buffers start full of NaN (a fixed odd number for integers), whenever they are entered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlc.errors import VerifyError
from mlc.ir.interpret.arithmetic import poison
from mlc.ir.interpret.expressions import Array, Expressions, Frame
from mlc.ir.stmt import Alloc, Buffer, For, Func, If, Prefetch, Seq, Stmt, Store

Execute = Callable[[Frame], None]


def run_func(func: Func, arguments: Mapping[str, Array] | Sequence[Array]) -> None:
    """Run `func`; what it stores appears in the arrays given.

    `arguments` are arrays by parameter name, or in the order of the parameters; each has the
    logical shape and the dtype of its parameter, and any strides. Functions in `func.prepare` do
    not run. Raises `VerifyError` when an argument does not fit, an index leaves its buffer, or
    integers are divided by zero.
    """
    arrays = _bind(func, arguments)
    build = Expressions(arrays)
    execute = _statement(build, func.body)
    with np.errstate(all="ignore"):
        execute([0] * _depth(func.body))


def run_prepared(func: Func, arguments: Mapping[str, Array]) -> None:
    """Run the functions in `func.prepare`, then `func`.

    `arguments` hold the parameters of all of them by name; what a prepare function writes may be
    missing, and is then made here.
    """
    arrays = dict(arguments)
    for prepare in func.prepare:
        result = prepare.params[-1]
        if result.name not in arrays:
            arrays[result.name] = _undefined(result)
        run_prepared(prepare, arrays)
    run_func(func, {buffer.name: arrays[buffer.name] for buffer in func.params})


def _bind(func: Func, arguments: Mapping[str, Array] | Sequence[Array]) -> dict[str, Array]:
    if not isinstance(arguments, Mapping):
        if len(arguments) != len(func.params):
            raise VerifyError(
                f"{func.name} takes {len(func.params)} arrays, {len(arguments)} were given"
            )
        arguments = {b.name: array for b, array in zip(func.params, arguments, strict=True)}
    for buffer in func.params:
        array = arguments.get(buffer.name)
        if array is None:
            raise VerifyError(f"{func.name} needs an array for '{buffer.name}'")
        if array.shape != buffer.shape or array.dtype != buffer.dtype.numpy:
            raise VerifyError(
                f"'{buffer.name}' of {func.name} is {buffer.dtype}{list(buffer.shape)}, "
                f"the array given is {array.dtype}{list(array.shape)}"
            )
    unknown = sorted(set(arguments) - {buffer.name for buffer in func.params})
    if unknown:
        raise VerifyError(f"{func.name} has no parameter '{unknown[0]}'")
    return {buffer.name: arguments[buffer.name] for buffer in func.params}


def _undefined(buffer: Buffer) -> Array:
    return np.full(buffer.shape, poison(buffer.dtype), buffer.dtype.numpy)


def _depth(stmt: Stmt) -> int:
    """How many loops stand inside each other at most."""
    match stmt:
        case For(body=body):
            return 1 + _depth(body)
        case Alloc(body=body):
            return _depth(body)
        case Seq(body=parts):
            return max(map(_depth, parts), default=0)
        case If(_, then, otherwise):
            return max(_depth(then), _depth(otherwise) if otherwise else 0)
    return 0


def _statement(build: Expressions, stmt: Stmt) -> Execute:
    return _BUILDERS[type(stmt)](build, stmt)


def _for(build: Expressions, stmt: For) -> Execute:
    extent, slot = build.build(stmt.extent), len(build.slots)
    if stmt.var in build.slots:
        raise VerifyError(f"loop '{stmt.var}' stands inside another loop of that name")
    build.slots[stmt.var] = slot
    body = _statement(build, stmt.body)
    del build.slots[stmt.var]

    def execute(frame: Frame) -> None:
        for value in range(extent(frame)):
            frame[slot] = value
            body(frame)

    return execute


def _store(build: Expressions, stmt: Store) -> Execute:
    array = build.arrays.get(stmt.buffer.name)
    if array is None:
        raise VerifyError(f"buffer '{stmt.buffer.name}' is neither a parameter nor allocated here")
    index, refuse = build.index(stmt.buffer, stmt.index, "store to")
    value, put = build.build(stmt.value), array.__setitem__

    def execute(frame: Frame) -> None:
        at = index(frame)
        result = value(frame)
        try:
            put(at, result)
        except IndexError:
            refuse(at, frame)

    return execute


def _prefetch(build: Expressions, stmt: Prefetch) -> Execute:
    return lambda frame: None


def _if(build: Expressions, stmt: If) -> Execute:
    condition, then = build.build(stmt.condition), _statement(build, stmt.then)
    otherwise = _statement(build, stmt.otherwise) if stmt.otherwise is not None else None

    def execute(frame: Frame) -> None:
        if condition(frame):
            then(frame)
        elif otherwise is not None:
            otherwise(frame)

    return execute


def _seq(build: Expressions, stmt: Seq) -> Execute:
    parts = [_statement(build, part) for part in stmt.body]

    def execute(frame: Frame) -> None:
        for part in parts:
            part(frame)

    return execute


def _alloc(build: Expressions, stmt: Alloc) -> Execute:
    array, name = _undefined(stmt.buffer), stmt.buffer.name
    if name in build.arrays:
        raise VerifyError(f"buffer '{name}' is allocated where another of that name is in scope")
    build.arrays[name] = array
    body, undefined = _statement(build, stmt.body), poison(stmt.buffer.dtype)
    del build.arrays[name]

    def execute(frame: Frame) -> None:
        array.fill(undefined)
        body(frame)

    return execute


_BUILDERS: dict[type, Callable[[Expressions, Any], Execute]] = {
    For: _for,
    Store: _store,
    Prefetch: _prefetch,
    If: _if,
    Seq: _seq,
    Alloc: _alloc,
}
