"""Minimum and maximum as NumPy's: NaN when either operand is NaN.

x86's own instructions return the second operand on NaN. With `b` known not to be NaN, a comparison
and a select are one `maxps` that lets the NaN of `a` through; in general it takes a second select.
Which of two zeros of opposite sign comes out is not defined.
"""

from __future__ import annotations

from mlc.backends.llvm.text_builder import TextBuilder, type_name
from mlc.ir.dtype import BOOL, DType


def emit_maximum(
    builder: TextBuilder, a: str, b: str, dtype: DType, lanes: int, b_is_not_nan: bool = False
) -> str:
    """The larger of two floats, lane by lane; NaN if either is NaN."""
    return _extremum(builder, "olt", (a, b), dtype, lanes, b_is_not_nan)


def emit_minimum(
    builder: TextBuilder, a: str, b: str, dtype: DType, lanes: int, b_is_not_nan: bool = False
) -> str:
    """The smaller of two floats, lane by lane; NaN if either is NaN."""
    return _extremum(builder, "ogt", (a, b), dtype, lanes, b_is_not_nan)


def _extremum(
    builder: TextBuilder,
    predicate: str,
    operands: tuple[str, str],
    dtype: DType,
    lanes: int,
    b_is_not_nan: bool,
) -> str:
    """`b` where `a predicate b` holds, else `a`; then `b` where that is NaN."""
    a, b = operands
    text, mask_text = type_name(dtype, lanes), type_name(BOOL, lanes)
    beaten = builder.op(f"fcmp {predicate} {text} {a}, {b}")
    chosen = builder.op(f"select {mask_text} {beaten}, {text} {b}, {text} {a}")
    if b_is_not_nan:
        return chosen
    nan = builder.op(f"fcmp uno {text} {b}, {b}")
    return builder.op(f"select {mask_text} {nan}, {text} {b}, {text} {chosen}")
