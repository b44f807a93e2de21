"""Moving elements without computing: shapes, axes, slices, joins, padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onnx import TensorProto

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.rounding import converted
from mlc.importers.onnx.converters.slicing import Extent, extent_of, sliced
from mlc.importers.onnx.node import Converter, NodeView, normal_axes, normal_axis
from mlc.importers.onnx.symbolic import dims_text, product, quotient
from mlc.importers.onnx.tensors import dtype_from_onnx
from mlc.ir.graph import Value
from mlc.ir.types import Dim


def _reshape_attribute(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    return [builder.reshape(x, _resolved(x.type.shape, node.integers("shape"), copy_zeros=True))]


def _reshape(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    wanted = builder.required_dims(node.input(1), "Reshape: the shape")
    copy_zeros = not node.flag("allowzero")
    return [builder.reshape(x, _resolved(x.type.shape, wanted, copy_zeros=copy_zeros))]


def _resolved(shape: Sequence[Dim], wanted: Sequence[Dim], *, copy_zeros: bool) -> tuple[Dim, ...]:
    """The new shape: 0 copies the old dimension, -1 stands for what is left."""
    target: list[Dim] = []
    for axis, dim in enumerate(wanted):
        if dim == 0 and copy_zeros:
            if axis >= len(shape):
                raise ModelError(f"Reshape: dimension {axis} copies one that {_text(shape)} lacks")
            dim = shape[axis]
        elif isinstance(dim, int) and dim < -1:
            raise ModelError(f"Reshape: {_text(wanted)} has a negative dimension")
        target.append(dim)
    if target.count(-1) > 1:
        raise ModelError(f"Reshape: {_text(wanted)} has more than one -1")
    if -1 in target:
        place = target.index(-1)
        rest = quotient(shape, target[:place] + target[place + 1 :])
        if rest is None:
            raise ModelError(f"Reshape: {_text(shape)} does not fit {_text(wanted)}")
        target[place] = rest
    return tuple(target)


def _text(shape: Sequence[Dim]) -> str:
    return f"[{dims_text(shape)}]"


def _flatten(builder: Builder, node: NodeView) -> list[Value]:
    x, axis = node.input(0), node.integer("axis", 1)
    axis = axis if axis == x.type.rank else normal_axis(axis, x.type.rank)
    shape = (product(x.type.shape[:axis]), product(x.type.shape[axis:]))
    return [builder.reshape(x, shape)]


Axes = Callable[[Builder, NodeView], "tuple[int, ...] | None"]


def _attribute_axes(builder: Builder, node: NodeView) -> tuple[int, ...] | None:
    return node.integers("axes") if node.has("axes") else None


def _input_axes(builder: Builder, node: NodeView) -> tuple[int, ...] | None:
    axes = node.optional(1)
    return None if axes is None else builder.required_integers(axes, f"{node.op_type}: the axes")


def _squeeze(axes_of: Axes) -> Converter:
    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x, given = node.input(0), axes_of(builder, node)
        shape = x.type.shape
        if given is None:
            axes: tuple[int, ...] = tuple(axis for axis, dim in enumerate(shape) if dim == 1)
        else:
            axes = normal_axes(given, len(shape))
        for axis in axes:
            if isinstance(shape[axis], int) and shape[axis] != 1:
                raise ModelError(f"Squeeze: axis {axis} of {x.type} is not 1")
        return [builder.reshape(x, [dim for axis, dim in enumerate(shape) if axis not in axes])]

    return convert


def _unsqueeze(axes_of: Axes) -> Converter:
    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x, given = node.input(0), axes_of(builder, node)
        if given is None:
            raise ModelError("Unsqueeze: the axes are missing")
        rank = x.type.rank + len(given)
        axes = normal_axes(given, rank)
        old = iter(x.type.shape)
        return [builder.reshape(x, [1 if axis in axes else next(old) for axis in range(rank)])]

    return convert


def _transpose(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    perm = node.integers("perm", tuple(reversed(range(x.type.rank))))
    if sorted(perm) != list(range(x.type.rank)):
        raise ModelError(f"Transpose: perm {list(perm)} does not permute the axes of {x.type}")
    return [builder.transpose(x, perm)]


def _expand(builder: Builder, node: NodeView) -> list[Value]:
    """Broadcasting in both directions: a 1 in the wanted shape leaves the dimension as it is."""
    x = node.input(0)
    wanted = builder.required_dims(node.input(1), "Expand: the shape")
    rank = max(x.type.rank, len(wanted))
    old = (1,) * (rank - x.type.rank) + x.type.shape
    new = (1,) * (rank - len(wanted)) + wanted
    return [builder.expand(x, [a if b == 1 else b for a, b in zip(old, new, strict=True)])]


def _tile_axis(builder: Builder, node: NodeView) -> list[Value]:
    """Tile before operator set 6: how often, and along which axis."""
    x = node.input(0)
    (count,) = builder.required_integers(node.input(1), "Tile: the repeats")
    (given,) = builder.required_integers(node.input(2), "Tile: the axis")
    axis = normal_axis(given, x.type.rank)
    repeats = tuple(count if place == axis else 1 for place in range(x.type.rank))
    return [builder.emit("tile", x, repeats=repeats)]


def _tile(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    repeats = builder.required_integers(node.input(1), "Tile: the repeats")
    return [x if set(repeats) <= {1} else builder.emit("tile", x, repeats=repeats)]


_CONCAT_NEEDS_AXIS = 4


def _concat(builder: Builder, node: NodeView) -> list[Value]:
    parts = node.present()
    axis = node.axis("axis", parts[0].type.rank, 1 if node.opset < _CONCAT_NEEDS_AXIS else None)
    return [parts[0] if len(parts) == 1 else builder.emit("concat", *parts, axis=axis)]


def _slice_attributes(builder: Builder, node: NodeView) -> list[Value]:
    x, starts, ends = node.input(0), node.integers("starts"), node.integers("ends")
    axes = node.integers("axes", tuple(range(len(starts))))
    return [_slice(builder, x, starts, ends, axes, (1,) * len(starts))]


def _slice_inputs(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    starts = builder.required_dims(node.input(1), "Slice: the starts")
    ends = builder.required_dims(node.input(2), "Slice: the ends")
    axes: Sequence[int] = range(len(starts))
    if (given := node.optional(3)) is not None:
        axes = builder.required_integers(given, "Slice: the axes")
    steps: Sequence[int] = (1,) * len(starts)
    if (given := node.optional(4)) is not None:
        steps = builder.required_integers(given, "Slice: the steps")
    return [_slice(builder, x, starts, ends, axes, steps)]


def _slice(
    builder: Builder,
    x: Value,
    starts: Sequence[Dim],
    ends: Sequence[Dim],
    axes: Sequence[int],
    steps: Sequence[int],
) -> Value:
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise ModelError("Slice: starts, ends, axes and steps differ in length")
    axes = [normal_axis(axis, x.type.rank) for axis in axes]
    if len(set(axes)) != len(axes):
        raise ModelError(f"Slice: axes {axes} repeat")
    extents: dict[int, Extent] = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step == 0:
            raise ModelError("Slice: a step is 0")
        extent = extent_of(x.type.shape[axis], start, end, step)
        if extent is None:
            raise builder.unresolved(f"Slice: the range [{start}:{end}] of {x.type}")
        extents[axis] = extent
    return sliced(builder, x, extents)


def _pieces(builder: Builder, node: NodeView, x: Value, axis: int) -> Sequence[int]:
    """The sizes of the outputs of Split: an input, an attribute, or equal parts."""
    given = node.optional(1)
    if given is not None:
        return builder.required_integers(given, "Split: the sizes")
    if node.has("split"):
        return node.integers("split")
    count = node.integer("num_outputs", node.output_count)
    size = x.type.shape[axis]
    if not isinstance(size, int):
        raise builder.unresolved(f"Split: the size of axis {axis} of {x.type}")
    if count < 1 or (size % count and not node.has("num_outputs")):
        raise ModelError(f"Split: axis {axis} of {x.type} does not split into {count} equal parts")
    each = -(-size // count)
    return [each] * (count - 1) + [size - each * (count - 1)]


def _split(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    axis = node.axis("axis", x.type.rank, 0)
    sizes = _pieces(builder, node, x, axis)
    if len(sizes) != node.output_count:
        raise ModelError(f"Split: {len(sizes)} sizes for {node.output_count} outputs")
    size = x.type.shape[axis]
    if min(sizes, default=0) < 0 or (isinstance(size, int) and sum(sizes) != size):
        raise ModelError(f"Split: sizes {list(sizes)} do not make up axis {axis} of {x.type}")
    starts = [sum(sizes[:position]) for position in range(len(sizes))]
    return [
        sliced(builder, x, {axis: Extent(start, size, 1)})
        for start, size in zip(starts, sizes, strict=True)
    ]


def _pad_attributes(builder: Builder, node: NodeView) -> list[Value]:
    pads = node.integers("pads" if node.has("pads") else "paddings")
    value = node.number("value", 0.0)
    return [_pad(builder, node, range(node.input(0).type.rank), pads, value)]


def _pad_inputs(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    pads = builder.required_integers(node.input(1), "Pad: the pads")
    value = 0.0
    if (given := node.optional(2)) is not None:
        array = builder.required(given, "Pad: the value")
        if array.size > 1:
            raise ModelError(f"Pad: the value must be one number, not {given.type}")
        value = array.item() if array.size else 0.0
    axes: Sequence[int] = range(x.type.rank)
    if (given := node.optional(3)) is not None:
        axes = builder.required_integers(given, "Pad: the axes")
    return [_pad(builder, node, axes, pads, value)]


def _pad(
    builder: Builder, node: NodeView, axes: Sequence[int], pads: Sequence[int], value: float
) -> Value:
    x, mode = node.input(0), node.text("mode", "constant")
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise UnsupportedError(f"Pad: mode '{mode}' is not supported")
    if len(pads) != 2 * len(axes):
        raise ModelError(f"Pad: {len(pads)} pads for {len(axes)} axes")
    before, after = [0] * x.type.rank, [0] * x.type.rank
    for position, axis in enumerate(axes):
        axis = normal_axis(axis, x.type.rank)
        before[axis], after[axis] = pads[position], pads[position + len(axes)]
    x = _cropped(builder, x, before, after)
    before, after = [max(p, 0) for p in before], [max(p, 0) for p in after]
    if not any(before) and not any(after):
        return x
    value = float(value) if x.type.dtype.is_float else int(value)
    return builder.emit("pad", x, before=tuple(before), after=tuple(after), value=value, mode=mode)


def _cropped(builder: Builder, x: Value, before: list[int], after: list[int]) -> Value:
    """Negative padding takes away."""
    extents = {}
    for axis, (low, high) in enumerate(zip(before, after, strict=True)):
        if low < 0 or high < 0:
            size = x.type.shape[axis]
            if not isinstance(size, int):
                raise builder.unresolved(f"Pad: the size of axis {axis} of {x.type}")
            low, high = max(-low, 0), max(-high, 0)
            if low + high > size:
                raise ModelError(f"Pad: axis {axis} of {x.type} is cropped by {low} and {high}")
            extents[axis] = Extent(low, size - low - high, 1)
    return sliced(builder, x, extents)


def _cast_by_name(builder: Builder, node: NodeView) -> list[Value]:
    """Cast before operator set 6."""
    name = node.text("to")
    if name not in TensorProto.DataType.keys():  # noqa: SIM118  protobuf's enum is no mapping
        raise ModelError(f"Cast: there is no element type '{name}'")
    return [builder.cast(node.input(0), dtype_from_onnx(TensorProto.DataType.Value(name), "to"))]


def _cast(builder: Builder, node: NodeView) -> list[Value]:
    to = dtype_from_onnx(node.integer("to"), "Cast: to")
    return [converted(builder, node, node.input(0), to)]


def _cast_like(builder: Builder, node: NodeView) -> list[Value]:
    return [converted(builder, node, node.input(0), node.input(1).type.dtype)]


def _bit_cast(builder: Builder, node: NodeView) -> list[Value]:
    to = dtype_from_onnx(node.integer("to"), "BitCast: to")
    return [builder.emit("bitcast", node.input(0), to=to)]


def _depth_to_space(builder: Builder, node: NodeView) -> list[Value]:
    x, block, mode = _blocks(node)
    n, c, h, w = _image(node, x)
    depth = quotient([c], [block, block])
    if depth is None:
        raise ModelError(f"DepthToSpace: channels of {x.type} do not split into blocks of {block}")
    split: tuple[Dim, ...]
    if mode == "DCR":
        split, perm = (n, block, block, depth, h, w), (0, 3, 4, 1, 5, 2)
    else:
        split, perm = (n, depth, block, block, h, w), (0, 1, 4, 2, 5, 3)
    moved = builder.transpose(builder.reshape(x, split), perm)
    return [builder.reshape(moved, (n, depth, product([h, block]), product([w, block])))]


def _space_to_depth(builder: Builder, node: NodeView) -> list[Value]:
    x, block, mode = _blocks(node)
    n, c, h, w = _image(node, x)
    rows, columns = quotient([h], [block]), quotient([w], [block])
    if rows is None or columns is None:
        raise ModelError(f"SpaceToDepth: {x.type} does not split into blocks of {block}")
    split = builder.reshape(x, (n, c, rows, block, columns, block))
    moved = builder.transpose(split, (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4))
    return [builder.reshape(moved, (n, product([c, block, block]), rows, columns))]


def _blocks(node: NodeView) -> tuple[Value, int, str]:
    """The input, the size of blocks, and which comes first in the channels: block or depth."""
    mode = node.text("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise ModelError(f"{node.op_type}: mode '{mode}' is neither DCR nor CRD")
    if node.integer("blocksize") < 1:
        raise ModelError(f"{node.op_type}: blocksize {node.integer('blocksize')} is below 1")
    return node.input(0), node.integer("blocksize"), mode


def _image(node: NodeView, x: Value) -> tuple[Dim, Dim, Dim, Dim]:
    if x.type.rank != 4:
        raise ModelError(f"{node.op_type}: input {x.type} must have 4 axes")
    n, c, h, w = x.type.shape
    return n, c, h, w


def _trilu(builder: Builder, node: NodeView) -> list[Value]:
    k = 0
    if (given := node.optional(1)) is not None:
        (k,) = builder.required_integers(given, "Trilu: k")
    return [builder.emit("trilu", node.input(0), upper=node.flag("upper", True), k=k)]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Cast": {1: _cast_by_name, 6: _cast},
    "CastLike": _cast_like,
    "BitCast": _bit_cast,
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Pad": {1: _pad_attributes, 11: _pad_inputs},
    "Reshape": {1: _reshape_attribute, 5: _reshape},
    "Slice": {1: _slice_attributes, 10: _slice_inputs},
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": {1: _squeeze(_attribute_axes), 13: _squeeze(_input_axes)},
    "Tile": {1: _tile_axis, 6: _tile},
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": {1: _unsqueeze(_attribute_axes), 13: _unsqueeze(_input_axes)},
}
