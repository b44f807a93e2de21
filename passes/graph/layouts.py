"""How layouts go through views: transposes, reshapes, axes that are dropped."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mlc.ir.layout import Layout
from mlc.ir.types import Dim, TensorType
from mlc.passes.lower.views import reshape_strides


def memory_axes(shape: Sequence[Dim], layout: Layout | None) -> tuple[int, ...]:
    """The axes in memory order, those of one element left out: they lie anywhere.

    >>> memory_axes((1, 64, 1, 7), Layout.channels_last(4))
    (3, 1)
    """
    order = layout.order if layout is not None else range(len(shape))
    return tuple(axis for axis in order if shape[axis] != 1)


def same_memory(shape: Sequence[Dim], first: Layout | None, second: Layout | None) -> bool:
    """Whether a dense tensor of `shape` has the same bytes in both layouts."""
    return memory_axes(shape, first) == memory_axes(shape, second)


def simplest(shape: Sequence[Dim], layout: Layout | None) -> Layout | None:
    """The plainest layout with the same bytes: row-major, channels-last, or else the given."""
    if same_memory(shape, layout, None):
        return None
    if 3 <= len(shape) <= 5:
        channels_last = Layout.channels_last(len(shape))
        if same_memory(shape, layout, channels_last):
            return channels_last
    return layout


def after_transpose(source: Layout | None, perm: Sequence[int]) -> Layout:
    """The layout in which a transpose's output is its input's memory.

    >>> str(after_transpose(Layout.channels_last(4), (0, 2, 3, 1)))
    'NCHW'
    """
    place = {axis: position for position, axis in enumerate(perm)}
    order = source.order if source is not None else range(len(perm))
    return Layout(tuple(place[axis] for axis in order))


def before_transpose(wanted: Layout, perm: Sequence[int]) -> Layout:
    """The layout of a transpose's input with which its output has `wanted` for free."""
    return Layout(tuple(perm[axis] for axis in wanted.order))


def after_reshape(source: TensorType, shape: Sequence[Dim]) -> tuple[bool, Layout | None]:
    """Whether a reshape of a dense tensor is a view, and the layout that its output then has."""
    if source.layout is None:
        return True, None
    target = tuple(dim for dim in shape if isinstance(dim, int))
    if not source.is_static or len(target) != len(shape):
        return False, None
    strides = reshape_strides(source.static_shape, source.strides, target)
    if strides is None:
        return False, None
    narrow = [axis for axis, dim in enumerate(target) if dim == 1]
    wide = [axis for axis, dim in enumerate(target) if dim != 1]
    wide.sort(key=lambda axis: -strides[axis])
    return True, simplest(target, Layout((*narrow, *wide)))


def before_reshape(source: TensorType, output: TensorType, wanted: Layout | None) -> Layout | None:
    """The layout of a reshape's input that gives its output `wanted` for free; else row-major."""
    is_view, layout = after_reshape(output.with_layout(wanted), source.shape)
    return layout if is_view else None


def without_axes(source: Layout | None, rank: int, axes: Collection[int]) -> Layout:
    """The layout of what is left when `axes` are dropped.

    >>> without_axes(Layout.channels_last(4), 4, (2,)).order
    (0, 2, 1)
    """
    left = [axis for axis in range(rank) if axis not in axes]
    place = {axis: position for position, axis in enumerate(left)}
    order = source.order if source is not None else range(rank)
    return Layout(tuple(place[axis] for axis in order if axis in place))
