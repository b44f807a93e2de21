"""pow(x, y) = exp(y log |x|), with the signs and special cases of C and NumPy.

The logarithm needs about ten bits more than the result: f32 is computed in f64, f64 with a
logarithm in two parts (Dekker's exact products, which need no fused arithmetic).
"""

from __future__ import annotations

import math

from mlc.backends.llvm.math.exponential import emit_exp_of_sum, power_of_two, reduce_exp
from mlc.backends.llvm.math.logarithm import special_log, split_exponent
from mlc.backends.llvm.math.vector import Vector
from mlc.ir.dtype import F32

_LN2 = 0.6931471805599453
_LN2_UPPER = 0.6931471803691238
_LN2_LOWER = 1.9082149292705877e-10
_EXP_IS_EXTREME = {32: 200.0, 64: 800.0}
"""Beyond this many times e the result is 0 or infinite."""

_SHORT_LOG = (
    0.33333333894514044,
    -0.24999997077551447,
    0.19999910985293623,
    -0.16666854608801687,
    0.14290184388921212,
    -0.124983120081936,
    0.11014658229068723,
    -0.09924094087842023,
    0.0998888480097523,
    -0.09865629386518066,
    0.05388980652529956,
)
"""(log(1 + r) - r + r²/2) / r³, relative error 2e-11."""

_SHORT_EXP = (
    0.5000000068690598,
    0.16666665854024496,
    0.04166629117681869,
    0.008333499094596417,
    0.0013944944220869707,
    0.0001978998070923464,
)
"""(exp(r) - 1 - r) / r², relative error 5e-11."""

_ATANH = (
    0.2000000000000114,
    0.14285714285043866,
    0.11111111261062846,
    0.09090892083608622,
    0.07693383423232346,
    0.06628294753281169,
    0.06599252566348157,
)
"""(atanh(s)/s - 1 - s²/3) / s⁴ as a polynomial in s²."""

_SPLITTER = 2.0**27 + 1.0
_ALWAYS_EVEN = 2.0**54
"""From here on every number is an even integer (or infinite)."""


def emit_pow(v: Vector, x: str, y: str) -> str:
    """pow(x, y), with 1 for pow(1, y) and pow(x, 0) whatever the other argument is.

    Largest error 0.6 ulp (f32), 1.3 (f64).
    """
    magnitude = v.absolute(x)
    if v.dtype is F32:
        wide, wide_magnitude = v.widened(magnitude)
        _, wide_y = v.widened(y)
        result = v.narrowed(_pow_short(wide, wide_magnitude, wide_y))
    else:
        result = _pow_long(v, magnitude, y)
    return _with_special_cases(v, x, y, result)


def _with_special_cases(v: Vector, x: str, y: str, result: str) -> str:
    """Sign and NaN of a negative base, and the cases that are 1."""
    half = v.multiply(y, v.number(0.5))
    is_whole = v.compare("oeq", v.truncate(y), y)
    is_odd = v.both(is_whole, v.compare("one", v.truncate(half), half))
    result = v.select(is_odd, v.with_sign_of(result, x), result)
    negative = v.compare("olt", x, v.number(0.0))
    finite = v.compare("one", x, v.number(-math.inf))
    broken = v.both(v.both(negative, finite), v.compare("one", v.truncate(y), y))
    result = v.select(broken, v.number(math.nan), result)
    unit = v.compare("oeq", v.absolute(x), v.number(1.0))
    huge_power = v.compare("oge", v.absolute(y), v.number(_ALWAYS_EVEN))
    one = v.number(1.0)
    result = v.select(v.both(unit, huge_power), one, result)
    result = v.select(v.compare("oeq", x, one), one, result)
    return v.select(v.compare("oeq", y, v.number(0.0)), one, result)


