"""Horizontal reductions: all lanes of a vector into one scalar.

Sums and products are re-associated into a tree; minimum and maximum of floats keep NaN.
"""

from __future__ import annotations

from collections.abc import Callable

from mlc.backends.llvm.math.extrema import emit_maximum, emit_minimum
from mlc.backends.llvm.text_builder import TextBuilder, constant, type_name, type_suffix
from mlc.ir.dtype import DType

Reduction = Callable[[TextBuilder, str, DType, int], str]


def emit_reduce_add(builder: TextBuilder, vector: str, dtype: DType, lanes: int) -> str:
    """The sum of the lanes."""
    if dtype.is_float:
        return _ordered(builder, "fadd", constant(-0.0, dtype), vector, dtype, lanes)
    return _plain(builder, "add", vector, dtype, lanes)


def emit_reduce_mul(builder: TextBuilder, vector: str, dtype: DType, lanes: int) -> str:
    """The product of the lanes."""
    if dtype.is_float:
        return _ordered(builder, "fmul", constant(1.0, dtype), vector, dtype, lanes)
    return _plain(builder, "mul", vector, dtype, lanes)


def emit_reduce_max(builder: TextBuilder, vector: str, dtype: DType, lanes: int) -> str:
    """The largest lane; NaN if there is one."""
    if dtype.is_float:
        return _tree(builder, emit_maximum, vector, dtype, lanes)
    return _plain(builder, "smax" if dtype.kind == "int" else "umax", vector, dtype, lanes)


def emit_reduce_min(builder: TextBuilder, vector: str, dtype: DType, lanes: int) -> str:
    """The smallest lane; NaN if there is one."""
    if dtype.is_float:
        return _tree(builder, emit_minimum, vector, dtype, lanes)
    return _plain(builder, "smin" if dtype.kind == "int" else "umin", vector, dtype, lanes)


def _plain(builder: TextBuilder, name: str, vector: str, dtype: DType, lanes: int) -> str:
    if lanes == 1:
        return vector
    scalar, wide = type_name(dtype), type_name(dtype, lanes)
    function = f"@llvm.vector.reduce.{name}.{type_suffix(dtype, lanes)}"
    builder.declare(f"{scalar} {function}({wide})")
    return builder.op(f"call {scalar} {function}({wide} {vector})")


def _ordered(
    builder: TextBuilder, name: str, start: str, vector: str, dtype: DType, lanes: int
) -> str:
    """LLVM's float reductions take a start value, and any order only with `reassoc`."""
    if lanes == 1:
        return vector
    scalar, wide = type_name(dtype), type_name(dtype, lanes)
    function = f"@llvm.vector.reduce.{name}.{type_suffix(dtype, lanes)}"
    builder.declare(f"{scalar} {function}({scalar}, {wide})")
    return builder.op(f"call reassoc {scalar} {function}({scalar} {start}, {wide} {vector})")


def _tree(
    builder: TextBuilder, combine: Callable[..., str], vector: str, dtype: DType, lanes: int
) -> str:
    """Combine the two halves until one lane is left; halves of an odd count share the middle."""
    while lanes > 1:
        half = (lanes + 1) // 2
        low = _slice(builder, vector, dtype, lanes, 0, half)
        high = _slice(builder, vector, dtype, lanes, lanes - half, half)
        vector, lanes = combine(builder, low, high, dtype, half), half
    return vector


def _slice(
    builder: TextBuilder, vector: str, dtype: DType, lanes: int, start: int, length: int
) -> str:
    """`length` lanes from `start` on; a scalar for one lane."""
    wide = type_name(dtype, lanes)
    if length == 1:
        return builder.op(f"extractelement {wide} {vector}, i32 {start}")
    picks = ", ".join(f"i32 {start + lane}" for lane in range(length))
    return builder.op(f"shufflevector {wide} {vector}, {wide} poison, <{length} x i32> <{picks}>")
