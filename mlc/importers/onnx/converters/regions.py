"""Regions of interest: RoiAlign and MaxRoiPool."""

from __future__ import annotations

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.graph import Value

_ALIGN_SINCE = 16
"""Before this operator set, coordinates were those of the middles of elements."""


def _roi_align(builder: Builder, node: NodeView) -> list[Value]:
    old = "output_half_pixel" if node.opset < _ALIGN_SINCE else "half_pixel"
    coordinate = node.text("coordinate_transformation_mode", old)
    mode = node.text("mode", "avg")
    if coordinate not in ("half_pixel", "output_half_pixel") or mode not in ("avg", "max"):
        raise ModelError(f"RoiAlign: mode '{mode}' of '{coordinate}' coordinates is unknown")
    return [
        builder.emit(
            "roi_align",
            *node.present(),
            height=node.integer("output_height", 1),
            width=node.integer("output_width", 1),
            samples=node.integer("sampling_ratio", 0),
            scale=node.number("spatial_scale", 1.0),
            half_pixel=coordinate == "half_pixel",
            maximum=mode == "max",
        )
    ]


def _max_roi_pool(builder: Builder, node: NodeView) -> list[Value]:
    shape = node.integers("pooled_shape")
    if len(shape) != 2:
        raise ModelError(f"MaxRoiPool: pooled_shape {list(shape)} has not two numbers")
    return [
        builder.emit(
            "roi_pool",
            *node.present(),
            height=shape[0],
            width=shape[1],
            scale=node.number("spatial_scale", 1.0),
        )
    ]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "MaxRoiPool": _max_roi_pool,
    "RoiAlign": _roi_align,
}
