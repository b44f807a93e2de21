"""erf, as 1 - exp(-|x| q(|x|)).

-log(1 - erf(x)) / x is so smooth that one minimax polynomial q (Remez, weighted by what an error in
it does to erf) covers every x up to where erf rounds to 1; exp(…) - 1 keeps small results exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlc.backends.llvm.math.exponential import emit_expm1_bounded
from mlc.backends.llvm.math.vector import Vector


@dataclass(frozen=True, slots=True)
class _Constants:
    """`lowest` is what rounding the first coefficient of `q` lost; `end` is where erf is 1."""

    q: Sequence[float]
    lowest: float
    end: float


_CONSTANTS = {
    32: _Constants(
        q=(
            1.1283792,
            0.6366194,
            0.10277783,
            -0.01915309,
            -0.00016032567,
            0.0016669414,
            -0.00063278346,
            0.000117625044,
            -9.254351e-06,
        ),
        lowest=-5.8635383e-08,
        end=3.95,
    ),
    64: _Constants(
        q=(
            1.1283791670955126,
            0.6366197723676286,
            0.10277260329908815,
            -0.019128446941384745,
            -0.00020919548250435886,
            0.0016962122992041106,
            -0.0005901549759220065,
            2.5981418226437688e-05,
            6.422911650303141e-05,
            -2.9218369568331596e-05,
            2.6582890057424547e-06,
            3.7026392349185604e-06,
            -2.5364700282270306e-06,
            9.172884802148358e-07,
            -2.030357315496979e-07,
            1.8207730622645783e-08,
            5.41929250120001e-09,
            -2.8132404975136554e-09,
            6.775544773430627e-10,
            -1.064937726811281e-10,
            1.1443750745924068e-11,
            -8.171029282642251e-13,
            3.5118730105941155e-14,
            -6.894154015156941e-16,
        ),
        lowest=1.533545961316588e-17,
        end=5.95,
    ),
}


def emit_erf(v: Vector, x: str) -> str:
    """erf(x). Largest error 2.8 ulp (f32; 2.2 with fused multiply-add), 4.1 (f64)."""
    constants = _CONSTANTS[v.format.bits]
    magnitude = v.at_most(v.absolute(x), constants.end)
    correction = v.multiply(magnitude, v.number(constants.lowest))
    exponent = v.multiply_add(v.polynomial(magnitude, constants.q), magnitude, correction)
    return v.with_sign_of(emit_expm1_bounded(v, v.negate(exponent)), x)
