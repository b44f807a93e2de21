"""Elementwise operators of two and three inputs: arithmetic, comparisons, logic, selection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlc.errors import DtypeError
from mlc.ir.build import number
from mlc.ir.dtype import BOOL, F64, I64, DType
from mlc.ir.expr import Binary, Call, Cast, Expr, Select
from mlc.ir.operator import Attrs, Infer, Kind, Operator
from mlc.ir.operators.definition import broadcast_dims, define, same_dtype
from mlc.ir.operators.elementwise import Scalar, elementwise_loops, infer_elementwise
from mlc.ir.types import TensorType

Pair = Callable[[Expr, Expr], Expr]


def _binary(op: str) -> Pair:
    return lambda a, b: Binary(op, a, b)


def _mod(a: Expr, b: Expr) -> Expr:
    """The remainder with the sign of the divisor; exact for floats, unlike `a - floor(a/b)*b`."""
    if not a.dtype.is_float:
        return Binary("mod", a, b)
    zero = number(0, a.dtype)
    rest = Binary("rem", a, b)
    signs_differ = Binary("ne", Binary("lt", rest, zero), Binary("lt", b, zero))
    wrong = Binary("and", Binary("ne", rest, zero), signs_differ)
    return Select(wrong, Binary("add", rest, b), rest)


def _pow(a: Expr, b: Expr) -> Expr:
    if a.dtype.is_float:
        return Call("pow", (a, b), a.dtype)
    return Cast(Cast(Call("pow", (Cast(a, F64), Cast(b, F64)), F64), I64), a.dtype)


def _pow_function(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    wide = np.power(a.astype(np.float64), b.astype(np.float64))
    return wide.astype(np.int64 if a.dtype.kind in "iu" else a.dtype).astype(a.dtype)


def _div_function(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """True division of floats; of integers, rounded towards zero (and 0 where the divisor is 0)."""
    if a.dtype.kind not in "iu":
        return np.asarray(np.true_divide(a, b)).astype(a.dtype)
    floored = np.floor_divide(a, b)
    inexact = np.multiply(floored, b) != a
    return np.asarray(np.where((b != 0) & inexact & (floored < 0), floored + 1, floored))


def _prelu_function(x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return np.where(x < 0, x * slope, x)


_ROWS: tuple[tuple[str, str, Pair, Callable[[Any, Any], Any], DType | None], ...] = (
    ("add", "number", _binary("add"), np.add, None),
    ("sub", "number", _binary("sub"), np.subtract, None),
    ("mul", "number", _binary("mul"), np.multiply, None),
    ("div", "number", _binary("div"), _div_function, None),
    ("pow", "number", _pow, _pow_function, None),
    ("max", "number", _binary("max"), np.maximum, None),
    ("min", "number", _binary("min"), np.minimum, None),
    ("mod", "number", _mod, np.mod, None),
    ("rem", "number", _binary("rem"), np.fmod, None),
    ("equal", "comparable", _binary("eq"), np.equal, BOOL),
    ("not_equal", "comparable", _binary("ne"), np.not_equal, BOOL),
    ("less", "number", _binary("lt"), np.less, BOOL),
    ("less_equal", "number", _binary("le"), np.less_equal, BOOL),
    ("greater", "number", _binary("gt"), np.greater, BOOL),
    ("greater_equal", "number", _binary("ge"), np.greater_equal, BOOL),
    ("and", "bool", _binary("and"), np.logical_and, None),
    ("or", "bool", _binary("or"), np.logical_or, None),
    ("xor", "bool", _binary("xor"), np.logical_xor, None),
    ("bitwise_and", "integer", _binary("and"), np.bitwise_and, None),
    ("bitwise_or", "integer", _binary("or"), np.bitwise_or, None),
    ("bitwise_xor", "integer", _binary("xor"), np.bitwise_xor, None),
    ("shift_left", "integer", _binary("shl"), np.left_shift, None),
    ("shift_right", "integer", _binary("shr"), np.right_shift, None),
    (
        "prelu",
        "float",
        lambda x, slope: Select(Binary("lt", x, number(0, x.dtype)), Binary("mul", x, slope), x),
        _prelu_function,
        None,
    ),
)


def _infer_of(accepted: str, result: DType | None) -> Infer:
    return lambda inputs, attrs: infer_elementwise(inputs, accepted, result)


def _scalar_of(pair: Pair) -> Scalar:
    return lambda operands, attrs: pair(operands[0], operands[1])


def _operator(
    name: str, accepted: str, pair: Pair, function: Callable[[Any, Any], Any], result: DType | None
) -> Operator:
    return define(
        name,
        Kind.ELEMENTWISE,
        2,
        _infer_of(accepted, result),
        lambda inputs, attrs: (function(inputs[0], inputs[1]),),
        elementwise_loops(_scalar_of(pair)),
    )


def _select_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    if inputs[0].dtype is not BOOL:
        raise DtypeError(f"the condition must be bool, not {inputs[0].dtype}")
    dtype = same_dtype(inputs[1:])
    return (TensorType(broadcast_dims([tensor.shape for tensor in inputs]), dtype),)


SELECT = define(
    "select",
    Kind.ELEMENTWISE,
    3,
    _select_infer,
    lambda inputs, attrs: (np.where(*inputs),),
    elementwise_loops(lambda operands, attrs: Select(*operands)),
)

OPERATORS = (*(_operator(*row) for row in _ROWS), SELECT)
