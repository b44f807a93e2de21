"""Elementwise operators of one input: arithmetic, transcendental functions, activations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlc.ir.build import number
from mlc.ir.dtype import BOOL, F32, DType
from mlc.ir.expr import Binary, Call, Cast, Expr, Select, Unary
from mlc.ir.functions import FUNCTIONS, Function
from mlc.ir.operator import Attrs, Infer, Kind, Operator
from mlc.ir.operators.definition import choice, define, real
from mlc.ir.operators.elementwise import elementwise_loops, in_double, infer_elementwise


@dataclass(frozen=True)
class _Row:
    """An operator of the table; `exact` computes in the input's own type instead of float64."""

    name: str
    accepted: str
    scalar: Callable[[Expr, Attrs], Expr]
    function: Callable[[Any, Attrs], Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    result: DType | None = None
    exact: bool = False


def _call_row(function: Function) -> _Row:
    """The operator that is a function of the loop IR."""
    result = BOOL if function.gives_bool else None
    return _Row(
        function.name,
        "float",
        lambda x, attrs: Call(function.name, (x,), result or x.dtype),
        lambda x, attrs: function.reference(x),
        result=result,
        exact=True,
    )


def _unary(op: str) -> Callable[[Expr, Attrs], Expr]:
    return lambda x, attrs: Unary(op, x)


def _like(x: Expr, value: float) -> Expr:
    return number(value, x.dtype)


def _plus(x: Expr, value: float) -> Expr:
    return Binary("add", x, _like(x, value))


def _times(x: Expr, value: float) -> Expr:
    return Binary("mul", x, _like(x, value))


def _below_zero(x: Expr) -> Expr:
    return Binary("lt", x, _like(x, 0))


def _sign(x: Expr, attrs: Attrs) -> Expr:
    # The last arm is x itself: zeros stay zeros and NaN stays NaN.
    positive = Binary("gt", x, _like(x, 0))
    if x.dtype.kind == "uint":
        return Select(positive, _like(x, 1), x)
    return Select(positive, _like(x, 1), Select(_below_zero(x), _like(x, -1), x))


def _softplus(x: Expr, attrs: Attrs) -> Expr:
    decay = Call("exp", (Unary("neg", Unary("abs", x)),), x.dtype)
    return Binary("add", Binary("max", x, _like(x, 0)), Call("log", (_plus(decay, 1),), x.dtype))


def _elu(x: Expr, attrs: Attrs) -> Expr:
    low = _times(_plus(Call("exp", (x,), x.dtype), -1), real(attrs, "alpha"))
    return Select(_below_zero(x), low, x)


def _elu_function(x: np.ndarray, attrs: Attrs) -> np.ndarray:
    return np.where(x < 0, real(attrs, "alpha") * np.expm1(np.minimum(x, 0)), x)


def _hard_sigmoid(x: Expr, attrs: Attrs) -> Expr:
    line = _plus(_times(x, real(attrs, "alpha")), real(attrs, "beta"))
    return Binary("max", Binary("min", line, _like(x, 1)), _like(x, 0))


def _hard_sigmoid_function(x: np.ndarray, attrs: Attrs) -> np.ndarray:
    return np.clip(x * real(attrs, "alpha") + real(attrs, "beta"), 0, 1)


def _hard_swish(x: Expr, attrs: Attrs) -> Expr:
    return Binary("mul", x, _hard_sigmoid(x, {"alpha": 1 / 6, "beta": 0.5}))


_GELU = ("none", "tanh")
_GELU_SCALE = math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715


def _gelu(x: Expr, attrs: Attrs) -> Expr:
    """`x/2 * (1 + erf(x/√2))`, or with tanh as in Hendrycks and Gimpel, 2016."""
    if choice(attrs, "approximate", _GELU) == "none":
        inner = Call("erf", (_times(x, math.sqrt(0.5)),), x.dtype)
    else:
        factor = _plus(_times(Binary("mul", x, x), _GELU_SCALE * _GELU_CUBIC), _GELU_SCALE)
        inner = Call("tanh", (Binary("mul", x, factor),), x.dtype)
    return Binary("mul", _times(x, 0.5), _plus(inner, 1))


def _gelu_function(x: np.ndarray, attrs: Attrs) -> Any:
    if choice(attrs, "approximate", _GELU) == "none":
        inner: Any = FUNCTIONS["erf"].reference(x * math.sqrt(0.5))
    else:
        inner = np.tanh(_GELU_SCALE * (x + _GELU_CUBIC * x**3))
    return 0.5 * x * (1 + inner)


def _clip_bounds(dtype: DType, attrs: Attrs) -> tuple[float | None, float | None]:
    """The bounds that can bite, as values of `dtype`."""
    low, high = real(attrs, "min"), real(attrs, "max")
    if dtype.is_float:
        return (None if low == -math.inf else low), (None if high == math.inf else high)
    limits = np.iinfo(dtype.numpy)
    lowest, highest = int(limits.min), int(limits.max)
    return (
        None if low <= lowest else min(math.ceil(low), highest) if low < math.inf else highest,
        None if high >= highest else max(math.floor(high), lowest) if high > -math.inf else lowest,
    )


def _clip(x: Expr, attrs: Attrs) -> Expr:
    low, high = _clip_bounds(x.dtype, attrs)
    if low is not None:
        x = Binary("max", x, _like(x, low))
    return x if high is None else Binary("min", x, _like(x, high))


def _clip_function(x: np.ndarray, attrs: Attrs) -> Any:
    low, high = real(attrs, "min"), real(attrs, "max")
    if x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        low, high = np.clip([low, high], float(limits.min), float(limits.max))
        below, above = x < low, x > high
        x = np.where(below, np.ceil(low).astype(x.dtype), x)
        return np.where(above, np.floor(high).astype(x.dtype), x)
    return np.minimum(np.maximum(x, x.dtype.type(low)), x.dtype.type(high))


def _bitwise_not(x: Expr, attrs: Attrs) -> Expr:
    ones = -1 if x.dtype.kind == "int" else (1 << x.dtype.bits) - 1
    return Binary("xor", x, _like(x, ones))


def _leaky_relu(x: Expr, attrs: Attrs) -> Expr:
    return Select(_below_zero(x), _times(x, real(attrs, "alpha")), x)


def _leaky_relu_function(x: np.ndarray, attrs: Attrs) -> np.ndarray:
    return np.where(x < 0, x * real(attrs, "alpha"), x)


_CALLS = tuple(
    function
    for function in FUNCTIONS.values()
    if function.arity == 1 and not (function.is_reduction or function.gives_stated)
)


def _unary_row(name: str, function: Callable[[Any], Any]) -> _Row:
    return _Row(name, "float", _unary(name), lambda x, attrs: function(x))


_ROWS = (
    *(_call_row(function) for function in _CALLS),
    _unary_row("sqrt", np.sqrt),
    _unary_row("floor", np.floor),
    _unary_row("ceil", np.ceil),
    _unary_row("round", np.rint),
    _Row("neg", "number", _unary("neg"), lambda x, attrs: np.negative(x), exact=True),
    _Row("abs", "number", _unary("abs"), lambda x, attrs: np.abs(x), exact=True),
    _Row("sign", "number", _sign, lambda x, attrs: np.sign(x), exact=True),
    _Row(
        "relu",
        "number",
        lambda x, attrs: Binary("max", x, _like(x, 0)),
        lambda x, attrs: np.maximum(x, x.dtype.type(0)),
        exact=True,
    ),
    _Row("clip", "number", _clip, _clip_function, {"min": -math.inf, "max": math.inf}, exact=True),
    _Row("identity", "any", lambda x, attrs: x, lambda x, attrs: x, exact=True),
    _Row("not", "bool", _unary("not"), lambda x, attrs: ~x, exact=True),
    _Row("bitwise_not", "integer", _bitwise_not, lambda x, attrs: ~x, exact=True),
    _Row(
        "reciprocal",
        "float",
        lambda x, attrs: Binary("div", _like(x, 1), x),
        lambda x, attrs: 1 / x,
    ),
    _Row("softplus", "float", _softplus, lambda x, attrs: np.logaddexp(0, x)),
    _Row(
        "softsign",
        "float",
        lambda x, attrs: Binary("div", x, _plus(Unary("abs", x), 1)),
        lambda x, attrs: x / (1 + np.abs(x)),
    ),
    _Row("leaky_relu", "float", _leaky_relu, _leaky_relu_function, {"alpha": 0.01}),
    _Row("elu", "float", _elu, _elu_function, {"alpha": 1.0}),
    _Row(
        "hard_sigmoid",
        "float",
        _hard_sigmoid,
        _hard_sigmoid_function,
        {"alpha": 0.2, "beta": 0.5},
    ),
    _Row("hard_swish", "float", _hard_swish, lambda x, attrs: x * np.clip(x / 6 + 0.5, 0, 1)),
    _Row("gelu", "float", _gelu, _gelu_function, {"approximate": "none"}),
)


def _infer_of(row: _Row) -> Infer:
    return lambda inputs, attrs: infer_elementwise(inputs, row.accepted, row.result)


def _rounded_once(row: _Row, x: Expr, attrs: Attrs) -> Expr:
    """The function of a row; one of several steps computes 16-bit floats in f32."""
    if row.exact or x.dtype.bits >= F32.bits:
        return row.scalar(x, attrs)
    return Cast(row.scalar(Cast(x, F32), attrs), x.dtype)


def _operator(row: _Row) -> Operator:
    return define(
        row.name,
        Kind.ELEMENTWISE,
        1,
        _infer_of(row),
        (lambda inputs, attrs: (row.function(inputs[0], attrs),))
        if row.exact
        else in_double(row.function),
        elementwise_loops(lambda operands, attrs: _rounded_once(row, operands[0], attrs)),
        **row.attributes,
    )


OPERATORS = tuple(_operator(row) for row in _ROWS)


@dataclass(frozen=True)
class Activation:
    """A function of one variable with its default parameters: as an expression and in NumPy."""

    scalar: Callable[[Expr], Expr]
    function: Callable[[np.ndarray], np.ndarray]


def _activation(row: _Row) -> Activation:
    return Activation(
        lambda x: row.scalar(x, row.attributes), lambda x: row.function(x, row.attributes)
    )


_ACTIVATION_NAMES = frozenset(
    ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "hard_sigmoid", "softsign", "softplus")
)

ACTIVATIONS: Mapping[str, Activation] = {
    row.name: _activation(row) for row in _ROWS if row.name in _ACTIVATION_NAMES
}
"""The functions that gates of recurrent layers may use."""
