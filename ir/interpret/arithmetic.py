"""What each operator of the loop IR computes, on scalars and on vectors.

Scalars of floating-point types are NumPy scalars, so every operation rounds to its type. Scalars of
integer types are Python ints kept within the range of their type: they wrap around. Vectors are
one-dimensional NumPy arrays, one element per lane.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from mlc.errors import VerifyError
from mlc.ir.dtype import DType

Operation = Callable[..., Any]


def is_plain(dtype: DType) -> bool:
    """Whether scalars are Python's own; those of the other types are NumPy's."""
    return dtype.is_integer or dtype.kind == "bool"


def wrap(dtype: DType) -> Callable[[int], int]:
    """The function that brings an int into the range of an integer type, modulo 2**bits."""
    size = 1 << dtype.bits
    low = -(size >> 1) if dtype.kind == "int" else 0
    high = low + size - 1

    def apply(value: int) -> int:
        return value if low <= value <= high else (value - low) % size + low

    return apply


def scalar_operation(op: str, dtype: DType) -> Operation:
    """The function of scalars of `dtype` for a unary or binary operator."""
    if not dtype.is_integer:
        return (_SCALAR_FLOAT if dtype.is_float else _SCALAR_BOOL)[op]
    if op not in _MAY_OVERFLOW:
        return _SCALAR_INTEGER[op]
    return _wrapped(_SCALAR_INTEGER[op], wrap(dtype), dtype.bits)


def vector_operation(op: str, dtype: DType) -> Operation:
    """The function of vectors of `dtype` for a unary or binary operator."""
    special = (_VECTOR_INTEGER if dtype.is_integer else _VECTOR_FLOAT).get(op)
    return special or _VECTOR[op]


def cast(source: DType, target: DType, lanes: int) -> Operation:
    """The conversion of one element type to another."""
    if target.kind == "bool":
        return lambda value: value != 0
    numpy_source, numpy_target = source.numpy, target.numpy
    if lanes > 1:
        return lambda vector: vector.astype(numpy_target)
    if target.is_float:
        return lambda value: np.asarray(value, numpy_source).astype(numpy_target)[()]
    if not source.is_float:
        bring = wrap(target)
        return lambda value: bring(int(value))
    return lambda value: value.astype(numpy_target).item()


def constant(value: float | bool, dtype: DType) -> Any:
    """The scalar that stands for a constant."""
    if not is_plain(dtype):
        return dtype.numpy.type(value)
    return bool(value) if dtype.kind == "bool" else wrap(dtype)(int(value))


def poison(dtype: DType) -> Any:
    """What memory that was not written yet holds: NaN, or a number unlikely to be right."""
    if dtype.is_float:
        return np.nan
    if dtype.is_storage:
        return np.full((), 0x5A, np.uint8).view(dtype.numpy)[()]
    return True if dtype.kind == "bool" else wrap(dtype)(0x5A5A5A5A5A5A5A5A)


def _wrapped(operation: Operation, bring: Callable[[int], int], bits: int) -> Operation:
    if operation is _shift_left:
        return lambda a, b: bring(a << b) if 0 <= b < bits else 0
    return lambda *args: bring(operation(*args))


def _shift_left(a: int, b: int) -> int:
    return a << b


def _shift_right(a: int, b: int) -> int:
    return a >> b if b >= 0 else 0


def _nonzero(divide: Operation) -> Operation:
    """`divide`, refusing a divisor of zero (which would end a compiled program)."""

    def apply(a: Any, b: Any) -> Any:
        if not np.all(b):
            raise VerifyError("integer division by zero")
        return divide(a, b)

    return apply


def _truncating_divide(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _truncating_remainder(a: int, b: int) -> int:
    return a - b * _truncating_divide(a, b)


def _larger(a: Any, b: Any) -> Any:
    """The maximum; NaN wins."""
    return a if a >= b or a != a else b


def _smaller(a: Any, b: Any) -> Any:
    """The minimum; NaN wins."""
    return a if a <= b or a != a else b


def _vector_truncating_divide(a: Any, b: Any) -> Any:
    quotient = np.floor_divide(a, b)
    inexact = (quotient * b != a) & (quotient < 0)
    return quotient + inexact.astype(quotient.dtype)


_COMPARISONS: dict[str, Operation] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}

_ARITHMETIC: dict[str, Operation] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "abs": abs,
    "max": _larger,
    "min": _smaller,
    **_COMPARISONS,
}

_ROUNDING: dict[str, Operation] = {
    "sqrt": np.sqrt,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
}

_SCALAR_FLOAT: dict[str, Operation] = {
    **_ARITHMETIC,
    **_ROUNDING,
    "div": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "rem": np.fmod,
}

_SCALAR_INTEGER: dict[str, Operation] = {
    **_ARITHMETIC,
    "max": max,
    "min": min,
    "div": _nonzero(_truncating_divide),
    "floordiv": _nonzero(operator.floordiv),
    "mod": _nonzero(operator.mod),
    "rem": _nonzero(_truncating_remainder),
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "shl": _shift_left,
    "shr": _shift_right,
    "not": operator.invert,
}

_SCALAR_BOOL: dict[str, Operation] = {
    **_COMPARISONS,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "not": operator.not_,
}

_MAY_OVERFLOW = frozenset(("add", "sub", "mul", "neg", "abs", "div", "floordiv", "shl", "not"))

_VECTOR: dict[str, Operation] = {
    **_COMPARISONS,
    **_ROUNDING,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "abs": np.abs,
    "max": np.maximum,
    "min": np.minimum,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "not": operator.invert,
}

_VECTOR_FLOAT: dict[str, Operation] = {
    "div": operator.truediv,
    "floordiv": np.floor_divide,
    "mod": np.mod,
    "rem": np.fmod,
}

_VECTOR_INTEGER: dict[str, Operation] = {
    "div": _nonzero(_vector_truncating_divide),
    "floordiv": _nonzero(np.floor_divide),
    "mod": _nonzero(np.mod),
    "rem": _nonzero(np.fmod),
    "shl": np.left_shift,
    "shr": np.right_shift,
}
