"""Views: graph values that are another value's memory seen through other strides.

Transposes, slices, broadcasts and most reshapes move nothing: their output is bound to the memory
of their input. After this pass every value of the graph is a `View` of a root: an input, a
constant, or the output of a node that computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mlc.ir.graph import Attr, Graph, Node, Value


@dataclass(frozen=True, slots=True)
class View:
    """`offset` and `strides`, in elements, of a value inside the memory of `root`."""

    root: Value
    offset: int
    strides: tuple[int, ...]

    def part(self, start: Sequence[int]) -> View:
        """The view of a part of this one that begins at the index `start`."""
        moved = sum(i * stride for i, stride in zip(start, self.strides, strict=True))
        return View(self.root, self.offset + moved, self.strides)


NOWHERE: Mapping[Value, View] = MappingProxyType({})
"""No value is placed in the memory of another."""


def bind_views(graph: Graph, placed: Mapping[Value, View] = NOWHERE) -> dict[Value, View]:
    """The view of every value of a graph.

    A node whose output has no view (it computes, or its reshape can't be expressed by strides) is
    the root of its own outputs, but for those that are `placed` in the memory of another root.
    """
    views = {value: own_view(value) for value in (*graph.inputs, *graph.constants)}
    for node in graph.nodes:
        view = None if node.outputs[0] in placed else view_of(node, views)
        if view is not None:
            views[node.output] = view
        else:
            views.update({v: placed.get(v) or own_view(v) for v in node.outputs})
    return views


def view_of(node: Node, views: Mapping[Value, View]) -> View | None:
    """The view that a node's output is of its input's memory, if it is one."""
    make = _VIEWS.get(node.op)
    if make is None:
        return None
    source = views[node.inputs[0]]
    return make(source, node.inputs[0].type.static_shape, node.attrs, node.output)


def strides_before(node: Node, strides: Sequence[int]) -> tuple[int, ...] | None:
    """The strides of the input of a `transpose` or `reshape` whose output has `strides`.

    None where no strides do that, and for other nodes: their input is not all there.
    """
    if node.op == "transpose":
        perm: tuple[int, ...] = node.attrs["perm"]  # type: ignore[assignment]
        return tuple(strides[perm.index(axis)] for axis in range(len(perm)))
    if node.op == "reshape":
        shapes = [value.type.static_shape for value in (node.output, node.inputs[0])]
        return reshape_strides(shapes[0], strides, shapes[1])
    return None


def own_view(value: Value) -> View:
    """The view of a value that has memory of its own."""
    return View(value, 0, value.type.strides)


def _transpose(source: View, shape: Sequence[int], attrs: Mapping[str, Attr], out: Value) -> View:
    perm: tuple[int, ...] = attrs["perm"]  # type: ignore[assignment]
    return View(source.root, source.offset, tuple(source.strides[axis] for axis in perm))


def _slice(source: View, shape: Sequence[int], attrs: Mapping[str, Attr], out: Value) -> View:
    starts: tuple[int, ...] = attrs["starts"]  # type: ignore[assignment]
    steps: tuple[int, ...] = attrs["steps"]  # type: ignore[assignment]
    offset = sum(start * stride for start, stride in zip(starts, source.strides, strict=True))
    strides = tuple(step * stride for step, stride in zip(steps, source.strides, strict=True))
    return View(source.root, source.offset + offset, strides)


def _expand(source: View, shape: Sequence[int], attrs: Mapping[str, Attr], out: Value) -> View:
    target = out.type.static_shape
    lead = len(target) - len(shape)
    strides = [0] * lead
    for axis, size in enumerate(shape):
        strides.append(source.strides[axis] if size == target[lead + axis] else 0)
    return View(source.root, source.offset, tuple(strides))


def _reshape(
    source: View, shape: Sequence[int], attrs: Mapping[str, Attr], out: Value
) -> View | None:
    strides = reshape_strides(shape, source.strides, out.type.static_shape)
    return None if strides is None else View(source.root, source.offset, strides)


def reshape_strides(
    shape: Sequence[int], strides: Sequence[int], target: Sequence[int]
) -> tuple[int, ...] | None:
    """Strides that show an array of `shape` and `strides` as `target`, or None if it needs a copy.

    >>> reshape_strides((4, 6), (6, 1), (2, 2, 6))
    (12, 6, 1)
    >>> reshape_strides((4, 6), (1, 4), (24,)) is None
    True
    """
    if math.prod(target) == 0:
        return tuple(0 for _ in target)
    axes = [(d, s) for d, s in zip(shape, strides, strict=True) if d != 1]
    result = [1] * len(target)
    inner, step = len(target) - 1, 1
    for size, step in _merged(reversed(axes)):
        while size > 1:
            while inner >= 0 and target[inner] == 1:
                result[inner] = step
                inner -= 1
            if inner < 0 or size % target[inner]:
                return None
            result[inner] = step
            step *= target[inner]
            size //= target[inner]
            inner -= 1
    return (*[step] * (inner + 1), *result[inner + 1 :])


def _merged(axes: object) -> list[tuple[int, int]]:
    """Neighbouring axes that lie one in the other become one; innermost first."""
    merged: list[tuple[int, int]] = []
    for size, step in axes:  # type: ignore[attr-defined]
        if merged and merged[-1][0] * merged[-1][1] == step:
            merged[-1] = (merged[-1][0] * size, merged[-1][1])
        else:
            merged.append((size, step))
    return merged


_VIEWS: dict[str, Callable[..., View | None]] = {
    "transpose": _transpose,
    "slice": _slice,
    "expand": _expand,
    "reshape": _reshape,
}
