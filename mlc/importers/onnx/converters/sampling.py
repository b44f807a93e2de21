"""Images read at coordinates that are data: GridSample and DeformConv."""

from __future__ import annotations

import math

import numpy as np

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.convolution import kernel_sizes, with_bias
from mlc.importers.onnx.converters.windows import explicit_pads, per_axis, spatial_rank
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.graph import Value
from mlc.ir.operators.sample import PADDINGS

_MODES = {
    "bilinear": "linear",
    "bicubic": "cubic",
    "linear": "linear",
    "cubic": "cubic",
    "nearest": "nearest",
}


def _grid_sample(builder: Builder, node: NodeView) -> list[Value]:
    """Coordinates run from -1 to 1 over the image, that along the last axis first."""
    x, grid = node.input(0), node.input(1)
    mode, padding = node.text("mode", "linear"), node.text("padding_mode", "zeros")
    if mode not in _MODES or padding not in PADDINGS:
        raise ModelError(f"GridSample: mode '{mode}' or padding_mode '{padding}' is unknown")
    if not x.type.is_static or not grid.type.is_static:
        raise builder.unresolved(f"GridSample: the sizes of {x.type} and {grid.type}")
    align = node.flag("align_corners")
    sizes = np.array(x.type.static_shape[2:])
    shape = grid.type.static_shape
    starts, steps = [0] * (len(shape) - 1) + [shape[-1] - 1], [1] * (len(shape) - 1) + [-1]
    turned = builder.slice(grid, starts, shape, steps)
    lengths = builder.constant((sizes - 1 if align else sizes).astype(grid.type.dtype.numpy))
    scaled = builder.emit("mul", builder.shifted(turned, 1), lengths)
    places = builder.scaled(scaled if align else builder.shifted(scaled, -1), 0.5)
    return [
        builder.emit("sample", x, places, mode=_MODES[mode], padding=padding, align_corners=align)
    ]


def _deform_conv(builder: Builder, node: NodeView) -> list[Value]:
    """A convolution whose kernel elements read at places moved by offsets (Dai et al., 2017).

    The samples `[N, channels, kernel, positions]` times a mask meet the weights in a product.
    """
    x, weights, offset = node.input(0), node.input(1), node.input(2)
    if not all(value.type.is_static for value in (x, weights, offset)):
        raise builder.unresolved(f"DeformConv: the sizes of {x.type} and {offset.type}")
    rank, kernel = spatial_rank(node, x), kernel_sizes(builder, node, weights)
    groups, parts = node.integer("group", 1), node.integer("offset_group", 1)
    batch, channels, *_ = x.type.static_shape
    taps, positions = math.prod(kernel), offset.type.static_shape[2:]
    if min(groups, parts) < 1 or channels % groups or channels % parts:
        raise ModelError(f"DeformConv: {channels} channels, groups of {groups} and {parts}")
    if offset.type.shape[:2] != (batch, parts * taps * rank) or len(positions) != rank:
        raise ModelError(f"DeformConv: offsets {offset.type} do not fit {x.type}")
    split = builder.reshape(offset, (batch * parts, taps, rank, *positions))
    moved = builder.transpose(split, (0, 1, *range(3, 3 + rank), 2))
    places = builder.emit("add", moved, _regular_places(builder, node, x, kernel, positions))
    image = builder.reshape(x, (batch * parts, channels // parts, *x.type.shape[2:]))
    samples = builder.emit("sample", image, places, mode="linear", padding="zeros")
    if (mask := node.optional(4)) is not None:
        factors = builder.reshape(mask, (batch * parts, 1, taps, *positions))
        samples = builder.emit("mul", samples, factors)
    depth = channels // groups * taps
    columns = builder.reshape(samples, (batch, groups, depth, math.prod(positions)))
    filters = weights.type.static_shape[0]
    rows = builder.reshape(weights, (groups, filters // groups, depth))
    product = builder.emit("matmul", rows, columns, transpose_a=False, transpose_b=False)
    result = builder.reshape(product, (batch, filters, *positions))
    return with_bias(builder, result, node.optional(3))


def _regular_places(
    builder: Builder,
    node: NodeView,
    x: Value,
    kernel: tuple[int, ...],
    positions: tuple[int, ...],
) -> Value:
    """Where the kernel elements read without offsets: `[kernel, *positions, axes]`."""
    rank = len(kernel)
    strides = per_axis(node, "strides", rank, 1, least=1)
    dilations = per_axis(node, "dilations", rank, 1, least=1)
    before, _ = explicit_pads(node, rank)
    shape = (math.prod(kernel), *positions)
    axes = []
    for axis in range(rank):
        taps = np.indices(kernel)[axis].reshape(-1, *[1] * rank) * dilations[axis]
        starts = np.arange(positions[axis]) * strides[axis] - before[axis]
        column = starts.reshape(-1, *[1] * (rank - 1 - axis))
        axes.append(np.broadcast_to(taps + column, shape))
    return builder.constant(np.stack(axes, axis=-1).astype(x.type.dtype.numpy))


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "DeformConv": _deform_conv,
    "GridSample": _grid_sample,
}
