"""Weights of a few bits in blocks that share a scale: MatMulNBits and GatherBlockQuantized."""

from __future__ import annotations

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.matmul import matmul
from mlc.importers.onnx.converters.quantization import dequantized, repeated
from mlc.importers.onnx.node import Converter, NodeView, normal_axis
from mlc.importers.onnx.symbolic import product
from mlc.ir.dtype import U8
from mlc.ir.graph import Value


def unpacked(builder: Builder, packed: Value, bits: int) -> Value:
    """Numbers of `bits` out of the bytes of the last axis, the first in the lowest bits."""
    if bits not in (2, 4, 8):
        raise UnsupportedError(f"weights of {bits} bits are not supported")
    if bits == 8:
        return packed
    *outer, width = packed.type.shape
    mask = builder.scalar((1 << bits) - 1, U8)
    column = builder.reshape(packed, (*outer, width, 1))
    fields = [
        builder.emit(
            "bitwise_and", builder.emit("shift_right", column, builder.scalar(shift, U8)), mask
        )
        for shift in range(0, 8, bits)
    ]
    joined = builder.emit("concat", *fields, axis=packed.type.rank)
    return builder.reshape(joined, (*outer, product([width, 8 // bits])))


def _first(builder: Builder, x: Value, count: int) -> Value:
    """The first `count` of the last axis."""
    *outer, width = x.type.shape
    if width == count:
        return x
    rank = x.type.rank
    return builder.slice(x, (0,) * rank, (*outer, count), (1,) * rank)


def _matmul_nbits(builder: Builder, node: NodeView) -> list[Value]:
    """`a @ w^T` of the weights' numbers [N, K], whose blocks lie along K; plus a bias."""
    a, packed, scales = node.input(0), node.input(1), node.input(2)
    zeros, bias = node.optional(3), node.optional(5)
    columns, depth, size = node.integer("N"), node.integer("K"), node.integer("block_size")
    bits = node.integer("bits", 4)
    if node.optional(4) is not None or node.integer("weight_prepacked", 0):
        raise UnsupportedError("MatMulNBits: group indices and prepacked weights are not supported")
    blocks = -(-depth // size) if size > 0 else 0
    if packed.type.shape != (columns, blocks, size * bits // 8):
        raise ModelError(f"MatMulNBits: weights {packed.type} do not fit {columns} by {depth}")
    codes = builder.reshape(unpacked(builder, packed, bits), (columns, blocks, size))
    scale = builder.reshape(scales, (columns, blocks, 1))
    if zeros is None:
        zero = builder.scalar(1 << (bits - 1), U8)
    elif zeros.type.dtype is U8:
        rows = builder.reshape(zeros, (columns, -(-blocks * bits // 8)))
        zero = _first(builder, unpacked(builder, rows, bits), blocks)
        zero = builder.reshape(zero, (columns, blocks, 1))
    else:
        zero = builder.reshape(zeros, (columns, blocks, 1))
        codes = builder.cast(codes, zero.type.dtype)
    numbers = _times_scale(builder, codes, scale, zero)
    weights = _first(builder, builder.reshape(numbers, (columns, blocks * size)), depth)
    result = matmul(builder, a, builder.cast(weights, a.type.dtype), transpose_b=True)
    return [result if bias is None else builder.emit("add", result, bias)]


def _times_scale(builder: Builder, codes: Value, scale: Value, zero: Value) -> Value:
    return dequantized(builder, codes, scale, zero, scale.type.dtype)


def _gather_block_quantized(builder: Builder, node: NodeView) -> list[Value]:
    """Gather the codes, and the scales and zero points of their rows; then dequantise."""
    data, indices, scales, zeros = node.input(0), node.input(1), node.input(2), node.optional(3)
    rank, bits, size = data.type.rank, node.integer("bits", 4), node.integer("block_size", 128)
    along = normal_axis(node.integer("quantize_axis", 1), rank)
    axis = normal_axis(node.integer("gather_axis", 0), rank)
    if along == axis:
        raise UnsupportedError("GatherBlockQuantized: gathering within blocks is not supported")
    if size <= 0:
        raise UnsupportedError(f"GatherBlockQuantized: block_size {size} is not supported")
    if data.type.dtype is U8:
        zero_bits = builder.scalar(1 << (bits - 1), U8)
        codes = unpacked(builder, builder.emit("gather", data, indices, axis=axis), bits)
        zeros = None if zeros is None else unpacked(builder, zeros, bits)
    else:
        zero_bits = None
        codes = builder.emit("gather", data, indices, axis=axis)
    place = along if along < axis else along + indices.type.rank - 1
    spread = []
    for parameter in (scales, zeros):
        if parameter is not None:
            parameter = builder.emit("gather", parameter, indices, axis=axis)
            count = scales.type.shape[along]
            if isinstance(count, int) and parameter.type.shape[place] != count:
                parameter = _first(builder, parameter, count)
            parameter = repeated(builder, node, parameter, codes.type.shape, place, size)
        spread.append(parameter)
    scale, zero = spread
    assert scale is not None
    chosen = zero_bits if zero is None else zero
    return [dequantized(builder, codes, scale, chosen, scales.type.dtype)]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "GatherBlockQuantized": _gather_block_quantized,
    "MatMulNBits": _matmul_nbits,
}
