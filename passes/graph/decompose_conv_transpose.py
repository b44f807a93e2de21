"""decompose-conv-transpose: a transposed convolution becomes a convolution and a rearrangement.

An output position y (counted from the start of the padding) is `q * stride + p`: of the kernel only
the elements `p, p + stride, …` reach it, and they meet the inputs `q, q - 1, …`. So each of the
`stride` phases p is a convolution of its own with a kernel of `ceil(kernel / stride)` elements. All
phases together are one convolution with `stride` times the channels, whose output is woven together
by a transpose ("sub-pixel convolution", Shi et al., 2016).

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(DecomposeConvTranspose(), '''
    ... graph g(%x: f32[1,3,8]) -> (%y) {
    ...   const %w: f32[3,1,2] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    ...   %y: f32[1,1,16] = conv_transpose(%x, %w)
    ...     {strides = (2,), before = (0,), after = (0,), dilations = (1,)}
    ... }'''))
    graph g(%x: f32[1,3,8]) -> (%y) {
      const %w.phases: f32[2,3,1] = [1.0, 3.0, 5.0, 2.0, 4.0, 6.0] %y.phases: f32[1,2,8] =
      conv(%x, %w.phases) {strides = (1,), before = (0,), after = (0,), dilations = (1,), groups =
      1} %y.split: f32[1,2,1,8] = reshape(%y.phases) {shape = (1, 2, 1, 8)} %y.woven: f32[1,1,8,2]
      = transpose(%y.split) {perm = (0, 2, 3, 1)} %y: f32[1,1,16] = reshape(%y.woven) {shape = (1,
      1, 16)}
    }

Holds after: no `conv_transpose` with constant weights, one group and no dilation. Others stay.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from mlc.ir.graph import Attr, Graph, Loc, Node, Value
from mlc.ir.graph_edit import GraphEdit, attr_of
from mlc.passes.base import Pass
from mlc.passes.context import Context

Ints = tuple[int, ...]


@dataclass(frozen=True)
class DecomposeConvTranspose(Pass):
    """See the top of this file."""

    name: ClassVar[str] = "decompose-conv-transpose"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph."""
        edit = GraphEdit(graph)
        for node in graph.nodes:
            weights = edit.array(node.inputs[1]) if node.op == "conv_transpose" else None
            if weights is None or not _is_plain(node):
                edit.keep(node)
            else:
                edit.replace(node.output, _decomposed(edit, node, weights))
        return edit.finish()


def _is_plain(node: Node) -> bool:
    dilations = cast(Ints, attr_of(node, "dilations"))
    return attr_of(node, "groups") == 1 and all(dilation == 1 for dilation in dilations)


def phase_weights(weights: np.ndarray, strides: Ints) -> np.ndarray:
    """Weights [C, O, *kernel] as those of one convolution: [phases * O, C, *ceil(kernel/stride)].

    The channels of a phase stay together, so that channels-last layouts are woven by whole vectors.
    """
    channels, outputs, *kernel = weights.shape
    taps = [-(-size // stride) for size, stride in zip(kernel, strides, strict=True)]
    result = np.zeros((*strides, outputs, channels, *taps), weights.dtype)
    for phase in itertools.product(*map(range, strides)):
        every = [slice(p, None, s) for p, s in zip(phase, strides, strict=True)]
        reached = (slice(None), slice(None), *every)
        picked = weights[reached]
        flipped = np.flip(picked, tuple(range(2, picked.ndim))).swapaxes(0, 1)
        lengths = zip(taps, picked.shape[2:], strict=True)
        last = [slice(tap - length, None) for tap, length in lengths]
        place: list[slice | int] = [*phase, slice(None), slice(None), *last]
        result[tuple(place)] = flipped
    return result.reshape(-1, channels, *taps)


def _decomposed(edit: GraphEdit, node: Node, weights: np.ndarray) -> Value:
    strides = cast(Ints, attr_of(node, "strides"))
    name, loc = node.output.name, node.loc
    phases = phase_weights(weights, strides)
    constant = edit.constant(phases, f"{node.inputs[1].name}.phases", loc)
    reach = tuple(size - 1 for size in phases.shape[2:])
    ones = (1,) * len(strides)
    attrs: dict[str, Attr] = {"strides": ones, "dilations": ones, "groups": 1}
    attrs |= {"before": reach, "after": reach}
    value = edit.emit("conv", [node.inputs[0], constant], attrs, name=f"{name}.phases", loc=loc)
    batch, _, *positions = value.type.static_shape
    rank = len(strides)
    split = (batch, *strides, weights.shape[1], *positions)
    value = edit.emit("reshape", [value], {"shape": split}, name=f"{name}.split", loc=loc)
    woven = [axis for k in range(rank) for axis in (2 + rank + k, 1 + k)]
    perm = (0, 1 + rank, *woven)
    value = edit.emit("transpose", [value], {"perm": perm}, name=f"{name}.woven", loc=loc)
    sizes = [size * stride for size, stride in zip(positions, strides, strict=True)]
    shape = (batch, weights.shape[1], *sizes)
    value = edit.emit("reshape", [value], {"shape": shape}, name=f"{name}.whole", loc=loc)
    wanted = node.output.type.static_shape
    before = cast(Ints, attr_of(node, "before"))
    return _cropped(edit, value, (0, 0, *before), wanted, loc)


def _cropped(edit: GraphEdit, value: Value, starts: Ints, sizes: Ints, loc: Loc) -> Value:
    """The part of the woven output that is asked for; what output padding adds is zero."""
    have = value.type.static_shape
    inside = tuple(min(h - s, w) for h, s, w in zip(have, starts, sizes, strict=True))
    if inside != have:
        attrs: dict[str, Attr] = {"starts": starts, "sizes": inside, "steps": (1,) * len(have)}
        value = edit.emit("slice", [value], attrs, loc=loc)
    missing = tuple(w - i for w, i in zip(sizes, inside, strict=True))
    if any(missing):
        zeros = (0,) * len(missing)
        attrs = {"before": zeros, "after": missing, "value": 0.0, "mode": "constant"}
        value = edit.emit("pad", [value], attrs, loc=loc)
    return value
