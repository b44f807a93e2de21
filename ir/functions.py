"""Scalar functions that a `Call` in the loop IR may name: how many arguments, and what they mean.

References take and give NumPy scalars or vectors. Those of transcendental functions compute in
float64 and round once, so that they can judge any implementation in a narrower type. Functions
whose names start with `reduce_` combine the lanes of one vector into a scalar.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Reference = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Function:
    """A function by `name`: number of arguments, NumPy reference, and what its result is.

    The result has the type of the first argument, is bool, or has the type that the call states
    (its reference then takes the NumPy dtypes of the argument and of the result as well).
    """

    name: str
    arity: int
    reference: Reference
    gives_bool: bool = False
    gives_stated: bool = False

    @property
    def is_reduction(self) -> bool:
        """Whether it combines the lanes of a vector."""
        return self.name.startswith("reduce_")


def _rounded_once(compute: Reference) -> Reference:
    """`compute` in float64, the result rounded to the type of the first argument."""

    def reference(*args: Any) -> Any:
        wide = compute(*(np.asarray(arg, np.float64) for arg in args))
        return np.asarray(wide).astype(args[0].dtype)[()]

    return reference


def _over_lanes(combine: np.ufunc) -> Reference:
    return lambda vector: combine.reduce(vector, axis=-1, dtype=vector.dtype)


def _sigmoid(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _reinterpret(value: Any, source: np.dtype[Any], target: np.dtype[Any]) -> Any:
    return np.asarray(value, source).view(target)[()]


def _table(*functions: Function) -> Mapping[str, Function]:
    return {function.name: function for function in functions}


_TRANSCENDENTAL: dict[str, Reference] = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}

FUNCTIONS: Mapping[str, Function] = _table(
    *(Function(name, 1, _rounded_once(compute)) for name, compute in _TRANSCENDENTAL.items()),
    Function("pow", 2, _rounded_once(np.power)),
    Function("isnan", 1, np.isnan, gives_bool=True),
    Function("isinf", 1, np.isinf, gives_bool=True),
    Function("bitcast", 1, _reinterpret, gives_stated=True),
    Function("reduce_add", 1, _over_lanes(np.add)),
    Function("reduce_mul", 1, _over_lanes(np.multiply)),
    Function("reduce_max", 1, _over_lanes(np.maximum)),
    Function("reduce_min", 1, _over_lanes(np.minimum)),
)
"""Every function by name."""
