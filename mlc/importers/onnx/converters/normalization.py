"""Normalisations."""

from __future__ import annotations

from collections.abc import Sequence

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.reduction import norm
from mlc.importers.onnx.node import Converter, NodeView, normal_axes
from mlc.importers.onnx.symbolic import quotient
from mlc.ir.dtype import F32
from mlc.ir.graph import Value
from mlc.ir.types import Dim


def _batch_normalization(builder: Builder, node: NodeView) -> list[Value]:
    if node.integer("spatial", 1) != 1:
        raise UnsupportedError("BatchNormalization: spatial = 0 is not supported")
    x = node.input(0)
    parameters = [builder.cast(node.input(position), x.type.dtype) for position in range(1, 5)]
    running: list[Value] = []
    if node.flag("training_mode"):
        found = _statistics(builder, x)
        running = _running(builder, node, found)
        parameters[2:] = found
    result = builder.emit("batch_norm", x, *parameters, epsilon=node.number("epsilon", 1e-5))
    return [result, *running]


def _statistics(builder: Builder, x: Value) -> list[Value]:
    """The mean and the variance of every channel."""
    axes = tuple(axis for axis in range(x.type.rank) if axis != 1)
    mean = builder.emit("reduce_mean", x, axes=axes, keepdims=True)
    centre = builder.emit("sub", x, mean)
    square = builder.emit("mul", centre, centre)
    variance = builder.emit("reduce_mean", square, axes=axes, keepdims=False)
    return [builder.reshape(mean, variance.type.shape), variance]


def _running(builder: Builder, node: NodeView, found: Sequence[Value]) -> list[Value]:
    """What the running mean and variance become in training."""
    momentum = node.number("momentum", 0.9)
    results = []
    for old, new in zip((node.input(3), node.input(4)), found, strict=True):
        new = builder.scaled(builder.cast(new, old.type.dtype), 1 - momentum)
        results.append(builder.emit("add", builder.scaled(old, momentum), new))
    return results


def _lrn(builder: Builder, node: NodeView) -> list[Value]:
    return [
        builder.emit(
            "lrn",
            node.input(0),
            size=node.integer("size"),
            alpha=node.number("alpha", 1e-4),
            beta=node.number("beta", 0.75),
            bias=node.number("bias", 1.0),
        )
    ]


def centred(
    builder: Builder, x: Value, axes: Sequence[int], epsilon: float
) -> tuple[Value, Value, Value]:
    """(x - mean) / sqrt(variance + epsilon) over `axes`, and the mean and 1/sqrt it took."""
    mean = builder.emit("reduce_mean", x, axes=tuple(axes), keepdims=True)
    centre = builder.emit("sub", x, mean)
    square = builder.emit("mul", centre, centre)
    variance = builder.emit("reduce_mean", square, axes=tuple(axes), keepdims=True)
    deviation = builder.emit("sqrt", builder.shifted(variance, epsilon))
    inverse = builder.emit("reciprocal", deviation)
    return builder.emit("mul", centre, inverse), mean, inverse


def affine(builder: Builder, x: Value, scale: Value, bias: Value | None) -> Value:
    """X * scale + bias."""
    scaled = builder.emit("mul", x, scale)
    return scaled if bias is None else builder.emit("add", scaled, bias)


def layer_norm(
    builder: Builder, x: Value, scale: Value, bias: Value | None, axis: int, epsilon: float
) -> Value:
    """Normalise over the axes from `axis` on; scale and bias broadcast to them."""
    shape = x.type.shape[axis:]
    scale = _fitted(builder, scale, shape)
    bias = builder.full(shape, 0.0, x.type.dtype) if bias is None else _fitted(builder, bias, shape)
    return builder.emit("layer_norm", x, scale, bias, axis=axis, epsilon=epsilon)


def _fitted(builder: Builder, parameter: Value, shape: Sequence[Dim]) -> Value:
    """A scale or bias broadcast to the normalised shape; leading axes of size 1 are dropped."""
    surplus = parameter.type.rank - len(shape)
    if surplus > 0 and all(dim == 1 for dim in parameter.type.shape[:surplus]):
        parameter = builder.reshape(parameter, parameter.type.shape[surplus:])
    return builder.expand(parameter, shape)


