"""split-groups: a 3×3 convolution in a few wide groups becomes one convolution for each group.

Winograd's algorithm takes convolutions of one group. What is elementwise after the convolution is
split with it, so that it stays fused into the kernels; the parts are written side by side into one
buffer, and each reads its channels of the input where they lie, so that nothing is copied.

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(SplitGroups(fewest_channels=1), '''
    ... graph g(%x: f32[1,2,3,3]) -> (%y) {
    ...   const %w: f32[2,1,3,3] = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]
    ...   %t: f32[1,2,1,1] = conv(%x, %w)
    ...     {strides = (1, 1), before = (0, 0), after = (0, 0), dilations = (1, 1), groups = 2}
    ...   %y: f32[1,2,1,1] = relu(%t)
    ... }'''))
    graph g(%x: f32[1,2,3,3]) -> (%y) {
      ...
      %t.0: f32[1,1,1,1] = conv(%x.0, %w.0) {... groups = 1}
      %y.0: f32[1,1,1,1] = relu(%t.0)
      ...
      %t.1: f32[1,1,1,1] = conv(%x.1, %w.1) {... groups = 1}
      %y.1: f32[1,1,1,1] = relu(%t.1)
      %y: f32[1,2,1,1] = concat(%y.0, %y.1) {axis = 1}
    }

Holds before: convolutions do not pad. After: no 3×3 convolution of stride 1×1 or 2×2 with
constant weights has from two to four groups of many channels.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from mlc.ir.graph import Attr, Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit, attr_of
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.passes.base import Pass
from mlc.passes.context import Context

_STRIDES = ((1, 1), (2, 2))


@dataclass(frozen=True)
class SplitGroups(Pass):
    """See the top of this file.

    With more than `most_groups`, or fewer than `fewest_channels` in a group, one kernel over all of
    them is better.
    """

    name: ClassVar[str] = "split-groups"
    most_groups: int = 4
    fewest_channels: int = 16

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph."""
        edit = GraphEdit(graph)
        done: set[Node] = set()
        for node in graph.nodes:
            if node in done:
                continue
            weights = edit.array(node.inputs[1]) if node.op == "conv" else None
            if weights is None or not self._splits(node):
                edit.keep(node)
                continue
            chain = _chain(edit, node)
            done.update(chain)
            groups = cast("int", attr_of(node, "groups"))
            parts = [_part(edit, chain, weights, number, groups) for number in range(groups)]
            last = chain[-1]
            whole = edit.emit("concat", parts, {"axis": 1}, name=last.output.name, loc=last.loc)
            edit.replace(last.output, whole)
            reason = "each of its {} groups is a convolution by itself"
            context.decide(self.name, node.output.name, "split", reason, groups)
        return edit.finish()

    def _splits(self, node: Node) -> bool:
        filters, channels, *kernel = node.inputs[1].type.static_shape
        groups = cast("int", attr_of(node, "groups"))
        return (
            kernel == [3, 3]
            and attr_of(node, "strides") in _STRIDES
            and attr_of(node, "dilations") == (1, 1)
            and 2 <= groups <= self.most_groups
            and min(channels, filters // groups) >= self.fewest_channels
        )


def _chain(edit: GraphEdit, node: Node) -> list[Node]:
    """The convolution, and what is elementwise after it with constants alone."""
    chain = [node]
    shape = node.output.type.shape
    while chain[-1].output not in edit.graph.outputs:
        users = edit.users(chain[-1].output)
        if len(users) != 1 or OPERATORS[users[0].op].kind is not Kind.ELEMENTWISE:
            break
        user = users[0]
        others = [value for value in user.inputs if value is not chain[-1].output]
        constant = all(edit.array(value) is not None for value in others)
        if not constant or len(user.outputs) != 1 or user.output.type.shape != shape:
            break
        chain.append(user)
    return chain


def _part(
    edit: GraphEdit, chain: Sequence[Node], weights: np.ndarray, number: int, groups: int
) -> Value:
    """The results of one group."""
    node = chain[0]
    source = node.inputs[0]
    batch, channels, *sizes = source.type.static_shape
    wide = channels // groups
    cut: dict[str, Attr] = {
        "starts": (0, number * wide, *(0 for _ in sizes)),
        "sizes": (batch, wide, *sizes),
        "steps": (1,) * (2 + len(sizes)),
    }
    value = edit.emit("slice", [source], cut, name=f"{source.name}.{number}", loc=node.loc)
    filters = len(weights) // groups
    own = slice(number * filters, (number + 1) * filters)
    constant = edit.constant(weights[own], f"{node.inputs[1].name}.{number}", node.loc)
    attrs: dict[str, Attr] = {**node.attrs, "groups": 1}
    value = _emit(edit, node, [value, constant], attrs, number)
    for before, user in itertools.pairwise(chain):
        inputs = [
            value if each is before.output else _own_channels(edit, each, len(weights), own, number)
            for each in user.inputs
        ]
        value = _emit(edit, user, inputs, user.attrs, number)
    return value


def _emit(
    edit: GraphEdit, node: Node, inputs: Sequence[Value], attrs: Mapping[str, Attr], number: int
) -> Value:
    return edit.emit(node.op, inputs, attrs, name=f"{node.output.name}.{number}", loc=node.loc)


def _own_channels(edit: GraphEdit, value: Value, channels: int, own: slice, number: int) -> Value:
    """The part of a constant that meets the channels of one group; all of it where it has one."""
    array = edit.array(value)
    assert array is not None
    axis = array.ndim - 3
    if axis < 0 or array.shape[axis] != channels:
        return value
    part = np.moveaxis(np.moveaxis(array, axis, 0)[own], 0, axis)
    return edit.constant(part, f"{value.name}.{number}", value.loc)
