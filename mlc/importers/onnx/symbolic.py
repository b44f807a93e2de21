"""Arithmetic on shapes that are known in part: arrays whose elements are numbers or dimensions.

An exporter computes shapes with tensors: Shape → Gather → Mul → Concat → Reshape. Where a dimension
is a symbol, the importer evaluates those operators on object arrays of `Dim` instead of on numbers.
Dimensions are non-negative, which decides some comparisons; what stays undecided is `None`, and the
caller reports that the dimension has to be given.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlc.ir.affine import simplify
from mlc.ir.expr import Binary, Const, Expr, as_expr, floordiv, maximum, minimum, mod, mul
from mlc.ir.text import print_expr
from mlc.ir.types import Dim

Attrs = Mapping[str, Any]
Evaluate = Callable[[Sequence[np.ndarray], Attrs], "np.ndarray | None"]


def dim_of(value: Any) -> Dim:
    """A dimension from what arithmetic gave: expressions that folded become numbers."""
    if isinstance(value, Const):
        return int(value.value)
    return value if isinstance(value, Expr) else int(value)


def dims_text(dims: Sequence[Dim], separator: str = ",") -> str:
    """Dimensions as the IR prints them.

    >>> from mlc.ir.expr import Var
    >>> dims_text([1, Var("n") * 2])
    '1,n * 2'
    """
    return separator.join(print_expr(d) if isinstance(d, Expr) else str(d) for d in dims)


def product(dims: Sequence[Dim]) -> Dim:
    """The product of dimensions, the number first: `96*batch`.

    >>> from mlc.ir.expr import Var
    >>> product([2, Var("n"), 3])
    Binary(op='mul', left=Var(name='n', type=I64), right=Const(value=6, type=I64))
    """
    number, symbols = _factors(dims)
    result: Expr | None = None
    for symbol in symbols:
        result = symbol if result is None else mul(result, symbol)
    if result is None or number == 0:
        return number
    return dim_of(mul(result, Const(number)))


def quotient(dims: Sequence[Dim], divisors: Sequence[Dim]) -> Dim | None:
    """The product of `dims` over that of `divisors`, common factors cancelled.

    None where the division by numbers leaves a remainder for sure.

    >>> from mlc.ir.expr import Var
    >>> quotient([Var("n"), 64, 7], [Var("n"), 7])
    64
    """
    number, symbols = _factors(dims)
    divisor, divisor_symbols = _factors(divisors)
    for symbol in divisor_symbols[:]:
        if symbol in symbols:
            symbols.remove(symbol)
            divisor_symbols.remove(symbol)
    if divisor == 0:
        return None
    common = math.gcd(number, divisor)
    number, divisor = number // common, divisor // common
    if divisor != 1 and not symbols:
        return None
    top, bottom = product([number, *symbols]), product([divisor, *divisor_symbols])
    return dim_of(floordiv(as_expr(top), as_expr(bottom)))


def _factors(dims: Sequence[Dim]) -> tuple[int, list[Expr]]:
    number, symbols = 1, []
    pending = list(dims)
    while pending:
        dim = pending.pop(0)
        match dim:
            case int():
                number *= dim
            case Const(value=value):
                number *= int(value)
            case Binary(op="mul", left=left, right=right):
                pending = [left, right, *pending]
            case _:
                symbols.append(dim)
    return number, symbols


def _elementwise(function: Callable[..., Any]) -> Evaluate:
    """Evaluate `function` on each element after broadcasting; None as soon as one is undecided."""

    def evaluate(arrays: Sequence[np.ndarray], attrs: Attrs) -> np.ndarray | None:
        aligned = np.broadcast_arrays(*arrays)
        result = np.empty(aligned[0].shape, object)
        for index in np.ndindex(result.shape):
            value = function(*(array[index] for array in aligned))
            if value is None:
                return None
            result[index] = bool(value) if isinstance(value, bool | np.bool_) else dim_of(value)
        return result

    return evaluate


def _divide(left: Dim, right: Dim) -> Dim | None:
    if isinstance(left, int) and isinstance(right, int):
        if right == 0:
            return None
        magnitude = abs(left) // abs(right)
        return magnitude if (left < 0) == (right < 0) else -magnitude
    return quotient([left], [right]) if right != 0 else None


def _equal(left: Dim, right: Dim) -> bool | None:
    if isinstance(left, Expr) and isinstance(right, Expr):
        return True if left == right else None
    if isinstance(left, Expr) or isinstance(right, Expr):
        number = right if isinstance(left, Expr) else left
        return False if isinstance(number, int) and number < 0 else None
    return left == right


def _compare(function: Callable[[Any, Any], bool]) -> Callable[[Dim, Dim], bool | None]:
    """A comparison of numbers; of a dimension with a negative number too."""

    def compare(left: Dim, right: Dim) -> bool | None:
        if isinstance(left, int) and isinstance(right, int):
            return function(left, right)
        if isinstance(left, Expr) and isinstance(right, int) and right < 0:
            return function(0, right)
        if isinstance(right, Expr) and isinstance(left, int) and left < 0:
            return function(left, 0)
        return None

    return compare


def _select(condition: Any, on_true: Dim, on_false: Dim) -> Dim | None:
    if isinstance(condition, Expr):
        return None
    return on_true if condition else on_false


def _cast(arrays: Sequence[np.ndarray], attrs: Attrs) -> np.ndarray | None:
    return arrays[0] if attrs["to"].is_integer else None


def _slice(arrays: Sequence[np.ndarray], attrs: Attrs) -> np.ndarray:
    data = arrays[0]
    for axis, (start, size, step) in enumerate(
        zip(attrs["starts"], attrs["sizes"], attrs["steps"], strict=True)
    ):
        data = np.take(data, [start + position * step for position in range(size)], axis)
    return data


def _gather(arrays: Sequence[np.ndarray], attrs: Attrs) -> np.ndarray:
    """With an index of rank 0 NumPy gives the element itself, which has to be an array again."""
    data, indices, axis = arrays[0], np.asarray(arrays[1], np.int64), attrs["axis"]
    result = np.empty((*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]), object)
    result[...] = np.take(data, indices, axis)
    return result


def _reduce_product(arrays: Sequence[np.ndarray], attrs: Attrs) -> np.ndarray | None:
    data = arrays[0]
    if data.ndim != 1:
        return None
    result = np.empty((1,) if attrs["keepdims"] else (), object)
    result[...] = product(list(data))
    return result


def _on_dims(function: Callable[[Expr, Expr], Expr]) -> Evaluate:
    return _elementwise(lambda left, right: function(as_expr(left), as_expr(right)))


EVALUATE: dict[str, Evaluate] = {
    "add": _on_dims(lambda left, right: simplify(left + right, {})),
    "sub": _on_dims(lambda left, right: simplify(left - right, {})),
    "mul": _elementwise(lambda left, right: product([left, right])),
    "div": _elementwise(_divide),
    "mod": _on_dims(mod),
    "min": _on_dims(minimum),
    "max": _on_dims(maximum),
    "equal": _elementwise(_equal),
    "less": _elementwise(_compare(operator.lt)),
    "less_equal": _elementwise(_compare(operator.le)),
    "greater": _elementwise(_compare(operator.gt)),
    "greater_equal": _elementwise(_compare(operator.ge)),
    "not": _elementwise(operator.not_),
    "select": _elementwise(_select),
    "cast": _cast,
    "reshape": lambda arrays, attrs: arrays[0].reshape(attrs["shape"]),
    "transpose": lambda arrays, attrs: arrays[0].transpose(attrs["perm"]),
    "expand": lambda arrays, attrs: np.broadcast_to(arrays[0], attrs["shape"]),
    "tile": lambda arrays, attrs: np.tile(arrays[0], attrs["repeats"]),
    "concat": lambda arrays, attrs: np.concatenate(arrays, attrs["axis"]),
    "gather": _gather,
    "slice": _slice,
    "reduce_prod": _reduce_product,
}
"""Core operators on object arrays of dimensions; None where the result stays undecided."""
