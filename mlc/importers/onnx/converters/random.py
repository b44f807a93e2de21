"""Random numbers: made from a seed and their position, so that every call makes the same.

A compiled model keeps no state between calls. A node without seed gets one from its name, so that
nodes differ from each other.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView, node_loc
from mlc.importers.onnx.tensors import dtype_from_onnx
from mlc.ir.dtype import BOOL, F32, I32, DType
from mlc.ir.graph import Value
from mlc.ir.types import Dim


def uniform(builder: Builder, node: NodeView, shape: Sequence[Dim], stream: int = 0) -> Value:
    """Numbers in [0, 1) as f32; streams of one node differ."""
    attrs: dict[str, Any] = {"shape": tuple(shape), "seed": _seed(node) + stream * 0x9E3779B9}
    return builder.emit("random_uniform", **attrs)


def _seed(node: NodeView) -> int:
    """The bits of the node's seed."""
    if not node.has("seed"):
        return zlib.crc32(node_loc(node.proto).encode())
    (bits,) = struct.unpack("<I", struct.pack("<f", node.number("seed")))
    return int(bits)


_Draw = Callable[[Builder, NodeView, Sequence[Dim]], Value]


def _between(builder: Builder, node: NodeView, shape: Sequence[Dim]) -> Value:
    """Uniform in [low, high)."""
    low, high = node.number("low", 0.0), node.number("high", 1.0)
    numbers = builder.scaled(uniform(builder, node, shape), high - low)
    return builder.shifted(numbers, low)


def _normal(builder: Builder, node: NodeView, shape: Sequence[Dim]) -> Value:
    """Normal by the transform of Box and Muller; the logarithm's argument is in (0, 1]."""
    first, second = (uniform(builder, node, shape, stream) for stream in (0, 1))
    kept = builder.emit("sub", builder.scalar(1.0, F32), first)
    radius = builder.emit("sqrt", builder.scaled(builder.emit("log", kept), -2.0))
    angle = builder.emit("cos", builder.scaled(second, 2 * math.pi))
    numbers = builder.scaled(builder.emit("mul", radius, angle), node.number("scale", 1.0))
    return builder.shifted(numbers, node.number("mean", 0.0))


def _dtype(node: NodeView, default: DType) -> DType:
    if not node.has("dtype"):
        return default
    return dtype_from_onnx(node.integer("dtype"), f"{node.op_type}: dtype")


def _of_shape(draw: _Draw) -> Converter:
    """The shape is an attribute."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        return [builder.cast(draw(builder, node, node.integers("shape")), _dtype(node, F32))]

    return convert


def _like(draw: _Draw) -> Converter:
    """The shape is that of the input."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x = node.input(0)
        return [builder.cast(draw(builder, node, x.type.shape), _dtype(node, x.type.dtype))]

    return convert


def _bernoulli(builder: Builder, node: NodeView) -> list[Value]:
    """1 with the probability that the input tells (ONNX's own body has 0 instead)."""
    x = node.input(0)
    drawn = uniform(builder, node, x.type.shape)
    hit = builder.emit("less", drawn, builder.cast(x, F32))
    return [builder.cast(hit, _dtype(node, x.type.dtype))]


def _multinomial(builder: Builder, node: NodeView) -> list[Value]:
    """Samples by logarithms of odds: how many running sums of the odds a random number passes."""
    x, samples = node.input(0), node.integer("sample_size", 1)
    if x.type.rank != 2 or samples < 0:
        raise ModelError(f"Multinomial: cannot draw {samples} samples from {x.type}")
    batch, classes = x.type.shape
    odds = builder.emit("softmax", builder.cast(x, F32), axis=1)
    sums = builder.emit("cumsum", odds, axis=1, exclusive=False, reverse=False)
    # The last sum is 1 but for rounding: what passes it still belongs to the last class.
    inner = builder.slice(sums, (0, 0), (batch, classes - 1), (1, 1))
    drawn = uniform(builder, node, (batch, samples, 1))
    steps = builder.reshape(inner, (batch, 1, inner.type.shape[1]))
    passed = builder.cast(builder.emit("greater_equal", drawn, steps), I32)
    count = builder.emit("reduce_sum", passed, axes=(2,), keepdims=False)
    return [builder.cast(count, _dtype(node, I32))]


def _dropout(builder: Builder, node: NodeView) -> list[Value]:
    """At inference the input itself and a mask of ones; in training, numbers are left out."""
    x, ratio, training = node.input(0), node.optional(1), node.optional(2)
    trains = training is not None and builder.required(training, "Dropout: training_mode").any()
    if not trains:
        return [x, _ones(builder, x)] if node.has_output(1) else [x]
    share = 0.5 if ratio is None else builder.required(ratio, "Dropout: the ratio").item()
    if not 0 <= share < 1:
        raise ModelError(f"Dropout: the ratio {share} is not in [0, 1)")
    if share == 0:
        return [x, _ones(builder, x)]
    drawn = _dropout_numbers(builder, node, x.type.shape)
    kept = builder.emit("greater_equal", drawn, builder.scalar(share, drawn.type.dtype))
    zero = builder.scalar(0.0, x.type.dtype)
    return [builder.emit("select", kept, builder.scaled(x, 1 / (1 - share)), zero), kept]


def _dropout_numbers(builder: Builder, node: NodeView, shape: Sequence[Dim]) -> Value:
    """Numbers in [0, 1); with a seed those that ONNX's reference draws, so that masks agree."""
    if not node.has("seed"):
        return uniform(builder, node, shape)
    attrs: dict[str, Any] = {"shape": tuple(shape), "seed": node.integer("seed")}
    return builder.emit("mersenne_twister", **attrs)


def _ones(builder: Builder, x: Value) -> Value:
    return builder.expand(builder.scalar(True, BOOL), x.type.shape)


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Bernoulli": _bernoulli,
    "Dropout": _dropout,
    "Multinomial": _multinomial,
    "RandomNormal": _of_shape(_normal),
    "RandomNormalLike": _like(_normal),
    "RandomUniform": _of_shape(_between),
    "RandomUniformLike": _like(_between),
}
