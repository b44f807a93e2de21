"""Expressions of the loop IR as Python closures.

`Expressions` turns an expression, once, into a function of the frame: the list of the values that
the loop variables have now. Arrays of buffers are bound when the closure is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np

from mlc.errors import VerifyError
from mlc.ir.expr import (
    Binary,
    Broadcast,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Ramp,
    Select,
    Shuffle,
    Unary,
    Var,
)
from mlc.ir.functions import FUNCTIONS
from mlc.ir.interpret.arithmetic import (
    cast,
    constant,
    is_plain,
    scalar_operation,
    vector_operation,
)
from mlc.ir.stmt import Buffer

Frame = list[int]
Evaluate = Callable[[Frame], Any]
Array = np.ndarray[Any, np.dtype[Any]]


class Expressions:
    """Builds closures over the arrays and loop variables in scope.

    `arrays`: buffer name → array of the buffer's logical shape. `slots`: variable name → its place
    in the frame. Both change as the statements around are entered and left.
    """

    def __init__(self, arrays: dict[str, Array]) -> None:
        self.arrays = arrays
        self.slots: dict[str, int] = {}

    def build(self, expr: Expr) -> Evaluate:
        """The closure that computes `expr`."""
        return _BUILDERS[type(expr)](self, expr)

    def index(self, buffer: Buffer, index: Sequence[Expr], verb: str) -> tuple[Evaluate, Refuse]:
        """The closure that computes an index, refusing what is negative, and the refusal.

        The array itself refuses what is too large, with `IndexError`.
        """
        parts = [self.build(part) for part in index]
        refuse = self._refusal(buffer, verb)
        if any(part.lanes > 1 for part in index):
            return _vector_index(parts, refuse), refuse
        return _scalar_index(parts, refuse), refuse

    def _refusal(self, buffer: Buffer, verb: str) -> Refuse:
        slots = dict(self.slots)

        def refuse(at: Sequence[Any], frame: Frame) -> NoReturn:
            place = ", ".join(map(str, at))
            shape = ", ".join(map(str, buffer.shape))
            values = ", ".join(f"{name} = {frame[slot]}" for name, slot in slots.items())
            raise VerifyError(
                f"{verb} '{buffer.name}' at [{place}] is outside its shape [{shape}]",
                node=f"iteration {values}" if values else None,
            )

        return refuse


Refuse = Callable[[Sequence[Any], Frame], NoReturn]


def _scalar_index(parts: list[Evaluate], refuse: Refuse) -> Evaluate:
    match parts:
        case []:
            return lambda frame: ()
        case [only]:

            def one(frame: Frame) -> Any:
                at = only(frame)
                return (at,) if at >= 0 else refuse((at,), frame)

            return one
        case [first, second]:

            def two(frame: Frame) -> Any:
                i, j = at = first(frame), second(frame)
                return at if i >= 0 and j >= 0 else refuse(at, frame)

            return two

    def many(frame: Frame) -> Any:
        at = tuple([part(frame) for part in parts])
        return at if min(at) >= 0 else refuse(at, frame)

    return many


def _vector_index(parts: list[Evaluate], refuse: Refuse) -> Evaluate:
    def evaluate(frame: Frame) -> Any:
        at = tuple([part(frame) for part in parts])
        return at if min(np.min(part) for part in at) >= 0 else refuse(at, frame)

    return evaluate


def _const(build: Expressions, expr: Const) -> Evaluate:
    value = constant(expr.value, expr.type)
    return lambda frame: value


def _var(build: Expressions, expr: Var) -> Evaluate:
    slot = build.slots.get(expr.name)
    if slot is None:
        raise VerifyError(f"variable '{expr.name}' is used outside the loop that binds it")
    return itemgetter(slot)


def _binary(build: Expressions, expr: Binary) -> Evaluate:
    choose = scalar_operation if expr.lanes == 1 else vector_operation
    apply = choose(expr.op, expr.left.dtype)
    left, right = build.build(expr.left), build.build(expr.right)
    if isinstance(expr.right, Const):
        value = constant(expr.right.value, expr.right.type)
        return lambda frame: apply(left(frame), value)
    return lambda frame: apply(left(frame), right(frame))


def _unary(build: Expressions, expr: Unary) -> Evaluate:
    choose = scalar_operation if expr.lanes == 1 else vector_operation
    apply, operand = choose(expr.op, expr.dtype), build.build(expr.operand)
    return lambda frame: apply(operand(frame))


def _call(build: Expressions, expr: Call) -> Evaluate:
    function = FUNCTIONS[expr.function]
    apply, args = function.reference, [build.build(arg) for arg in expr.args]
    if function.gives_stated:
        apply = partial(apply, source=expr.args[0].dtype.numpy, target=expr.type.numpy)
    if function.is_reduction and expr.args[0].lanes == 1:
        return args[0]
    if expr.lanes == 1 and is_plain(expr.dtype):
        return lambda frame: apply(*[arg(frame) for arg in args]).item()
    return lambda frame: apply(*[arg(frame) for arg in args])


def _cast(build: Expressions, expr: Cast) -> Evaluate:
    apply, operand = cast(expr.operand.dtype, expr.type, expr.lanes), build.build(expr.operand)
    return lambda frame: apply(operand(frame))


def _select(build: Expressions, expr: Select) -> Evaluate:
    condition = build.build(expr.condition)
    on_true, on_false = build.build(expr.on_true), build.build(expr.on_false)
    if expr.condition.lanes > 1:
        return lambda frame: np.where(condition(frame), on_true(frame), on_false(frame))
    return lambda frame: on_true(frame) if condition(frame) else on_false(frame)


def _load(build: Expressions, expr: Load) -> Evaluate:
    array = build.arrays.get(expr.buffer.name)
    if array is None:
        raise VerifyError(f"buffer '{expr.buffer.name}' is neither a parameter nor allocated here")
    index, refuse = build.index(expr.buffer, expr.index, "load of")
    get = array.item if is_plain(expr.dtype) and expr.lanes == 1 else array.__getitem__

    def evaluate(frame: Frame) -> Any:
        at = index(frame)
        try:
            return get(at)
        except IndexError:
            return refuse(at, frame)

    return evaluate


def _ramp(build: Expressions, expr: Ramp) -> Evaluate:
    base, stride = build.build(expr.base), build.build(expr.stride)
    if expr.length == 1:
        return base
    lanes = np.arange(expr.length, dtype=expr.dtype.numpy)
    return lambda frame: base(frame) + stride(frame) * lanes


def _broadcast(build: Expressions, expr: Broadcast) -> Evaluate:
    operand, length, dtype = build.build(expr.operand), expr.length, expr.dtype.numpy
    if length == 1:
        return operand
    return lambda frame: np.full(length, operand(frame), dtype)


def _shuffle(build: Expressions, expr: Shuffle) -> Evaluate:
    vectors, picks, dtype = [build.build(v) for v in expr.vectors], list(expr.picks), expr.dtype

    def evaluate(frame: Frame) -> Any:
        lanes = np.concatenate([np.atleast_1d(np.asarray(v(frame), dtype.numpy)) for v in vectors])
        return lanes[picks]

    if expr.lanes > 1:
        return evaluate
    if is_plain(dtype):
        return lambda frame: evaluate(frame)[0].item()
    return lambda frame: evaluate(frame)[0]


_BUILDERS: dict[type, Callable[[Expressions, Any], Evaluate]] = {
    Const: _const,
    Var: _var,
    Binary: _binary,
    Unary: _unary,
    Call: _call,
    Cast: _cast,
    Select: _select,
    Load: _load,
    Ramp: _ramp,
    Broadcast: _broadcast,
    Shuffle: _shuffle,
}
