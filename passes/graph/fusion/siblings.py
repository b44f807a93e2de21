"""Which contractions may be computed as one. Nothing here asks whether it pays.

Siblings read the same input and have constant weights of the same geometry: their outputs are
slices of the output of one contraction with the weights of all. What follows each of them, a
constant by channel to add and functions of one argument, can come before the slices where it is the
same for all.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import attr_of, complete_attrs
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS

Array = np.ndarray[Any, np.dtype[Any]]
Users = Mapping[Value, Sequence[Node]]


@dataclass(slots=True)
class Sibling:
    """A contraction, the nodes after it that could be computed with it, and the bias among them.

    `steps` is a chain: each node is the only reader of the one before it. Where the first is an
    addition of a constant by channel, `bias` is that constant as a vector.
    """

    anchor: Node
    steps: list[Node] = field(default_factory=list)
    bias: Array | None = None

    @property
    def channels(self) -> int:
        """Output channels: the length of the axis along which siblings are joined."""
        shape = self.anchor.output.type.static_shape
        return shape[channel_axis(self.anchor)]

    def after(self, count: int) -> Value:
        """The value after the first `count` steps."""
        return (self.steps[count - 1] if count else self.anchor).output


def channel_axis(node: Node) -> int:
    """The axis of output channels."""
    return 1 if node.op == "conv" else node.output.type.rank - 1


def sibling_key(graph: Graph, node: Node) -> Hashable | None:
    """What siblings have in common; None for a node that has none."""
    if node.op not in ("conv", "matmul") or not node.output.type.is_static:
        return None
    weight = graph.constants.get(node.inputs[1])
    if weight is None or node.inputs[0] in graph.constants:
        return None
    attrs = tuple(sorted(complete_attrs(node.op, node.attrs).items()))
    if node.op == "conv":
        return (node.op, node.inputs[0], attrs, weight.shape[1:]) if _one_group(node) else None
    if weight.ndim != 2 or attr_of(node, "transpose_a"):
        return None
    return node.op, node.inputs[0], attrs


def _one_group(node: Node) -> bool:
    return attr_of(node, "groups") == 1


def weight_axis(node: Node) -> int:
    """The axis of the weights that belongs to output channels."""
    return 0 if node.op == "conv" or attr_of(node, "transpose_b") else 1


def follow(graph: Graph, users: Users, anchor: Node) -> Sibling:
    """The chain of steps after a contraction."""
    sibling = Sibling(anchor)
    value = anchor.output
    while value not in graph.outputs and len(users.get(value, ())) == 1:
        (node,) = users[value]
        if OPERATORS[node.op].kind is not Kind.ELEMENTWISE or len(node.outputs) != 1:
            break
        if node.output.type.shape != value.type.shape:
            break
        if not sibling.steps and node.op == "add":
            sibling.bias = _bias(graph, node, value, channel_axis(anchor))
            if sibling.bias is None:
                break
        elif len(node.inputs) != 1:
            break
        sibling.steps.append(node)
        value = node.output
    return sibling


def _bias(graph: Graph, node: Node, value: Value, axis: int) -> Array | None:
    """The constant that `node` adds to `value`, as a vector over `axis`; None if it is no such."""
    left, right = node.inputs
    array = graph.constants.get(right if left is value else left)
    shape = value.type.static_shape
    if left is right or array is None or array.ndim > len(shape):
        return None
    padded = (1,) * (len(shape) - array.ndim) + array.shape
    if any(dim != 1 for i, dim in enumerate(padded) if i != axis):
        return None
    return np.broadcast_to(array.reshape(-1), (shape[axis],))


def common_steps(siblings: Sequence[Sibling]) -> int:
    """How many of the first steps are the same for all siblings, but for the bias."""
    count = 0
    for nodes in zip(*(sibling.steps for sibling in siblings), strict=False):
        if len({(node.op, tuple(sorted(node.attrs.items()))) for node in nodes}) != 1:
            break
        count += 1
    return count
