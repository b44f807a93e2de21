"""exp and sigmoid, and the parts of exp that tanh, erf, sinh, cosh and pow are made of.

With x = n ln2 + r and |r| ≤ ln2 / 2, exp(x) = 2^n (1 + r + r² q(r)); q is a minimax polynomial
(Remez). n comes out of adding 1.5·2^mantissa, which rounds to an integer and leaves that integer in
the low bits. ln2 is split in two so that n times its upper part is exact without fused arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlc.backends.llvm.math.vector import Vector

_LOG2_E = 1.4426950408889634


@dataclass(frozen=True, slots=True)
class _Constants:
    """`low` and `high` bound the arguments whose exp is neither 0 nor infinite.

    From `safe_low` on 2^n is a normal number (or infinite, above); at `zero_low` 2^(n-1) is 0.
    """

    ln2_upper: float
    ln2_lower: float
    q: Sequence[float]
    low: float
    high: float
    safe_low: float
    zero_low: float


_F32 = _Constants(
    ln2_upper=0.693145751953125,
    ln2_lower=1.42860682030941723212e-6,
    q=(0.49999997, 0.16666542, 0.041667208, 0.008366689, 0.0013882404),
    low=-104.0,
    high=89.0,
    safe_low=-87.0,
    zero_low=-87.4,
)
_F64 = _Constants(
    ln2_upper=0.6931471803691238,
    ln2_lower=1.9082149292705877e-10,
    q=(
        0.5000000000000006,
        0.16666666666666585,
        0.04166666666657494,
        0.00833333333339175,
        0.0013888888932225678,
        0.00019841269715188846,
        2.480150442208998e-05,
        2.7557409945629563e-06,
        2.7626394977849516e-07,
        2.5053368786974e-08,
    ),
    low=-746.0,
    high=710.0,
    safe_low=-708.0,
    zero_low=-708.4,
)


def _constants(v: Vector) -> _Constants:
    return _F32 if v.format.bits == 32 else _F64


@dataclass(frozen=True, slots=True)
class Reduced:
    """x = n ln2 + r: `shifted` has the integer n in its low bits, `tail` is exp(r) - 1."""

    shifted: str
    tail: str


def reduce_exp(v: Vector, x: str, q: Sequence[float] = (), x_low: str | None = None) -> Reduced:
    """Split off the power of two of x (+ x_low); |x| must be below 2^20 or so (or NaN).

    `q` replaces the polynomial by a shorter one.
    """
    constants = _constants(v)
    magic = v.number(1.5 * 2.0**v.format.mantissa_bits)
    shifted = v.multiply_add(x, v.number(_LOG2_E), magic)
    n = v.subtract(shifted, magic)
    r = v.multiply_add(n, v.number(-constants.ln2_upper), x)
    r = v.multiply_add(n, v.number(-constants.ln2_lower), r)
    if x_low is not None:
        r = v.add(r, x_low)
    square = v.multiply(r, r)
    tail = v.multiply_add(v.polynomial(r, q or constants.q), square, r)
    return Reduced(v.bits(shifted), tail)


def power_of_two(v: Vector, shifted: str, less: int = 0) -> str:
    """2^(n - less) as a float, for the n in the low bits of `shifted`.

    n - less may be one below the exponents of normal numbers, which gives 0, or one above, which
    gives infinity.
    """
    exponent = v.integer_op("shl", shifted, v.whole(v.format.mantissa_bits))
    one = v.whole((v.format.bias - less) << v.format.mantissa_bits)
    return v.from_bits(v.integer_op("add", exponent, one))


def scale(v: Vector, value: str, shifted: str, less: int = 0) -> str:
    """`value * 2^(n - less)` in two steps, so that only the result may over- or underflow."""
    if less:
        shifted = v.integer_op("sub", shifted, v.whole(less))
    half = v.integer_op("ashr", shifted, v.whole(1))
    other = v.integer_op("sub", shifted, half)
    return v.multiply(v.multiply(value, power_of_two(v, half)), power_of_two(v, other))


def emit_exp(v: Vector, x: str, less: int = 0) -> str:
    """exp(x) / 2^less, denormal results included. Largest error 1.1 ulp (f32, f64)."""
    constants = _constants(v)
    clamped = v.at_least(v.at_most(x, constants.high + less), constants.low)
    reduced = reduce_exp(v, clamped)
    return scale(v, v.add(reduced.tail, v.number(1.0)), reduced.shifted, less)


def emit_fast_exp(v: Vector, x: str) -> str:
    """exp(x), with 0 for results below twice the smallest normal number; else 1.1 ulp (f32, f64).

    2^n is one multiplication: 2 exp(r) · 2^(n-1) neither overflows early nor needs a second step.
    """
    constants = _constants(v)
    clamped = v.at_least(v.at_most(x, constants.high), constants.zero_low)
    reduced = reduce_exp(v, clamped)
    two = v.number(2.0)
    doubled = v.multiply_add(reduced.tail, two, two)
    return v.multiply(doubled, power_of_two(v, reduced.shifted, less=1))


def emit_exp_of_sum(v: Vector, x: str, x_low: str) -> str:
    """exp(x + x_low) where x_low is a rounding error of x."""
    constants = _constants(v)
    clamped = v.at_least(v.at_most(x, constants.high), constants.low)
    reduced = reduce_exp(v, clamped, x_low=x_low)
    return scale(v, v.add(reduced.tail, v.number(1.0)), reduced.shifted)


def emit_expm1_bounded(v: Vector, x: str) -> str:
    """exp(x) - 1 with a small relative error, for x where 2^n neither over- nor underflows."""
    reduced = reduce_exp(v, x)
    power = power_of_two(v, reduced.shifted)
    return v.multiply_add(power, reduced.tail, v.subtract(power, v.number(1.0)))


def emit_sigmoid(v: Vector, x: str) -> str:
    """1 / (1 + exp(-x)). Largest error 2.4 ulp (f32), 2.5 (f64); 0 instead of denormal results."""
    constants = _constants(v)
    negated = v.negate(x)
    clamped = v.at_least(v.at_most(negated, constants.high), constants.safe_low)
    reduced = reduce_exp(v, clamped)
    power = power_of_two(v, reduced.shifted)
    one = v.number(1.0)
    # Not power * tail + power: where the power is infinite and the tail negative, that is NaN.
    denominator = v.multiply_add(power, v.add(reduced.tail, one), one)
    return v.divide(one, denominator)
