"""asin, acos and atan: odd minimax polynomials (Remez) after folding the argument."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlc.backends.llvm.math.vector import Vector

_HALF_PI = {32: (1.5707963705062866, -4.3711390e-08), 64: (math.pi / 2, 6.123233995736766e-17)}
"""π/2 and what rounding it to the type lost."""

_ATAN: dict[int, Sequence[float]] = {
    32: (
        -0.333333,
        0.1999853,
        -0.14264014,
        0.10950862,
        -0.08399213,
        0.057879012,
        -0.03109372,
        0.010866391,
        -0.001782174,
    ),
    64: (
        -0.3333333333333307,
        0.19999999999951756,
        -0.142857142825886,
        0.11111111007358367,
        -0.09090907008097673,
        0.07692279892443538,
        -0.06666404452226894,
        0.05880529979677852,
        -0.05253527543878192,
        0.04722350949998003,
        -0.042192503630506,
        0.03664329827342279,
        -0.029905966549103304,
        0.02198734619046436,
        -0.013902828608073183,
        0.007198060601504595,
        -0.002885698771377731,
        0.0008315912943221439,
        -0.0001522182721713979,
        1.3230775915189017e-05,
    ),
}
"""(atan(t) - t) / t³ as a polynomial in t², t ≤ 1."""

_ASIN: dict[int, Sequence[float]] = {
    32: (0.16666752, 0.074953094, 0.045469172, 0.024184551, 0.04215884),
    64: (
        0.16666666666665408,
        0.07500000000337012,
        0.044642856828332855,
        0.030381959136783623,
        0.022371758054623325,
        0.01735970469758962,
        0.01388523620212608,
        0.012169205951588507,
        0.006528004203744573,
        0.019528173594342654,
        -0.016224089522352395,
        0.031912144800150345,
    ),
}
"""(asin(t) - t) / t³ as a polynomial in t², t ≤ ½."""


def emit_atan(v: Vector, x: str) -> str:
    """atan(x): of |x| up to 1, and π/2 + atan(-1/|x|) beyond. 1.3 ulp (f32), 1.4 (f64)."""
    upper, lower = _HALF_PI[v.format.bits]
    zero, one = v.number(0.0), v.number(1.0)
    magnitude = v.absolute(x)
    large = v.compare("ogt", magnitude, one)
    t = v.divide(v.select(large, v.number(-1.0), magnitude), v.select(large, magnitude, one))
    square = v.multiply(t, t)
    cube = v.multiply(square, t)
    lost = v.select(large, v.number(lower), zero)
    tail = v.multiply_add(v.polynomial(square, _ATAN[v.format.bits]), cube, lost)
    return v.with_sign_of(v.add(v.select(large, v.number(upper), zero), v.add(t, tail)), x)


def emit_asin(v: Vector, x: str) -> str:
    """asin(x): of |x| up to ½, and π/2 - 2 asin(√((1 - |x|) / 2)) beyond; NaN beyond 1.

    Largest error 2 ulp (f32), 2.2 (f64).
    """
    folded, large = _folded_asin(v, x)
    upper, lower = _HALF_PI[v.format.bits]
    twice = v.add(folded, folded)
    outer = v.add(v.subtract(v.number(upper), twice), v.number(lower))
    return v.with_sign_of(v.select(large, outer, folded), x)


def emit_acos(v: Vector, x: str) -> str:
    """acos(x) = π/2 - asin(x) up to ½, 2 asin(√((1 - x) / 2)) beyond; NaN beyond ±1.

    Largest error 1.4 ulp (f32, f64).
    """
    folded, large = _folded_asin(v, x)
    upper, lower = _HALF_PI[v.format.bits]
    inner = v.add(v.subtract(v.number(upper), v.with_sign_of(folded, x)), v.number(lower))
    twice = v.add(folded, folded)
    negative = v.compare("olt", x, v.number(0.0))
    below = v.add(v.subtract(v.number(2 * upper), twice), v.number(2 * lower))
    return v.select(large, v.select(negative, below, twice), inner)


def _folded_asin(v: Vector, x: str) -> tuple[str, str]:
    """The asin of |x|, or of √((1 - |x|) / 2) where |x| > ½; and the mask of where."""
    magnitude = v.absolute(x)
    large = v.compare("ogt", magnitude, v.number(0.5))
    halved = v.multiply(v.subtract(v.number(1.0), magnitude), v.number(0.5))
    square = v.select(large, halved, v.multiply(x, x))
    t = v.select(large, v.sqrt(halved), magnitude)
    cube = v.multiply(square, t)
    return v.multiply_add(v.polynomial(square, _ASIN[v.format.bits]), cube, t), large
