"""Resizing images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters import resampling
from mlc.importers.onnx.node import Converter, NodeView, normal_axis
from mlc.ir.dtype import F32, DType
from mlc.ir.graph import Value
from mlc.ir.operators.interpolation import COORDINATES, MODES, ROUNDINGS, Axis, Coordinate

_CROP = "tf_crop_and_resize"


@dataclass(frozen=True)
class _Form:
    """How Resize interpolates, in ONNX's words."""

    mode: str
    coordinate: str
    nearest: str
    cubic: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    extrapolation: float = 0.0

    @staticmethod
    def of(node: NodeView) -> _Form:
        form = _Form(
            node.text("mode", "nearest"),
            node.text("coordinate_transformation_mode", "half_pixel"),
            node.text("nearest_mode", "round_prefer_floor"),
            node.number("cubic_coeff_a", -0.75),
            node.flag("exclude_outside"),
            node.flag("antialias"),
            node.number("extrapolation_value", 0.0),
        )
        for name, value, known in (
            ("mode", form.mode, MODES),
            ("coordinate_transformation_mode", form.coordinate, (*COORDINATES, _CROP)),
            ("nearest_mode", form.nearest, ROUNDINGS),
        ):
            if value not in known:
                raise UnsupportedError(f"Resize: {name} = {value} is not supported")
        return form


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
    form = _Form("nearest" if mode == "nearest" else "linear", "asymmetric", "floor")
    return _emit(builder, x, form, scales, sizes)


def _resize(builder: Builder, node: NodeView) -> list[Value]:
    """Resize since operator set 11: inputs are x, region, scales, sizes."""
    x, form = node.input(0), _Form.of(node)
    axes = [normal_axis(a, x.type.rank) for a in node.integers("axes", range(x.type.rank))]
    scales, sizes = _targets(builder, node, x, axes)
    region = _region(builder, node, x, axes) if form.coordinate == _CROP else None
    if region is None and scales == (1.0,) * x.type.rank and sizes == x.type.shape:
        return [x]
    whole = not x.type.dtype.is_float and form.mode != "nearest"
    wide = builder.cast(x, F32) if whole else x
    if region is None and not form.antialias:
        result = _emit(builder, wide, form, scales, sizes)
    else:
        result = _resampled(builder, wide, form, scales, sizes, region)
    return [_rounded(builder, result, x.type.dtype) if whole else result]


_Region = Sequence[tuple[float, float]]
"""Where the part of each axis that is resized starts and ends, as fractions of its length."""


def _region(builder: Builder, node: NodeView, x: Value, axes: Sequence[int]) -> _Region:
    numbers = builder.required(node.input(1), "Resize: the region").reshape(-1)
    if len(numbers) != 2 * len(axes):
        raise ModelError(f"Resize: a region of {len(numbers)} numbers for {len(axes)} axes")
    region = [(0.0, 1.0)] * x.type.rank
    for position, axis in enumerate(axes):
        region[axis] = (float(numbers[position]), float(numbers[position + len(axes)]))
    return region


def _resampled(
    builder: Builder,
    x: Value,
    form: _Form,
    scales: Sequence[float],
    sizes: Sequence[int],
    region: _Region | None,
) -> Value:
    """Axis by axis, with a filter or of a region."""
    rule = "half_pixel" if region is not None else form.coordinate
    for axis, (old, new, scale) in enumerate(zip(x.type.static_shape, sizes, scales, strict=True)):
        if old == new and scale == 1 and (region is None or region[axis] == (0.0, 1.0)):
            continue
        if old == 0:
            raise ModelError(f"Resize: axis {axis} of {x.type} has no elements to interpolate")
        place = Axis(
            old, new, Coordinate.of(rule, old, new, scale),
            form.mode, form.nearest, form.cubic, form.exclude_outside,
        )  # fmt: skip
        if region is not None:
            taps = resampling.cropped(place, region[axis], scale)
        elif form.antialias and form.mode != "nearest":
            taps = resampling.filtered(place, scale)
        else:
            taps = resampling.plain(place)
        x = resampling.resampled(builder, x, axis, taps, form.extrapolation)
    return x


def _rounded(builder: Builder, x: Value, dtype: DType) -> Value:
    """To the nearest integer that `dtype` has."""
    limits = np.iinfo(dtype.numpy)
    whole = builder.emit("round", x)
    inside = builder.emit("clip", whole, min=float(limits.min), max=float(limits.max))
    return builder.cast(inside, dtype)


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
    builder: Builder, x: Value, form: _Form, scales: Sequence[float], sizes: Sequence[int]
) -> Value:
    return builder.emit(
        "resize",
        x,
        mode=form.mode,
        coordinate=form.coordinate,
        nearest=form.nearest,
        cubic_coefficient=form.cubic,
        exclude_outside=form.exclude_outside,
        scales=tuple(scales),
        sizes=tuple(sizes),
    )


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Resize": {10: _upsample_input, 11: _resize},
    "Upsample": {1: _upsample_height_and_width, 7: _upsample_attribute, 9: _upsample_input},
}
