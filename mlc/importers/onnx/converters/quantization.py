"""Numbers as multiples of a scale: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.

Both directions are elementwise core operators, so that they fuse with what is around them.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView, normal_axis
from mlc.importers.onnx.tensors import dtype_from_onnx
from mlc.ir.dtype import F4E2M1, F32, I2, I4, I8, I16, I32, U2, U4, U8, U16, DType
from mlc.ir.graph import Value
from mlc.ir.types import Dim

RANGES: dict[DType, tuple[int, int]] = {
    U16: (0, 65535),
    I16: (-32768, 32767),
    U8: (0, 255),
    I8: (-128, 127),
    U4: (0, 15),
    I4: (-8, 7),
    U2: (0, 3),
    I2: (-2, 1),
}
"""Integers that stand for numbers: the least and the greatest."""


def scalar_of(builder: Builder, parameter: Value) -> Value:
    """A scale or zero point of one element without axes; others as they are."""
    single = all(dim == 1 for dim in parameter.type.shape)
    return builder.reshape(parameter, ()) if single else parameter


def is_zero(builder: Builder, zero: Value | None) -> bool:
    """Whether a zero point is missing or known to be zero."""
    if zero is None:
        return True
    array = builder.array(zero)
    return array is not None and not array.astype("float32").any()


def shifted_integers(builder: Builder, x: Value, zero: Value | None) -> Value:
    """`x - zero` as i32, both of an integer type; `zero` broadcasts."""
    wide = builder.cast(x, I32)
    if zero is None or is_zero(builder, zero):
        return wide
    return builder.emit("sub", wide, builder.cast(zero, I32))


def dequantized(builder: Builder, x: Value, scale: Value, zero: Value | None, to: DType) -> Value:
    """`(x - zero) * scale` computed in f32, as `to`; scale and zero point broadcast."""
    if x.type.dtype in RANGES or x.type.dtype is I32:
        wide = builder.cast(shifted_integers(builder, x, zero), F32)
    else:
        wide = builder.cast(x, F32)
        if zero is not None and not is_zero(builder, zero):
            wide = builder.emit("sub", wide, builder.cast(zero, F32))
    return builder.cast(builder.emit("mul", wide, builder.cast(scale, F32)), to)


def rounded(builder: Builder, x: Value, zero: Value | None, to: DType) -> Value:
    """`x`, rounded to nearest even, plus the zero point, saturated to the integer type `to`."""
    whole = builder.emit("round", builder.cast(x, F32))
    if zero is not None and not is_zero(builder, zero):
        whole = builder.emit("add", whole, builder.cast(zero, F32))
    low, high = RANGES[to]
    return builder.cast(builder.emit("clip", whole, min=float(low), max=float(high)), to)


def spread(
    builder: Builder, node: NodeView, parameter: Value | None, shape: Sequence[Dim]
) -> Value | None:
    """A scale or zero point that broadcasts to `shape`: of the tensor, of an axis or of blocks."""
    if parameter is None:
        return None
    parameter = scalar_of(builder, parameter)
    if parameter.type.rank == 0:
        return parameter
    axis = normal_axis(node.integer("axis", 1), len(shape)) if len(shape) > 1 else 0
    size = node.integer("block_size", 0)
    if size < 0:
        raise ModelError(f"{node.op_type}: block_size = {size} is negative")
    if size == 0:
        if parameter.type.rank != 1:
            raise ModelError(f"{node.op_type}: {parameter.type} is neither one number nor a vector")
        dims = [1] * len(shape)
        return builder.reshape(parameter, (*dims[:axis], *parameter.type.shape, *dims[axis + 1 :]))
    return repeated(builder, node, parameter, shape, axis, size)


def repeated(
    builder: Builder,
    node: NodeView,
    parameter: Value,
    shape: Sequence[Dim],
    axis: int,
    size: int,
) -> Value:
    """Each element `size` times along `axis`, cut to `shape`."""
    given = parameter.type.shape
    count, wanted = given[axis] if len(given) == len(shape) else None, shape[axis]
    fits = isinstance(count, int) and isinstance(wanted, int) and count == -(-wanted // size)
    others = (*given[:axis], *given[axis + 1 :]) == (*shape[:axis], *shape[axis + 1 :])
    if not fits or not others:
        raise ModelError(
            f"{node.op_type}: {parameter.type} has no blocks of {size} of {list(shape)}"
        )
    assert isinstance(count, int)
    assert isinstance(wanted, int)
    split = builder.reshape(parameter, (*given[: axis + 1], 1, *given[axis + 1 :]))
    wide = builder.expand(split, (*given[: axis + 1], size, *given[axis + 1 :]))
    flat = builder.reshape(wide, (*given[:axis], count * size, *given[axis + 1 :]))
    if count * size == wanted:
        return flat
    rank = len(shape)
    return builder.slice(flat, (0,) * rank, tuple(shape), (1,) * rank)


def _given_dtype(node: NodeView, name: str) -> DType | None:
    code = node.integer(name, 0)
    return dtype_from_onnx(code, f"{node.op_type}: {name}") if code else None


def _quantize_linear(builder: Builder, node: NodeView) -> list[Value]:
    x, scale, zero = node.input(0), node.input(1), node.optional(2)
    to = zero.type.dtype if zero is not None else _given_dtype(node, "output_dtype") or U8
    shape = x.type.shape
    wide = spread(builder, node, scale, shape)
    assert wide is not None
    precision = _given_dtype(node, "precision") or wide.type.dtype
    if not precision.is_float:
        precision = F32
    quotient = builder.emit("div", builder.cast(x, precision), builder.cast(wide, precision))
    zero = spread(builder, node, zero, shape)
    if to in RANGES:
        return [rounded(builder, quotient, zero, to)]
    if not to.is_storage:
        raise ModelError(f"QuantizeLinear: {to} is not a type to quantize to")
    if zero is not None and to is F4E2M1 and not is_zero(builder, zero):
        quotient = builder.emit("add", quotient, builder.cast(zero, precision))
    return [builder.emit("cast", quotient, to=to, saturate=node.flag("saturate", True))]


def _dequantize_linear(builder: Builder, node: NodeView) -> list[Value]:
    x, scale = node.input(0), node.input(1)
    to = _given_dtype(node, "output_dtype") or scale.type.dtype
    wide = spread(builder, node, scale, x.type.shape)
    assert wide is not None
    zero = spread(builder, node, node.optional(2), x.type.shape)
    return [dequantized(builder, x, wide, zero, to)]


def dynamic_scale(builder: Builder, x: Value) -> tuple[Value, Value]:
    """The scale (f32) and the zero point (u8) with which u8 covers `x` and 0."""
    zero = builder.scalar(0.0, F32)
    axes = tuple(range(x.type.rank))
    x = builder.cast(x, F32)
    if not axes:
        greatest = least = x
    else:
        greatest = builder.emit("reduce_max", x, axes=axes, keepdims=False)
        least = builder.emit("reduce_min", x, axes=axes, keepdims=False)
    greatest, least = builder.emit("max", greatest, zero), builder.emit("min", least, zero)
    span = builder.emit("sub", greatest, least)
    nothing = builder.emit("equal", span, zero)
    span = builder.emit("select", nothing, builder.scalar(1.0, F32), span)
    scale = builder.emit("div", span, builder.scalar(255.0, F32))
    # Nothing is above the least number, so that the quotient is not above 255 but by rounding.
    start = builder.emit("div", builder.emit("neg", least), scale)
    return scale, rounded(builder, start, None, U8)


def _dynamic_quantize_linear(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    scale, zero = dynamic_scale(builder, x)
    quotient = builder.emit("div", builder.cast(x, F32), scale)
    return [rounded(builder, quotient, zero, U8), scale, zero]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "DequantizeLinear": _dequantize_linear,
    "DynamicQuantizeLinear": _dynamic_quantize_linear,
    "QuantizeLinear": _quantize_linear,
}
