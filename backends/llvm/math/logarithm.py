"""log, and log(1 + u) for the inverse hyperbolic functions.

With x = 2^e (1 + r) and 1 + r between √½ and √2, log(x) = e ln2 + r - r²/2 + r³ p(r); p is a
minimax polynomial (Remez), and r is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlc.backends.llvm.math.vector import Vector


@dataclass(frozen=True, slots=True)
class _Constants:
    ln2_upper: float
    ln2_lower: float
    p: Sequence[float]
    root_half_bits: int
    smallest_normal: float


_F32 = _Constants(
    ln2_upper=0.693145751953125,
    ln2_lower=1.42860682030941723212e-6,
    p=(
        0.33333313,
        -0.2500001,
        0.20002122,
        -0.16668,
        0.14219466,
        -0.12405453,
        0.11888714,
        -0.11676833,
        0.067468576,
    ),
    root_half_bits=0x3F3504F3,
    smallest_normal=2.0**-126,
)
_F64 = _Constants(
    ln2_upper=0.6931471803691238,
    ln2_lower=1.9082149292705877e-10,
    p=(
        0.3333333333333314,
        -0.24999999999987932,
        0.20000000000066626,
        -0.16666666669836988,
        0.14285714280107545,
        -0.1249999969046693,
        0.11111111145356935,
        -0.10000015246989304,
        0.09090924049963718,
        -0.08332912658479821,
        0.07691526511093257,
        -0.07149448831399302,
        0.06684638177115058,
        -0.06196652591955847,
        0.05668015874474325,
        -0.0567748877163834,
        0.06504439877634857,
        -0.05983556928169615,
        0.026160146250870903,
    ),
    root_half_bits=0x3FE6A09E667F3BCD,
    smallest_normal=2.0**-1022,
)


@dataclass(frozen=True, slots=True)
class Split:
    """x = 2^e (1 + r): `exponent` is e as a float, `rest` is r."""

    exponent: str
    rest: str


def split_exponent(v: Vector, x: str) -> Split:
    """Take a positive, finite x apart; denormal numbers are scaled up first."""
    constants = _F32 if v.format.bits == 32 else _F64
    mantissa_bits = v.format.mantissa_bits
    tiny = v.compare("olt", x, v.number(constants.smallest_normal))
    scaled = v.select(tiny, v.multiply(x, v.number(2.0 ** (mantissa_bits + 1))), x)
    bits = v.bits(scaled)
    offset = v.integer_op("sub", bits, v.whole(constants.root_half_bits))
    exponent = v.integer_op("ashr", offset, v.whole(mantissa_bits))
    shift = v.integer_op("shl", exponent, v.whole(mantissa_bits))
    mantissa = v.from_bits(v.integer_op("sub", bits, shift))
    correction = v.select(tiny, v.number(-(mantissa_bits + 1.0)), v.number(0.0))
    return Split(
        exponent=v.add(v.from_integer(exponent), correction),
        rest=v.subtract(mantissa, v.number(1.0)),
    )


def emit_log(v: Vector, x: str) -> str:
    """log(x): -inf at zero, NaN below. Largest error 0.9 ulp (f32, f64), denormal x included."""
    constants = _F32 if v.format.bits == 32 else _F64
    split = split_exponent(v, x)
    r = split.rest
    square = v.multiply(r, r)
    cubic = v.multiply(v.multiply(square, r), v.polynomial(r, constants.p))
    tail = v.multiply_add(square, v.number(-0.5), cubic)
    tail = v.multiply_add(split.exponent, v.number(constants.ln2_lower), tail)
    result = v.multiply_add(split.exponent, v.number(constants.ln2_upper), v.add(r, tail))
    return special_log(v, x, result)


def special_log(v: Vector, x: str, result: str) -> str:
    """The logarithms of what is not positive and finite; `result` everywhere else."""
    infinite = v.compare("oeq", x, v.number(math.inf))
    result = v.select(infinite, x, result)
    undefined = v.compare("ult", x, v.number(0.0))
    result = v.select(undefined, v.number(math.nan), result)
    zero = v.compare("oeq", x, v.number(0.0))
    return v.select(zero, v.number(-math.inf), result)


def emit_log1p(v: Vector, u: str) -> str:
    """log(1 + u) with a small relative error for small u: log of the rounded sum, corrected."""
    one = v.number(1.0)
    total = v.add(one, u)
    lost = v.subtract(u, v.subtract(total, one))
    logarithm = emit_log(v, total)
    corrected = v.add(logarithm, v.divide(lost, total))
    finite = v.compare("olt", v.absolute(logarithm), v.number(math.inf))
    return v.select(finite, corrected, logarithm)
