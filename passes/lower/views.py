"""Views: graph values that are another value's memory seen through other strides.

Transposes, slices, broadcasts and most reshapes move nothing: their output is bound to the memory
of their input. After this pass every value of the graph is a `View` of a root: an input, a
constant, or the output of a node that computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlc.ir.graph import Attr, Graph, Node, Value


@dataclass(frozen=True, slots=True)
class View:
    """`offset` and `strides`, in elements, of a value inside the memory of `root`."""

    root: Value
    offset: int
    strides: tuple[int, ...]


def bind_views(graph: Graph) -> dict[Value, View]:
    """The view of every value of a graph.

    A node whose output has no view (it computes, or its reshape can't be expressed by strides) is
    the root of its own outputs.
    """
    views = {value: _root(value) for value in (*graph.inputs, *graph.constants)}
    for node in graph.nodes:
        view = view_of(node, views)
        if view is not None:
            views[node.output] = view
        else:
            views.update({value: _root(value) for value in node.outputs})
    return views


def view_of(node: Node, views: Mapping[Value, View]) -> View | None:
    """The view that a node's output is of its input's memory, if it is one."""
    make = _VIEWS.get(node.op)
    if make is None:
        return None
    source = views[node.inputs[0]]
    return make(source, node.inputs[0].type.static_shape, node.attrs, node.output)


def _root(value: Value) -> View:
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
        strides.append(0 if size == 1 else source.strides[axis])
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
    result = [0] * len(target)
    inner = len(target) - 1
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
    return tuple(result)


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