def layer_normalization(builder: Builder, node: NodeView) -> list[Value]:
    """Mean and inverse deviation, the later outputs, are computed only where they are named."""
    x, scale, bias = node.input(0), node.input(1), node.optional(2)
    axis, epsilon = node.axis("axis", x.type.rank, -1), node.number("epsilon", 1e-5)
    result = layer_norm(builder, x, scale, bias, axis, epsilon)
    if not (node.has_output(1) or node.has_output(2)):
        return [result]
    wide = builder.cast(x, F32) if node.integer("stash_type", 1) == 1 else x
    _, mean, inverse = centred(builder, wide, range(axis, x.type.rank), epsilon)
    return [result, mean, inverse]


def rms_norm(builder: Builder, x: Value, scale: Value, axis: int, epsilon: float) -> Value:
    """Divide by the root mean square over the axes from `axis` on; the scale broadcasts to them."""
    scale = _fitted(builder, scale, x.type.shape[axis:])
    return builder.emit("rms_norm", x, scale, axis=axis, epsilon=epsilon)


def rms_normalization(builder: Builder, node: NodeView) -> list[Value]:
    """Over the axes from an attribute on."""
    x = node.input(0)
    axis, epsilon = node.axis("axis", x.type.rank, -1), node.number("epsilon", 1e-5)
    return [rms_norm(builder, x, node.input(1), axis, epsilon)]


def _instance_normalization(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    axes = range(2, x.type.rank)
    scale, bias = (
        builder.reshape(
            node.input(position), (*node.input(position).type.shape, *(1 for _ in axes))
        )
        for position in (1, 2)
    )
    normal, _, _ = centred(builder, x, axes, node.number("epsilon", 1e-5))
    return [affine(builder, normal, scale, bias)]


def _group_normalization(*, per_channel: bool) -> Converter:
    """Scale and bias are per group until operator set 21, then per channel."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x, groups = node.input(0), node.integer("num_groups")
        batch, channels, *spatial = x.type.shape
        each = quotient([channels], [groups])
        if each is None:
            raise ModelError(f"GroupNormalization: {channels} channels are not {groups} groups")
        grouped = builder.reshape(x, (batch, groups, each, *spatial))
        axes = range(2, grouped.type.rank)
        normal, _, _ = centred(builder, grouped, axes, node.number("epsilon", 1e-5))
        flat = (groups, each) if per_channel else (groups, 1)
        scale, bias = (
            builder.reshape(node.input(position), (*flat, *(1 for _ in spatial)))
            for position in (1, 2)
        )
        return [builder.reshape(affine(builder, normal, scale, bias), x.type.shape)]

    return convert


def _mean_variance_normalization(builder: Builder, node: NodeView) -> list[Value]:
    """(x - mean) / (deviation + 1e-9)."""
    x = node.input(0)
    axes = normal_axes(node.integers("axes", (0, 2, 3)), x.type.rank)
    mean = builder.emit("reduce_mean", x, axes=axes, keepdims=True)
    centre = builder.emit("sub", x, mean)
    square = builder.emit("mul", centre, centre)
    variance = builder.emit("reduce_mean", square, axes=axes, keepdims=True)
    deviation = builder.shifted(builder.emit("sqrt", variance), 1e-9)
    return [builder.emit("div", centre, deviation)]


def _lp_normalization(builder: Builder, node: NodeView) -> list[Value]:
    """X divided by its norm along an axis; 0 where the norm is 0."""
    x, p = node.input(0), node.integer("p", 2)
    if p not in (1, 2):
        raise ModelError(f"LpNormalization: p = {p} is neither 1 nor 2")
    length = norm(builder, x, p, (node.axis("axis", x.type.rank, -1),), keepdims=True)
    zero = builder.scalar(0, x.type.dtype)
    divided = builder.emit("div", x, length)
    return [builder.emit("select", builder.emit("equal", length, zero), zero, divided)]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "BatchNormalization": _batch_normalization,
    "GroupNormalization": {
        18: _group_normalization(per_channel=False),
        21: _group_normalization(per_channel=True),
    },
    "InstanceNormalization": _instance_normalization,
    "LRN": _lrn,
    # Since 17; onnxruntime writes it into models of older operator sets too.
    "LayerNormalization": layer_normalization,
    "LpNormalization": _lp_normalization,
    "MeanVarianceNormalization": _mean_variance_normalization,
    "RMSNormalization": rms_normalization,
    # Not ONNX's, but onnxruntime writes it without a domain.
    "SimplifiedLayerNormalization": rms_normalization,
}
