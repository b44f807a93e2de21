"""The table of functions by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlc.backends.llvm.math import (
    error_function,
    exponential,
    hyperbolic,
    inverse_trigonometric,
    logarithm,
    power,
    predicates,
    rational,
    reductions,
    trigonometric,
)
from mlc.backends.llvm.math.narrow import emit_narrow, emit_widen
from mlc.backends.llvm.math.vector import Vector
from mlc.backends.llvm.text_builder import TextBuilder
from mlc.errors import DtypeError
from mlc.ir.dtype import F32, F64, DType

Elementwise = Callable[..., str]


@dataclass(frozen=True, slots=True)
class MathFunction:
    """A function by `name` with `arity` arguments, of one type and number of lanes.

    `gives_mask` tells that the result is `i1`, not of the arguments' type; exactly one of
    `elementwise` and `reduction` is there.
    """

    name: str
    arity: int = 1
    gives_mask: bool = False
    elementwise: Elementwise | None = None
    reduction: reductions.Reduction | None = None

    def emit(self, builder: TextBuilder, args: Sequence[str], dtype: DType, lanes: int) -> str:
        """Append the function of `args` and return the name of the result.

        Raises `DtypeError` for a type that the function does not take.
        """
        if dtype.is_float and dtype not in (F32, F64):
            wide = [emit_widen(builder, arg, dtype, lanes) for arg in args]
            result = self._emit(builder, wide, F32, lanes)
            if self.gives_mask:
                return result
            return emit_narrow(builder, result, dtype, 1 if self.reduction else lanes)
        return self._emit(builder, args, dtype, lanes)

    def _emit(self, builder: TextBuilder, args: Sequence[str], dtype: DType, lanes: int) -> str:
        if self.reduction is not None:
            return self.reduction(builder, args[0], dtype, lanes)
        if self.elementwise is None or not dtype.is_float:
            raise DtypeError(f"{self.name} is not defined for {dtype}")
        return self.elementwise(Vector(builder, dtype, lanes), *args)


_ELEMENTWISE: dict[str, Elementwise] = {
    "exp": exponential.emit_exp,
    "log": logarithm.emit_log,
    "sigmoid": exponential.emit_sigmoid,
    "erf": error_function.emit_erf,
    "tanh": hyperbolic.emit_tanh,
    "sinh": hyperbolic.emit_sinh,
    "cosh": hyperbolic.emit_cosh,
    "asinh": hyperbolic.emit_asinh,
    "acosh": hyperbolic.emit_acosh,
    "atanh": hyperbolic.emit_atanh,
    "sin": trigonometric.emit_sin,
    "cos": trigonometric.emit_cos,
    "tan": trigonometric.emit_tan,
    "asin": inverse_trigonometric.emit_asin,
    "acos": inverse_trigonometric.emit_acos,
    "atan": inverse_trigonometric.emit_atan,
}
_REDUCTIONS: dict[str, reductions.Reduction] = {
    "reduce_add": reductions.emit_reduce_add,
    "reduce_mul": reductions.emit_reduce_mul,
    "reduce_max": reductions.emit_reduce_max,
    "reduce_min": reductions.emit_reduce_min,
}

MATH: Mapping[str, MathFunction] = {
    function.name: function
    for function in (
        *(MathFunction(name, elementwise=emit) for name, emit in _ELEMENTWISE.items()),
        MathFunction("pow", arity=2, elementwise=power.emit_pow),
        MathFunction("isnan", gives_mask=True, elementwise=predicates.emit_isnan),
        MathFunction("isinf", gives_mask=True, elementwise=predicates.emit_isinf),
        *(MathFunction(name, reduction=emit) for name, emit in _REDUCTIONS.items()),
    )
}
"""Every function by name."""

FAST_MATH: Mapping[str, MathFunction] = {
    **MATH,
    "exp": MathFunction("exp", elementwise=exponential.emit_fast_exp),
    "tanh": MathFunction("tanh", elementwise=rational.emit_fast_tanh),
    "erf": MathFunction("erf", elementwise=rational.emit_fast_erf),
}
"""The same, with a tanh and an erf of up to 6 ulp in f32 and an exp without denormal results."""
