"""The functions of `mlc.ir.functions` as vector instructions, appended where they are called.

`MATH[name].emit(builder, args, dtype, lanes)` works for any number of lanes and every float type;
f16 and bf16 are computed in f32. There are no branches and no calls of a mathematical library. NaN
and infinities come out as NumPy's.
"""

from __future__ import annotations

from mlc.backends.llvm.math.extrema import emit_maximum, emit_minimum
from mlc.backends.llvm.math.narrow import emit_float_cast, emit_narrow, emit_widen
from mlc.backends.llvm.math.table import MATH, MathFunction

__all__ = [
    "MATH",
    "MathFunction",
    "emit_float_cast",
    "emit_maximum",
    "emit_minimum",
    "emit_narrow",
    "emit_widen",
]