def _pow_short(v: Vector, magnitude: str, y: str) -> str:
    """exp(y log(magnitude)) in f64, good to f32."""
    split = split_exponent(v, magnitude)
    r = split.rest
    square = v.multiply(r, r)
    cube = v.multiply(square, r)
    tail = v.multiply_add(square, v.number(-0.5), r)
    tail = v.multiply_add(v.polynomial(r, _SHORT_LOG), cube, tail)
    logarithm = v.multiply_add(split.exponent, v.number(_LN2), tail)
    product = v.multiply(y, special_log(v, magnitude, logarithm))
    extreme = _EXP_IS_EXTREME[32]
    bounded = v.at_least(v.at_most(product, extreme), -extreme)
    reduced = reduce_exp(v, bounded, _SHORT_EXP)
    power = power_of_two(v, reduced.shifted)
    return v.multiply_add(power, reduced.tail, power)


def _pow_long(v: Vector, magnitude: str, y: str) -> str:
    """exp(y log(magnitude)) in f64, good to f64."""
    upper, lower = _long_log(v, magnitude)
    upper = special_log(v, magnitude, upper)
    product = v.multiply(y, upper)
    rest = v.multiply_add(y, lower, _product_error(v, y, upper, product))
    near = v.compare("olt", v.absolute(product), v.number(_EXP_IS_EXTREME[64]))
    return emit_exp_of_sum(v, product, v.select(near, rest, v.number(0.0)))


def _long_log(v: Vector, x: str) -> tuple[str, str]:
    """log(x) in two parts: 2 atanh(s), s = (m - 1) / (m + 1), with s³/3 in two parts, and e ln2."""
    split = split_exponent(v, x)
    f = split.rest
    below, below_error = _exact_sum(v, v.number(2.0), f)
    s = v.divide(f, below)
    ratio_product = v.multiply(s, below)
    rest = v.subtract(f, ratio_product)
    rest = v.subtract(rest, _product_error(v, s, below, ratio_product))
    rest = v.subtract(rest, v.multiply(s, below_error))
    s_low = v.divide(rest, below)

    z = v.multiply(s, s)
    twice = v.multiply(v.add(s, s), s_low)
    z_low = v.add(_product_error(v, s, s, z), twice)
    third = v.number(1.0 / 3.0)
    u = v.multiply(z, third)
    u_low = _product_error(v, z, third, u)
    u_low = v.add(u_low, v.multiply(z_low, third))
    u_low = v.add(u_low, v.multiply(z, v.number(1.850371707708594e-17)))
    higher = v.multiply(v.multiply(z, z), v.polynomial(z, _ATANH))
    u, u_error = _exact_sum(v, u, higher)
    u_low = v.add(u_low, u_error)

    p = v.multiply(s, u)
    p_low = v.add(_product_error(v, s, u, p), v.multiply(s, u_low))
    p_low = v.add(p_low, v.multiply(s_low, u))
    half, half_error = _exact_sum(v, s, p)
    half_low = v.add(half_error, v.add(s_low, p_low))

    whole = v.multiply(split.exponent, v.number(_LN2_UPPER))
    total, total_error = _exact_sum(v, whole, v.add(half, half))
    low = v.add(half_low, half_low)
    low = v.add(low, v.multiply(split.exponent, v.number(_LN2_LOWER)))
    return total, v.add(low, total_error)


def _exact_sum(v: Vector, left: str, right: str) -> tuple[str, str]:
    """`left + right` and its rounding error (Knuth's two-sum)."""
    total = v.add(left, right)
    second = v.subtract(total, left)
    first = v.subtract(total, second)
    return total, v.add(v.subtract(left, first), v.subtract(right, second))


def _product_error(v: Vector, left: str, right: str, product: str) -> str:
    """`left * right - product` exactly (Dekker), where nothing overflows."""
    left_upper, left_lower = _halves(v, left)
    right_upper, right_lower = _halves(v, right)
    error = v.subtract(v.multiply(left_upper, right_upper), product)
    error = v.add(error, v.multiply(left_upper, right_lower))
    error = v.add(error, v.multiply(left_lower, right_upper))
    return v.add(error, v.multiply(left_lower, right_lower))


def _halves(v: Vector, value: str) -> tuple[str, str]:
    """A number as the sum of two of 26 bits each."""
    spread = v.multiply(value, v.number(_SPLITTER))
    upper = v.subtract(spread, v.subtract(spread, value))
    return upper, v.subtract(value, upper)
