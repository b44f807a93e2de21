"""Resizing images."""

from __future__ import annotations

from collections.abc import Sequence

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView, normal_axis
from mlc.ir.graph import Value

_MODES = ("nearest", "linear", "cubic")
_COORDINATES = ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def _upsample_height_and_width(builder: Builder, node: NodeView) -> list[Value]:
    scales = (1.0, 1.0, node.number("height_scale"), node.number("width_scale"))
    return [_scaled(builder, node, scales)]


def _upsample_attribute(builder: Builder, node: NodeView) -> list[Value]:
    return [_scaled(builder, node, node.numbers("scales"))]


def _upsample_input(builder: Builder, node: NodeView) -> list[Value]:
    scales = builder.required(node.input(1), f"{node.op_type}: the scales")
    return [_scaled(builder, node, [float(scale) for scale in scales.reshape(-1)])]


def _scaled(builder: Builder, node: NodeView, scales: Sequence[float]) -> Value:
    """Upsample, and Resize of operator set 10: pixel i comes from i / scale."""
    x, mode = node.input(0), node.text("mode", "nearest")
    if mode not in ("nearest", "linear", "bilinear"):
        raise UnsupportedError(f"{node.op_type}: mode '{mode}' is not supported")
    sizes = _sizes(builder, node, x, scales)
    return _emit(
        builder, x, "linear" if mode == "bilinear" else mode, "asymmetric", "floor", scales, sizes
    )


def _resize(builder: Builder, node: NodeView) -> list[Value]:
    """Resize since operator set 11: inputs are x, region, scales, sizes."""
    x, mode = node.input(0), node.text("mode", "nearest")
    coordinate = node.text("coordinate_transformation_mode", "half_pixel")
    nearest = node.text("nearest_mode", "round_prefer_floor")
    for name, value, known in (
        ("mode", mode, _MODES),
        ("coordinate_transformation_mode", coordinate, _COORDINATES),
        ("nearest_mode", nearest, _NEAREST),
    ):
        if value not in known:
            raise UnsupportedError(f"Resize: {name} = {value} is not supported")
    node.refuse("antialias", 0)
    if mode == "cubic":
        node.refuse("cubic_coeff_a", -0.75)
        node.refuse("exclude_outside", 0)
    axes = [normal_axis(a, x.type.rank) for a in node.integers("axes", range(x.type.rank))]
    scales, sizes = _targets(builder, node, x, axes)
    if scales == (1.0,) * x.type.rank and sizes == x.type.shape:
        return [x]
    return [_emit(builder, x, mode, coordinate, nearest, scales, sizes)]


def _targets(
    builder: Builder, node: NodeView, x: Value, axes: Sequence[int]
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Scale and output size of every axis of `x`, from the scales or the sizes of `axes`."""
    by_size, by_scale = node.optional(3), node.optional(2)
    if by_size is not None:
        given = builder.required_integers(by_size, "Resize: the sizes")
        if given:
            return _from_sizes(builder, node, x, axes, given)
    if by_scale is None:
        raise ModelError("Resize: neither scales nor sizes are given")
    array = builder.required(by_scale, "Resize: the scales").reshape(-1)
    if len(array) != len(axes):
        raise ModelError(f"Resize: {len(array)} scales for {len(axes)} axes")
    scales = [1.0] * x.type.rank
    for axis, scale in zip(axes, array, strict=True):
        scales[axis] = float(scale)
    return tuple(scales), _sizes(builder, node, x, scales)


def _from_sizes(
    builder: Builder, node: NodeView, x: Value, axes: Sequence[int], given: Sequence[int]
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    if len(given) != len(axes):
        raise ModelError(f"Resize: {len(given)} sizes for {len(axes)} axes")
    shape = _static(builder, node, x)
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    scales, sizes = [1.0] * x.type.rank, list(shape)
    ratios = [size / shape[axis] for axis, size in zip(axes, given, strict=True)]
    if policy != "stretch":
        if policy not in ("not_larger", "not_smaller"):
            raise ModelError(f"Resize: keep_aspect_ratio_policy '{policy}' is unknown")
        ratio = min(ratios) if policy == "not_larger" else max(ratios)
        ratios = [ratio] * len(axes)
        given = [int(shape[axis] * ratio + 0.5) for axis in axes]
    for axis, size, ratio in zip(axes, given, ratios, strict=True):
        scales[axis], sizes[axis] = ratio, size
    return tuple(scales), tuple(sizes)


def _sizes(builder: Builder, node: NodeView, x: Value, scales: Sequence[float]) -> tuple[int, ...]:
    """Output sizes: the input's times the scales, rounded down."""
    if len(scales) != x.type.rank:
        raise ModelError(f"{node.op_type}: {len(scales)} scales for {x.type}")
    if min(scales, default=1.0) <= 0:
        raise ModelError(f"{node.op_type}: scales {list(scales)} must be positive")
    shape = _static(builder, node, x)
    return tuple(int(size * scale) for size, scale in zip(shape, scales, strict=True))


def _static(builder: Builder, node: NodeView, x: Value) -> tuple[int, ...]:
    if not x.type.is_static:
        raise builder.unresolved(f"{node.op_type}: the size of {x.type}")
    return x.type.static_shape


def _emit(
    builder: Builder,
    x: Value,
    mode: str,
    coordinate: str,
    nearest: str,
    scales: Sequence[float],
    sizes: Sequence[int],
) -> Value:
    return builder.emit(
        "resize",
        x,
        mode=mode,
        coordinate=coordinate,
        nearest=nearest,
        scales=tuple(scales),
        sizes=tuple(sizes),
    )


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Resize": {10: _upsample_input, 11: _resize},
    "Upsample": {1: _upsample_height_and_width, 7: _upsample_attribute, 9: _upsample_input},
}
