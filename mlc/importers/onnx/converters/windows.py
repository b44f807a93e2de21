"""Sliding windows: strides, dilations, explicit and automatic padding, ceil mode.

`Windows.of` reads the attributes that convolutions and pools share and resolves padding to explicit
numbers of elements before and after each spatial axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import NodeView
from mlc.ir.graph import Value

AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True)
class Windows:
    """One number per spatial axis. `extra` is what ceil mode adds behind `after`."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    extra: tuple[int, ...]

    @property
    def after_all(self) -> tuple[int, ...]:
        """Padding behind each axis, what ceil mode adds included."""
        return tuple(after + extra for after, extra in zip(self.after, self.extra, strict=True))

    @staticmethod
    def of(builder: Builder, node: NodeView, x: Value, kernel: Sequence[int]) -> Windows:
        """Resolve the attributes of `node`, whose windows slide over `x` [N, C, *spatial]."""
        rank = spatial_rank(node, x)
        strides = per_axis(node, "strides", rank, 1, least=1)
        dilations = per_axis(node, "dilations", rank, 1, least=1)
        if len(kernel) != rank or min(kernel, default=1) < 1:
            raise ModelError(f"{node.op_type}: kernel {list(kernel)} does not fit {x.type}")
        extents = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
        before, after = _padding(builder, node, x, extents, strides)
        extra = (0,) * rank
        if node.flag("ceil_mode"):
            sizes = spatial_sizes(builder, node, x)
            extra = tuple(map(_ceil_extra, sizes, extents, strides, before, after))
        return Windows(tuple(kernel), strides, dilations, before, after, extra)


def auto_pad(node: NodeView) -> str:
    """The kind of automatic padding."""
    kind = node.text("auto_pad", "NOTSET")
    if kind not in AUTO_PADS:
        raise ModelError(f"{node.op_type}: auto_pad '{kind}' is none of {', '.join(AUTO_PADS)}")
    return kind


def per_axis(node: NodeView, name: str, count: int, default: int, *, least: int) -> tuple[int, ...]:
    """An attribute with one number per axis, each at least `least`."""
    values = node.integers(name, (default,) * count)
    if len(values) != count:
        raise ModelError(f"{node.op_type}: {name} has {len(values)} numbers, expected {count}")
    if min(values, default=least) < least:
        raise ModelError(f"{node.op_type}: {name} {list(values)} has a number below {least}")
    return values


def spatial_rank(node: NodeView, x: Value) -> int:
    """Number of spatial axes of `x` [N, C, *spatial]."""
    if x.type.rank < 3:
        raise ModelError(f"{node.op_type}: input {x.type} has no spatial axes")
    return x.type.rank - 2


def spatial_sizes(builder: Builder, node: NodeView, x: Value) -> tuple[int, ...]:
    """The spatial sizes of `x`; raises `ShapeError` where one is not known."""
    sizes = x.type.shape[2:]
    if not all(isinstance(size, int) for size in sizes):
        raise builder.unresolved(f"{node.op_type}: the size of {x.type}")
    return tuple(size for size in sizes if isinstance(size, int))


def explicit_pads(node: NodeView, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The attribute `pads`: what lies before and after each axis."""
    pads = per_axis(node, "pads", 2 * rank, 0, least=0)
    return pads[:rank], pads[rank:]


def _padding(
    builder: Builder, node: NodeView, x: Value, extents: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    kind = auto_pad(node)
    if kind == "NOTSET":
        return explicit_pads(node, len(extents))
    if kind == "VALID":
        return (0,) * len(extents), (0,) * len(extents)
    if all(stride == 1 for stride in strides):
        totals = [extent - 1 for extent in extents]
    else:
        sizes = spatial_sizes(builder, node, x)
        totals = [
            max((-(-size // stride) - 1) * stride + extent - size, 0)
            for size, extent, stride in zip(sizes, extents, strides, strict=True)
        ]
    return split_padding(totals, upper=kind == "SAME_UPPER")


def split_padding(totals: Sequence[int], *, upper: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Halve padding; of an odd number the larger part lies behind if `upper`, else before."""
    smaller = tuple(total // 2 for total in totals)
    larger = tuple(total - total // 2 for total in totals)
    return (smaller, larger) if upper else (larger, smaller)


def _ceil_extra(size: int, extent: int, stride: int, before: int, after: int) -> int:
    """What to add behind so that a last, partial window fits; it must begin in front of `after`."""
    room = size + before + after - extent
    if room < 0:
        return 0
    count = -(-room // stride) + 1
    if (count - 1) * stride >= size + before:
        count -= 1
    return max((count - 1) * stride - room, 0)
