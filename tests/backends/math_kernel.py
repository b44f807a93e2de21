"""A loop around one function of `MATH`, compiled and called: what the tests of accuracy run."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import numpy as np

from mlc.backends.llvm.machine import LoadedObject, compile_to_object, load_object
from mlc.backends.llvm.targets import resolve
from mlc.backends.llvm.text_builder import TextBuilder, memory_type_name, type_name
from mlc.ir.dtype import BOOL, DType

Emit = Callable[[TextBuilder, list[str], DType, int], str]


def loop_text(emit: Emit, arity: int, dtype: DType, lanes: int, result: DType) -> str:
    """LLVM IR of `kernel(in0, in1, out, n)`: n vectors of `lanes` elements, one after the other."""
    builder = TextBuilder()
    vector, stored = type_name(dtype, lanes), memory_type_name(result, lanes)
    args = []
    for number in range(arity):
        step = builder.op(f"mul i64 %i, {lanes}")
        place = builder.op(f"getelementptr {type_name(dtype)}, ptr %in{number}, i64 {step}")
        args.append(builder.op(f"load {vector}, ptr {place}, align {dtype.bytes}"))
    value = emit(builder, args, dtype, lanes)
    if result is BOOL:
        value = builder.op(f"zext {type_name(BOOL, lanes)} {value} to {stored}")
    step = builder.op(f"mul i64 %i, {lanes}")
    place = builder.op(f"getelementptr {memory_type_name(result)}, ptr %out, i64 {step}")
    builder.line(f"store {stored} {value}, ptr {place}, align {result.bytes}")
    return f"""{builder.declare_lines()}
define void @kernel(ptr %in0, ptr %in1, ptr %out, i64 %n) {{
start:
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %next, %loop ]
{builder.body()}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}}
"""


@functools.cache
def compiled(
    emit: Emit, arity: int, dtype: DType, lanes: int, result: DType, target: str
) -> LoadedObject:
    """The loop as machine code."""
    text = loop_text(emit, arity, dtype, lanes, result)
    return load_object(compile_to_object(text, resolve(target)))


def apply(
    emit: Emit,
    args: list[np.ndarray],
    dtype: DType,
    lanes: int = 8,
    result: DType | None = None,
    target: str = "host",
) -> np.ndarray:
    """The function of each element of `args` (of equal length), padded to whole vectors."""
    result = result or dtype
    count = args[0].size
    vectors = -(-count // lanes)
    padded = [np.zeros(vectors * lanes, dtype.numpy) for _ in range(2)]
    for place, arg in zip(padded, args, strict=False):
        place[:count] = arg
    out = np.empty(vectors * lanes, result.numpy)
    code = compiled(emit, len(args), dtype, lanes, result, target)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (*padded, out)]
    kernel = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(code.address("kernel"))
    kernel(*pointers, vectors)
    return out[:count]


def ulp_error(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The distance in units in the last place of `found`'s type at the exact value; 0 where both
    are NaN or equal, infinite where only one is NaN or infinite."""
    kind = found.dtype.type
    rounded = exact.astype(kind)
    unit = np.spacing(np.abs(rounded)).astype(exact.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(found.astype(exact.dtype) - exact) / unit
    same = (np.isnan(found) & np.isnan(exact)) | (found == rounded)
    error = np.where(np.isfinite(found) & np.isfinite(rounded), error, np.inf)
    return np.where(same & ~(np.isfinite(found) & np.isfinite(rounded)), 0.0, error)
