"""Convolutions: Conv and ConvTranspose, with one to three spatial axes."""

from __future__ import annotations

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.windows import (
    Windows,
    auto_pad,
    explicit_pads,
    per_axis,
    spatial_rank,
    spatial_sizes,
    split_padding,
)
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.graph import Value


def kernel_sizes(builder: Builder, node: NodeView, weights: Value) -> tuple[int, ...]:
    """The spatial sizes of `weights` [O, C, *kernel]."""
    sizes = tuple(size for size in weights.type.shape[2:] if isinstance(size, int))
    if len(sizes) != weights.type.rank - 2:
        raise builder.unresolved(f"{node.op_type}: the size of the kernel {weights.type}")
    given = node.integers("kernel_shape", sizes)
    if given != sizes:
        raise ModelError(
            f"{node.op_type}: kernel_shape {list(given)} contradicts the weights {weights.type}"
        )
    return sizes


def with_bias(builder: Builder, result: Value, bias: Value | None) -> list[Value]:
    """Add one number per output channel."""
    if bias is None:
        return [result]
    shape = (*bias.type.shape, *(1,) * (result.type.rank - 2))
    return [builder.emit("add", result, builder.reshape(bias, shape))]


def convolved(builder: Builder, node: NodeView, x: Value, weights: Value) -> Value:
    """The convolution that the attributes of `node` describe, without a bias."""
    windows = Windows.of(builder, node, x, kernel_sizes(builder, node, weights))
    return builder.emit(
        "conv",
        x,
        weights,
        strides=windows.strides,
        before=windows.before,
        after=windows.after,
        dilations=windows.dilations,
        groups=node.integer("group", 1),
    )


def conv(builder: Builder, node: NodeView) -> list[Value]:
    """A convolution, with a bias where there is a third input."""
    result = convolved(builder, node, node.input(0), node.input(1))
    return with_bias(builder, result, node.optional(2))


def _conv_transpose(builder: Builder, node: NodeView) -> list[Value]:
    x, weights = node.input(0), node.input(1)
    rank = spatial_rank(node, x)
    kernel = kernel_sizes(builder, node, weights)
    strides = per_axis(node, "strides", rank, 1, least=1)
    dilations = per_axis(node, "dilations", rank, 1, least=1)
    extents = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    before, after, output_padding = _transpose_padding(builder, node, x, extents, strides)
    result = builder.emit(
        "conv_transpose",
        x,
        weights,
        strides=strides,
        before=before,
        after=after,
        output_padding=output_padding,
        dilations=dilations,
        groups=node.integer("group", 1),
    )
    return with_bias(builder, result, node.optional(2))


def _transpose_padding(
    builder: Builder, node: NodeView, x: Value, extents: list[int], strides: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Padding before and after, and output padding; an output shape decides the padding."""
    rank = len(extents)
    output_padding = per_axis(node, "output_padding", rank, 0, least=0)
    kind = auto_pad(node)
    if node.has("output_shape"):
        sizes = spatial_sizes(builder, node, x)
        wanted = per_axis(node, "output_shape", rank, 1, least=0)
    elif kind in ("SAME_UPPER", "SAME_LOWER"):
        sizes = spatial_sizes(builder, node, x)
        wanted = tuple(size * stride for size, stride in zip(sizes, strides, strict=True))
    elif kind == "VALID":
        return (0,) * rank, (0,) * rank, output_padding
    else:
        return *explicit_pads(node, rank), output_padding
    totals = [
        (size - 1) * stride + extra + extent - out
        for size, stride, extra, extent, out in zip(
            sizes, strides, output_padding, extents, wanted, strict=True
        )
    ]
    # A larger output than the windows cover is filled up behind.
    output_padding = tuple(
        extra + max(-total, 0) for extra, total in zip(output_padding, totals, strict=True)
    )
    before, after = split_padding([max(total, 0) for total in totals], upper=kind == "SAME_UPPER")
    return before, after, output_padding


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Conv": conv,
    "ConvTranspose": _conv_transpose,
}
