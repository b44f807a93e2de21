"""Floats to integers: truncation that saturates, NaN gives 0, so that no input is undefined.

LLVM has intrinsics that say so, but takes vectors apart for them.
"""

from __future__ import annotations

import numpy as np

from mlc.backends.llvm.math.narrow import emit_widen
from mlc.backends.llvm.text_builder import TextBuilder, constant, type_name
from mlc.ir.dtype import BOOL, F32, I32, DType


def emit_truncation(
    builder: TextBuilder, value: str, source: DType, target: DType, lanes: int
) -> str:
    """Lanes of any float type as an integer type."""
    if source.bits == 16:
        value, source = emit_widen(builder, value, source, lanes), F32
    signed = target.kind == "int"
    low = -(1 << (target.bits - 1)) if signed else 0
    end = low + (1 << target.bits)
    top = float(np.nextafter(source.numpy.type(end), source.numpy.type(0)))
    inside = _chosen(builder, value, "uno", value, 0.0, source, lanes)
    inside = _chosen(builder, inside, "olt", _number(low, source, lanes), low, source, lanes)
    inside = _chosen(builder, inside, "ogt", _number(top, source, lanes), top, source, lanes)
    result = _converted(builder, inside, source, target, lanes)
    if int(top) == end - 1:
        return result
    # The greatest integer is no float: what is above is set apart.
    text, mask = type_name(target, lanes), type_name(BOOL, lanes)
    operands = f"{type_name(source, lanes)} {value}, {_number(end, source, lanes)}"
    above = builder.op(f"fcmp oge {operands}")
    most = constant(end - 1, target, lanes)
    return builder.op(f"select {mask} {above}, {text} {most}, {text} {result}")


def _number(value: float, dtype: DType, lanes: int) -> str:
    return constant(float(value), dtype, lanes)


def _chosen(
    builder: TextBuilder,
    value: str,
    order: str,
    bound: str,
    replacement: float,
    dtype: DType,
    lanes: int,
) -> str:
    """`replacement` in the lanes where `value` compares so with `bound`, else `value`."""
    text, mask = type_name(dtype, lanes), type_name(BOOL, lanes)
    holds = builder.op(f"fcmp {order} {text} {value}, {bound}")
    other = _number(replacement, dtype, lanes)
    return builder.op(f"select {mask} {holds}, {text} {other}, {text} {value}")


def _converted(builder: TextBuilder, value: str, source: DType, target: DType, lanes: int) -> str:
    """Numbers within the range of the target; narrow ones by way of i32."""
    middle = I32 if target.bits < I32.bits else target
    op = "fptosi" if middle.kind == "int" else "fptoui"
    wide = type_name(middle, lanes)
    result = builder.op(f"{op} {type_name(source, lanes)} {value} to {wide}")
    if middle is target:
        return result
    return builder.op(f"trunc {wide} {result} to {type_name(target, lanes)}")
