"""sin, cos and tan.

x = n π/2 + r with |r| ≤ π/4 (Cody and Waite: π/2 in parts of 33 bits, so that n times a part is
exact up to n = 2^20 without fused arithmetic, and far beyond with it); the quadrant, n mod 4,
chooses between the polynomials of sine and cosine and the sign. f32 is reduced in f64.

Beyond the range in which the reduction is exact (|x| about 10^6, or 10^15 for f32 where
multiply-add is fused) sin and cos lose accuracy gradually, but stay within [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlc.backends.llvm.math.vector import Vector
from mlc.backends.llvm.text_builder import type_name
from mlc.ir.dtype import F32, F64, I32, I64

_HALF_PI_PARTS: dict[int, Sequence[float]] = {
    32: (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21),
    64: (
        1.5707963267341256,
        6.077100506303966e-11,
        2.0222662487111665e-21,
        8.4784276603689e-32,
    ),
}

_SINE: dict[int, Sequence[float]] = {
    32: (-0.16666655, 0.008332187, -0.00019517899),
    64: (
        -0.1666666666666663,
        0.008333333333321837,
        -0.00019841269829354218,
        2.7557313536672894e-06,
        -2.5050734142708397e-08,
        1.5895426747909602e-10,
    ),
}
"""(sin(r) - r) / r³ as a polynomial in r²."""

_COSINE: dict[int, Sequence[float]] = {
    32: (0.041666646, -0.001388731, 2.4432346e-05),
    64: (
        0.041666666666666664,
        -0.0013888888888888389,
        2.48015873011809e-05,
        -2.7557319060766096e-07,
        2.087672204038057e-09,
        -1.146686688377763e-11,
        4.592983236541332e-14,
    ),
}
"""(cos(r) - 1 + r²/2) / r⁴ as a polynomial in r²."""

_LARGEST_REST = 0.79


@dataclass(frozen=True, slots=True)
class _Reduced:
    """`quadrant` holds n in its two low bits; `sine` and `cosine` are those of r."""

    quadrant: str
    sine: str
    cosine: str


def emit_sin(v: Vector, x: str) -> str:
    """sin(x). Largest error for |x| ≤ 10^5: 1.6 ulp (f32), 2.5 (f64)."""
    reduced = _reduce(v, x)
    return _pick(v, reduced, reduced.quadrant)


def emit_cos(v: Vector, x: str) -> str:
    """cos(x) = sin(x + π/2). Largest error for |x| ≤ 10^5: 1.6 ulp (f32), 2.5 (f64)."""
    reduced = _reduce(v, x)
    return _pick(v, reduced, v.integer_op("add", reduced.quadrant, v.whole(1)))


def emit_tan(v: Vector, x: str) -> str:
    """tan(x): sine over cosine of r, or minus the inverse of that in odd quadrants.

    Largest error for |x| ≤ 10^5: 3.7 ulp (f32), 4.1 (f64).
    """
    reduced = _reduce(v, x)
    odd = _is_odd(v, reduced.quadrant)
    numerator = v.select(odd, v.negate(reduced.cosine), reduced.sine)
    return v.divide(numerator, v.select(odd, reduced.sine, reduced.cosine))


def _pick(v: Vector, reduced: _Reduced, quadrant: str) -> str:
    """Sine in even quadrants, cosine in odd ones, negative in the last two."""
    value = v.select(_is_odd(v, quadrant), reduced.cosine, reduced.sine)
    moved = v.integer_op("shl", quadrant, v.whole(v.format.bits - 2))
    sign = v.integer_op("and", moved, v.whole(-1 << (v.format.bits - 1)))
    return v.from_bits(v.integer_op("xor", v.bits(value), sign))


def _is_odd(v: Vector, quadrant: str) -> str:
    return v.integer_compare("ne", v.integer_op("and", quadrant, v.whole(1)), v.whole(0))


def _reduce(v: Vector, x: str) -> _Reduced:
    if v.dtype is F32:
        wide, wide_x = v.widened(x)
        wide_quadrant, rest = _cody_waite(wide, wide_x, _HALF_PI_PARTS[32])
        source, target = type_name(I64, v.lanes), type_name(I32, v.lanes)
        quadrant = v.builder.op(f"trunc {source} {wide_quadrant} to {target}")
        r = v.narrowed(rest)
    else:
        quadrant, r = _cody_waite(v, x, _HALF_PI_PARTS[64])
    r = v.at_least(v.at_most(r, _LARGEST_REST), -_LARGEST_REST)
    square = v.multiply(r, r)
    one = v.number(1.0)
    sine = v.multiply_add(v.polynomial(square, _SINE[v.format.bits]), v.multiply(square, r), r)
    fourth = v.multiply(square, square)
    leading = v.multiply_add(square, v.number(-0.5), one)
    cosine = v.multiply_add(v.polynomial(square, _COSINE[v.format.bits]), fourth, leading)
    return _Reduced(quadrant, sine, cosine)


def _cody_waite(v: Vector, x: str, parts: Sequence[float]) -> tuple[str, str]:
    """(integer with n in its low bits, r) in f64."""
    assert v.dtype is F64
    magic = v.number(1.5 * 2.0**v.format.mantissa_bits)
    shifted = v.multiply_add(x, v.number(2.0 / math.pi), magic)
    n = v.subtract(shifted, magic)
    rest = x
    for part in parts:
        rest = v.multiply_add(n, v.number(-part), rest)
    return v.bits(shifted), rest
