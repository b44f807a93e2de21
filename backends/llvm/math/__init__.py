"""The functions of `mlc.ir.functions` as vector instructions, appended where they are called.

`MATH[name].emit(builder, args, dtype, lanes)` works for any number of lanes and every float type;
f16 and bf16 are computed in f32. There are no branches and no calls of a mathematical library.
NaN and infinities come out as NumPy's. `FAST_MATH` is the same table with shorter versions of exp,
tanh and erf.

Largest errors in ulp, with fused multiply-add or without, as the tests assert them:

    function   range           f32   f64        function   range           f32   f64
    exp        all             1.1   1.1        asin       all             2.0   2.2
    log        all             0.9   0.9        acos       all             1.4   1.4
    pow        all             0.6   1.3        atan       all             1.3   1.4
    sigmoid    normal results  2.4   2.5        sinh       all             1.6   1.6
    tanh       all             2.5   2.5        cosh       all             1.5   1.5
    erf        all             2.8   4.1        asinh      all             2.0   2.0
    sin, cos   |x| ≤ 10^5      1.6   2.5        acosh      all             3.2   3.0
    tan        |x| ≤ 10^5      3.7   4.1        atanh      all             2.3   2.3
    fast exp   normal results  1.1   1.1        fast tanh  all             5.0   2.5
                                                fast erf   all             6.0   4.1
"""

from __future__ import annotations

from mlc.backends.llvm.math.extrema import emit_maximum, emit_minimum
from mlc.backends.llvm.math.narrow import emit_float_cast, emit_narrow, emit_widen
from mlc.backends.llvm.math.table import FAST_MATH, MATH, MathFunction
from mlc.backends.llvm.math.truncation import emit_truncation

__all__ = [
    "FAST_MATH",
    "MATH",
    "MathFunction",
    "emit_float_cast",
    "emit_maximum",
    "emit_minimum",
    "emit_narrow",
    "emit_truncation",
    "emit_widen",
]
