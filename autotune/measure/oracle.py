"""What a task must compute: its plain loops, unscheduled, with every float widened to 64 bits.

The loops that lowering makes of each operator are held equal to the operator's NumPy reference by
the tests of operators, so that they can judge schedules. They are compiled, because interpreting
them would take minutes; wider floats make the rounding of the order of summation negligible. Where
floats become integers or are taken for bits, widening could change the result, and the loops run as
they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlc.autotune.measure.arguments import Array, random_arguments
from mlc.autotune.measure.candidate import compile_kernel, plain_loops
from mlc.autotune.measure.loaded import LoadedKernel
from mlc.backends.llvm.targets import resolve
from mlc.ir.dtype import F64, DType
from mlc.ir.expr import Call, Cast, Const, Expr, Load, Var
from mlc.ir.rewrite import map_expr, rebuild_stmt, walk_exprs
from mlc.ir.stmt import Buffer, Func, Stmt
from mlc.passes.loops.pipeline import finish_loops

_ROUNDINGS = {True: 64.0, False: 1024.0}
"""Roundings of the largest value that a result may be off: of plain sums, and of Winograd's."""


def expected_results(func_text: str, seed: int) -> dict[str, Array]:
    """The contents of each written parameter by name; floats as float64."""
    func = plain_loops(func_text)
    values: dict[str, Array] = dict(random_arguments(func, seed))
    if _may_widen(func):
        func = widened(func)
        wide = {buffer.name: buffer.dtype.numpy for buffer in func.params}
        values = {name: array.astype(wide[name], copy=False) for name, array in values.items()}
    host = resolve("host")
    candidate, code = compile_kernel(finish_loops(func), host, 1, fast_math=False)
    with LoadedKernel(candidate, code, func.params, values) as kernel:
        kernel.time(1)
        return {
            buffer.name: _wide_copy(kernel.view(buffer), buffer.dtype)
            for buffer in func.params
            if buffer.name not in values
        }


def _wide_copy(array: Array, dtype: DType) -> Array:
    return array.astype(np.float64) if dtype.is_float else array.copy()


def difference(found: Array, expected: Array, dtype: DType, exact: bool) -> str | None:
    """How a result is wrong, None where it is right.

    Whole numbers must be equal. Floats may differ by a few roundings of the largest value, more of
    them where algorithms may round otherwise than plain sums.
    """
    if found.dtype.kind in "iub":
        wrong = found != expected
        return f"{np.count_nonzero(wrong)} of {wrong.size} elements differ" if wrong.any() else None
    wide = found.astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(wide - expected)
    same = (wide == expected) | (np.isnan(wide) & np.isnan(expected))
    scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
    bound = _ROUNDINGS[exact] * _epsilon(dtype) * scale
    wrong = ~(same | (error <= bound))
    if not wrong.any():
        return None
    worst = float(np.nan_to_num(error[wrong], nan=np.inf, posinf=np.inf).max())
    return (
        f"{np.count_nonzero(wrong)} of {wrong.size} elements are off, by up to {worst:.3g} "
        f"where {bound:.3g} is allowed"
    )


def _epsilon(dtype: DType) -> float:
    """The distance from 1 to the next number."""
    return {"f64": 2.0**-52, "f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}[dtype.name]


def _may_widen(func: Func) -> bool:
    exprs = list(walk_exprs(func.body))
    casts = [e for e in exprs if type(e) is Cast]
    bits = any(type(e) is Call and e.function == "bitcast" for e in exprs)
    whole = any(cast.operand.dtype.is_float and not cast.type.is_float for cast in casts)
    return not bits and not whole


def widened(func: Func) -> Func:
    """The same loops over floats of 64 bits.

    >>> from mlc.ir.text import parse_func, print_func
    >>> print(print_func(widened(parse_func('''
    ... func half(x: f32[4], y: f32[4]) {
    ...   for i in 4 {
    ...     y[i] = x[i] * 0.5:f32
    ...   }
    ... }'''))))
    func half(x: f64[4], y: f64[4]) {
      for i in 4 {
        y[i] = x[i] * 0.5:f64
      }
    }
    """

    def on_stmt(stmt: Stmt) -> Stmt:
        return rebuild_stmt(stmt, on_stmt, lambda e: map_expr(e, _widen), _wide_buffer)

    params = tuple(map(_wide_buffer, func.params))
    return replace(func, params=params, body=on_stmt(func.body))


def _widen(expr: Expr) -> Expr:
    match expr:
        case Load(buffer, index):
            return Load(_wide_buffer(buffer), index)
        case Const(value, dtype) if dtype.is_float:
            return Const(value, F64)
        case Cast() | Call() | Var() if expr.type.is_float:
            return replace(expr, type=F64)
    return expr


def _wide_buffer(buffer: Buffer) -> Buffer:
    if not buffer.dtype.is_float or buffer.dtype == F64:
        return buffer
    return replace(buffer, dtype=F64, align=F64.bytes)
