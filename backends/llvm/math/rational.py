"""Faster tanh and erf in f32: x P(x²) / Q(x²), at most 6 ulp off.

Both are minimax fits of the relative error (Lawson's iteration) over the range in which the result
is not yet 1. They take half the time of the accurate ones; f64 has only those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlc.backends.llvm.math.error_function import emit_erf
from mlc.backends.llvm.math.hyperbolic import emit_tanh
from mlc.backends.llvm.math.vector import Vector
from mlc.ir.dtype import F32


@dataclass(frozen=True, slots=True)
class _Rational:
    """x P(x²) / Q(x²) for |x| up to `end`; constant beyond."""

    numerator: Sequence[float]
    denominator: Sequence[float]
    end: float


_TANH = _Rational(
    numerator=(1.0, 0.13450623, 0.003578994, 2.2023276e-05, 1.5428018e-08),
    denominator=(1.0, 0.4678395, 0.026192246, 0.00034236535, 8.5987983e-07),
    end=7.9,
)
_ERF = _Rational(
    numerator=(1.1283791, 0.18966739, 0.052668158, 0.003738371, 0.0002850629, 2.0664706e-06),
    denominator=(1.0, 0.50142115, 0.11381919, 0.014914326, 0.0011573825, 3.827003e-05),
    end=3.9,
)


def emit_fast_tanh(v: Vector, x: str) -> str:
    """tanh(x). Largest error 5 ulp (f32)."""
    return _emit(v, x, _TANH) if v.dtype is F32 else emit_tanh(v, x)


def emit_fast_erf(v: Vector, x: str) -> str:
    """erf(x). Largest error 6 ulp (f32)."""
    return _emit(v, x, _ERF) if v.dtype is F32 else emit_erf(v, x)


def _emit(v: Vector, x: str, fit: _Rational) -> str:
    bounded = v.at_least(v.at_most(x, fit.end), -fit.end)
    square = v.multiply(bounded, bounded)
    numerator = v.multiply(v.polynomial(square, fit.numerator), bounded)
    return v.divide(numerator, v.polynomial(square, fit.denominator))
