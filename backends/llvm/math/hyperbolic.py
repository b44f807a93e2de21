"""tanh, sinh, cosh and their inverses, out of exp and log."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlc.backends.llvm.math.exponential import emit_exp, emit_expm1_bounded
from mlc.backends.llvm.math.logarithm import emit_log1p
from mlc.backends.llvm.math.vector import Vector

_TANH_IS_ONE = {32: 9.1, 64: 20.0}
"""Where tanh rounds to 1."""

_SINH: dict[int, Sequence[float]] = {
    32: (0.16666667, 0.0083333105, 0.00019842896, 2.7822211e-06),
    64: (
        0.16666666666666669,
        0.008333333333332912,
        0.0001984126984159339,
        2.755731910677506e-06,
        2.505213099340272e-08,
        1.605665979753689e-10,
        7.776573937975624e-13,
    ),
}
"""(sinh(x) - x) / x³ as a polynomial in x², |x| ≤ 1."""

_SQUARES_OVERFLOW = {32: 2.0**62, 64: 2.0**510}
"""Beyond this x² is not computed, and adding 1 to it changed nothing long before."""


def emit_tanh(v: Vector, x: str) -> str:
    """tanh(x) = t / (t + 2) with t = exp(2|x|) - 1. Largest error 2.5 ulp (f32, f64)."""
    magnitude = v.at_most(v.absolute(x), _TANH_IS_ONE[v.format.bits])
    t = emit_expm1_bounded(v, v.add(magnitude, magnitude))
    return v.with_sign_of(v.divide(t, v.add(t, v.number(2.0))), x)


def emit_sinh(v: Vector, x: str) -> str:
    """sinh(x): a polynomial up to 1, h - 1/(4h) with h = exp(|x|)/2 beyond. 1.6 ulp (f32, f64)."""
    magnitude = v.absolute(x)
    half = emit_exp(v, magnitude, less=1)
    large = v.subtract(half, v.divide(v.number(0.25), half))
    square = v.multiply(x, x)
    cube = v.multiply(square, magnitude)
    small = v.multiply_add(v.polynomial(square, _SINH[v.format.bits]), cube, magnitude)
    is_small = v.compare("olt", magnitude, v.number(1.0))
    return v.with_sign_of(v.select(is_small, small, large), x)


def emit_cosh(v: Vector, x: str) -> str:
    """cosh(x) = h + 1/(4h) with h = exp(|x|)/2. Largest error 1.5 ulp (f32, f64)."""
    half = emit_exp(v, v.absolute(x), less=1)
    return v.add(half, v.divide(v.number(0.25), half))


def emit_asinh(v: Vector, x: str) -> str:
    """asinh(x) = log(1 + u), u = |x| + x² / (1 + √(x² + 1)); log(2|x|) for huge x.

    Largest error 2 ulp (f32, f64).
    """
    magnitude = v.absolute(x)
    large = v.compare("ogt", magnitude, v.number(_SQUARES_OVERFLOW[v.format.bits]))
    square = v.multiply(x, x)
    one = v.number(1.0)
    root = v.sqrt(v.add(square, one))
    u = v.add(magnitude, v.divide(square, v.add(one, root)))
    return v.with_sign_of(_log1p_or_twice(v, u, magnitude, large), x)


def emit_acosh(v: Vector, x: str) -> str:
    """acosh(x) = log(1 + t + √t √(2 + t)), t = x - 1; log(2x) for huge x; NaN below 1.

    Largest error 3.2 ulp (f32), 3 (f64), near 1.
    """
    large = v.compare("ogt", x, v.number(_SQUARES_OVERFLOW[v.format.bits]))
    t = v.subtract(x, v.number(1.0))
    root = v.multiply(v.sqrt(t), v.sqrt(v.add(t, v.number(2.0))))
    return _log1p_or_twice(v, v.add(t, root), x, large)


def emit_atanh(v: Vector, x: str) -> str:
    """atanh(x) = log(1 + 2|x| / (1 - |x|)) / 2; infinite at ±1, NaN beyond.

    Largest error 2.3 ulp (f32, f64).
    """
    magnitude = v.absolute(x)
    ratio = v.divide(v.add(magnitude, magnitude), v.subtract(v.number(1.0), magnitude))
    return v.with_sign_of(v.multiply(emit_log1p(v, ratio), v.number(0.5)), x)


def _log1p_or_twice(v: Vector, u: str, x: str, large: str) -> str:
    """log(1 + u), or log(2 x) where `large`."""
    logarithm = emit_log1p(v, v.select(large, x, u))
    return v.add(logarithm, v.select(large, v.number(math.log(2.0)), v.number(0.0)))
