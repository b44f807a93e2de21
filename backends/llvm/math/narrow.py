"""f16 and bf16 to f32 and back: such values are stored narrow and computed in f32.

Integer arithmetic does bf16 on every target (LLVM would call a library function that is not always
there); f16 is LLVM's own conversion.
"""

from __future__ import annotations

from mlc.backends.llvm.text_builder import TextBuilder, constant, type_name
from mlc.ir.dtype import BF16, BOOL, F32, I16, I32, DType


def emit_float_cast(
    builder: TextBuilder, value: str, source: DType, target: DType, lanes: int
) -> str:
    """Any float type to any other; where one of the two is f16 or bf16, by way of f32."""
    if source is target:
        return value
    if source.bits == 16:
        value, source = emit_widen(builder, value, source, lanes), F32
    middle = F32 if target.bits == 16 else target
    if source is not middle:
        op = "fpext" if middle.bits > source.bits else "fptrunc"
        value = builder.op(f"{op} {type_name(source, lanes)} {value} to {type_name(middle, lanes)}")
    return emit_narrow(builder, value, target, lanes) if target.bits == 16 else value


def emit_widen(builder: TextBuilder, value: str, dtype: DType, lanes: int) -> str:
    """f16 or bf16 lanes as f32, exactly."""
    narrow, wide = type_name(dtype, lanes), type_name(F32, lanes)
    if dtype is not BF16:
        return builder.op(f"fpext {narrow} {value} to {wide}")
    short, word = type_name(I16, lanes), type_name(I32, lanes)
    bits = builder.op(f"bitcast {narrow} {value} to {short}")
    extended = builder.op(f"zext {short} {bits} to {word}")
    moved = builder.op(f"shl {word} {extended}, {constant(16, I32, lanes)}")
    return builder.op(f"bitcast {word} {moved} to {wide}")


def emit_narrow(builder: TextBuilder, value: str, dtype: DType, lanes: int) -> str:
    """f32 lanes rounded to f16 or bf16, ties to even."""
    narrow, wide = type_name(dtype, lanes), type_name(F32, lanes)
    if dtype is not BF16:
        return builder.op(f"fptrunc {wide} {value} to {narrow}")
    short, word, mask = type_name(I16, lanes), type_name(I32, lanes), type_name(BOOL, lanes)
    sixteen = constant(16, I32, lanes)
    bits = builder.op(f"bitcast {wide} {value} to {word}")
    upper = builder.op(f"lshr {word} {bits}, {sixteen}")
    odd = builder.op(f"and {word} {upper}, {constant(1, I32, lanes)}")
    bias = builder.op(f"add {word} {odd}, {constant(0x7FFF, I32, lanes)}")
    rounded = builder.op(f"add {word} {bits}, {bias}")
    moved = builder.op(f"lshr {word} {rounded}, {sixteen}")
    quiet = builder.op(f"or {word} {upper}, {constant(0x40, I32, lanes)}")
    nan = builder.op(f"fcmp uno {wide} {value}, {value}")
    chosen = builder.op(f"select {mask} {nan}, {word} {quiet}, {word} {moved}")
    cut = builder.op(f"trunc {word} {chosen} to {short}")
    return builder.op(f"bitcast {short} {cut} to {narrow}")
