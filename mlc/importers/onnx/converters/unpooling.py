"""Putting back together what windows took apart: MaxUnpool and Col2Im."""

from __future__ import annotations

import math

import numpy as np

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.windows import explicit_pads, per_axis, spatial_rank
from mlc.importers.onnx.node import Converter, NodeView
from mlc.importers.onnx.tensors import check_size
from mlc.ir.graph import Value


def _max_unpool(builder: Builder, node: NodeView) -> list[Value]:
    """Put each number where its index in the flat pooled-from tensor says, zeros elsewhere."""
    x, indices = node.input(0), node.input(1)
    if not x.type.is_static:
        raise builder.unresolved(f"MaxUnpool: the size of {x.type}")
    rank = spatial_rank(node, x)
    kernel = per_axis(node, "kernel_shape", rank, 1, least=1)
    strides = per_axis(node, "strides", rank, 1, least=1)
    before, after = explicit_pads(node, rank)
    spatial = tuple(
        (size - 1) * stride - low - high + extent
        for size, stride, low, high, extent in zip(
            x.type.static_shape[2:], strides, before, after, kernel, strict=True
        )
    )
    shape = (*x.type.static_shape[:2], *spatial)
    check_size(shape, x.type.dtype, "the result of MaxUnpool")
    zeros = builder.full((math.prod(shape),), 0, x.type.dtype)
    flat = builder.emit(
        "scatter_nd",
        zeros,
        builder.reshape(indices, (x.type.elements, 1)),
        builder.reshape(x, (x.type.elements,)),
        reduction="none",
    )
    return [_enlarged(builder, node, builder.reshape(flat, shape))]


def _enlarged(builder: Builder, node: NodeView, x: Value) -> Value:
    """Zeros behind, up to the output shape where one is given."""
    given = node.optional(2)
    if given is None:
        return x
    wanted = builder.required_integers(given, "MaxUnpool: the output shape")
    old = x.type.static_shape
    if len(wanted) != len(old) or any(w < o for w, o in zip(wanted, old, strict=True)):
        raise ModelError(f"MaxUnpool: {x.type} does not fit the output shape {list(wanted)}")
    after = tuple(w - o for w, o in zip(wanted, old, strict=True))
    return builder.emit("pad", x, before=(0,) * len(old), after=after, value=0, mode="constant")


def _col2im(builder: Builder, node: NodeView) -> list[Value]:
    """Add up the columns of `x` [N, C * block, positions], each block where it was taken from."""
    x = node.input(0)
    if x.type.rank != 3 or not x.type.is_static:
        raise builder.unresolved(f"Col2Im: the size of {x.type}")
    image = builder.required_integers(node.input(1), "Col2Im: the shape of the image")
    block = builder.required_integers(node.input(2), "Col2Im: the shape of blocks")
    rank = len(image)
    dilations = per_axis(node, "dilations", rank, 1, least=1)
    strides = per_axis(node, "strides", rank, 1, least=1)
    before, after = explicit_pads(node, rank)
    batch, rows, columns = x.type.static_shape
    padded = tuple(map(sum, zip(image, before, after, strict=True)))
    if len(block) != rank or min(block) < 1 or rows % math.prod(block):
        raise ModelError(f"Col2Im: {rows} rows are not blocks of {list(block)}")
    counts = [
        (size - (extent - 1) * dilation - 1) // stride + 1
        for size, extent, dilation, stride in zip(padded, block, dilations, strides, strict=True)
    ]
    if min(counts) < 1 or math.prod(counts) != columns:
        raise ModelError(f"Col2Im: blocks at {counts} positions are not {columns} columns")
    images = batch * rows // math.prod(block)
    check_size((images, *padded), x.type.dtype, "the result of Col2Im")
    places = _places(block, counts, dilations, strides, padded)
    updates = builder.transpose(builder.reshape(x, (images, places.size)), (1, 0))
    total = builder.emit(
        "scatter_nd",
        builder.full((math.prod(padded), images), 0, x.type.dtype),
        builder.constant(places.reshape(-1, 1)),
        updates,
        reduction="add",
    )
    shape = (batch, images // batch if batch else 0, *padded)
    result = builder.reshape(builder.transpose(total, (1, 0)), shape)
    sizes = (*shape[:2], *image)
    return [builder.slice(result, (0, 0, *before), sizes, (1,) * len(shape))]


def _places(
    block: tuple[int, ...],
    counts: list[int],
    dilations: tuple[int, ...],
    strides: tuple[int, ...],
    padded: tuple[int, ...],
) -> np.ndarray:
    """Where in the flat padded image each element of a block at each position lies."""
    rank = len(block)
    axes = []
    for axis in range(rank):
        inside = np.arange(block[axis]) * dilations[axis]
        starts = np.arange(counts[axis]) * strides[axis]
        shape = [1] * (2 * rank)
        shape[axis], shape[rank + axis] = block[axis], counts[axis]
        axes.append((inside[:, None] + starts).reshape(shape))
    grid = np.broadcast_arrays(*axes)
    return np.asarray(np.ravel_multi_index(tuple(grid), padded))


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Col2Im": _col2im,
    "MaxUnpool": _max_unpool,
}
