"""fold-batch-norm: constants that scale and shift channels go into the weights before them.

A convolution or matrix product with constant weights, followed by any chain of `batch_norm`, `mul`,
`div`, `add`, `sub` and `neg` with constants by output channel, becomes one with scaled weights and
at most one `add`. The product of all factors is formed in float64 and rounded once. Any other
`batch_norm` becomes a `mul` and an `add`.

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(FoldBatchNorm(), '''
    ... graph g(%x: f32[8,2]) -> (%z) {
    ...   const %w: f32[2,2] = [1, 2, 3, 4]
    ...   const %s: f32[2] = [10, 100]
    ...   const %b: f32[2] = [5, 6]
    ...   %m: f32[8,2] = matmul(%x, %w)
    ...   %y: f32[8,2] = mul(%m, %s)
    ...   %z: f32[8,2] = add(%y, %b)
    ... }'''))
    graph g(%x: f32[8,2]) -> (%z) {
      const %w.scaled: f32[2,2] = [10.0, 200.0, 30.0, 400.0]
      const %z.shift: f32[2] = [5.0, 6.0]
      %m: f32[8,2] = matmul(%x, %w.scaled)
      %z: f32[8,2] = add(%m, %z.shift)
    }

Holds after: there is no `batch_norm`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit, attr_of, join_locs
from mlc.passes.base import Pass
from mlc.passes.context import Context

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Affine:
    """`x * scale + shift` by channel, in float64; a scale of None is one."""

    scale: Array | None
    shift: Array

    def times(self, factor: Array) -> Affine:
        """Followed by a multiplication."""
        scale = factor if self.scale is None else self.scale * factor
        return Affine(scale, self.shift * factor)

    def plus(self, term: Array) -> Affine:
        """Followed by an addition."""
        return Affine(self.scale, self.shift + term)


_UNCHANGED = Affine(None, np.zeros(1))


@dataclass(frozen=True)
class FoldBatchNorm(Pass):
    """See the top of this file."""

    name: ClassVar[str] = "fold-batch-norm"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph and of the weights that change."""
        edit = GraphEdit(graph)
        users = graph.users()
        folded: set[Node] = set()
        for node in graph.nodes:
            if node in folded:
                continue
            start = _start(graph, node)
            chain, affine = _follow(graph, users, node, start) if start else ([], _UNCHANGED)
            if node.op == "batch_norm":
                _split_batch_norm(edit, node, chain, affine if start else None)
            elif affine.scale is not None or len(chain) > 1:
                _fold(edit, node, chain, affine)
                steps = " ".join(step.op for step in chain)
                context.decide(self.name, node.output.name, "folded", "{} into the weights", steps)
            else:
                edit.keep(node)
                continue
            folded.update(chain)
        return edit.finish()


def _start(graph: Graph, node: Node) -> Affine | None:
    """What a node does to the channels that steps after it can join; None if they cannot."""
    if not node.outputs[0].type.dtype.is_float:
        return None
    if node.op == "batch_norm":
        return _batch_norm_affine([graph.constants.get(v) for v in node.inputs[1:]], node)
    axis = _CHANNEL_AXIS.get(node.op)
    if axis is None or node.inputs[1] not in graph.constants:
        return None
    return _UNCHANGED if isinstance(node.output.type.shape[axis], int) else None


def _follow(
    graph: Graph, users: dict[Value, list[Node]], start: Node, affine: Affine
) -> tuple[list[Node], Affine]:
    """The nodes after `start` that scale and shift channels by constants, and what all do."""
    chain: list[Node] = []
    value, axis = start.output, _CHANNEL_AXIS[start.op]
    while value not in graph.outputs and len(users.get(value, ())) == 1:
        (node,) = users[value]
        step = _STEPS.get(node.op)
        following = step(graph, node, value, affine, axis) if step else None
        if following is None or node.output.type.shape != value.type.shape:
            break
        chain.append(node)
        affine, value = following, node.output
    return chain, affine


def _by_channel(graph: Graph, value: Value, like: Value, axis: int) -> Array | None:
    """A constant as a vector over the channels of `like`, or None if it is anything else."""
    array = graph.constants.get(value)
    if array is None or array.ndim > like.type.rank:
        return None
    axis %= like.type.rank
    shape = (1,) * (like.type.rank - array.ndim) + array.shape
    if any(dim != 1 for i, dim in enumerate(shape) if i != axis):
        return None
    return array.astype(np.float64).reshape(-1)


def _other(node: Node, value: Value) -> Value | None:
    """The other input of a binary node; None where both are `value`."""
    left, right = node.inputs
    return None if left is right else right if left is value else left


Step = Callable[[Graph, Node, Value, Affine, int], "Affine | None"]


def _step_binary(
    graph: Graph, node: Node, value: Value, affine: Affine, axis: int
) -> Affine | None:
    other = _other(node, value)
    constant = None if other is None else _by_channel(graph, other, value, axis)
    if constant is None:
        return None
    value_first = node.inputs[0] is value
    match node.op:
        case "mul":
            return affine.times(constant)
        case "div" if value_first:
            return affine.times(1.0 / constant) if constant.all() else None
        case "add":
            return affine.plus(constant)
        case "sub" if value_first:
            return affine.plus(-constant)
        case "sub":
            return affine.times(np.full(1, -1.0)).plus(constant)
    return None


def _step_neg(graph: Graph, node: Node, value: Value, affine: Affine, axis: int) -> Affine | None:
    return affine.times(np.full(1, -1.0))


def _step_batch_norm(
    graph: Graph, node: Node, value: Value, affine: Affine, axis: int
) -> Affine | None:
    if node.inputs[0] is not value or axis % value.type.rank != 1:
        return None
    own = _batch_norm_affine([graph.constants.get(v) for v in node.inputs[1:]], node)
    return None if own is None or own.scale is None else affine.times(own.scale).plus(own.shift)


def _batch_norm_affine(parameters: Sequence[Array | None], node: Node) -> Affine | None:
    """What a batch_norm with constant parameters scale, bias, mean and variance does."""
    known = [array.astype(np.float64) for array in parameters if array is not None]
    if len(known) != 4:
        return None
    scale, bias, mean, variance = known
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + cast("float", attr_of(node, "epsilon")))
        return Affine(factor, bias - mean * factor)


_STEPS: dict[str, Step] = {
    **dict.fromkeys(("mul", "div", "add", "sub"), _step_binary),
    "neg": _step_neg,
    "batch_norm": _step_batch_norm,
}


def _fold(edit: GraphEdit, anchor: Node, chain: Sequence[Node], affine: Affine) -> None:
    """Emit `anchor` with scaled weights, then the shift, in place of the chain."""
    loc = join_locs((anchor.loc, *(node.loc for node in chain)))
    weight = anchor.inputs[1]
    if affine.scale is not None:
        scaled = _SCALE_WEIGHTS[anchor.op](edit.constants[weight], affine.scale, anchor)
        weight = edit.constant(scaled, f"{weight.name}.scaled", weight.loc)
    edit.append(replace(anchor, inputs=(anchor.inputs[0], weight), loc=loc))
    result = anchor.output
    if affine.shift.any():
        axis = _CHANNEL_AXIS[anchor.op] % result.type.rank
        shift = affine.shift.astype(result.type.dtype.numpy)
        shift = shift.reshape(-1, *(1,) * (result.type.rank - 1 - axis))
        term = edit.constant(shift, f"{chain[-1].output.name}.shift", loc)
        result = edit.emit("add", (result, term), name=chain[-1].output.name, loc=loc)
    edit.replace(chain[-1].output, result)


def _product(weight: Array, factor: Array) -> Array:
    """`weight * factor`, computed in float64 piece by piece and rounded once."""
    result = np.empty_like(weight)
    with np.errstate(all="ignore"):
        np.multiply(weight, factor, out=result, dtype=np.float64, casting="unsafe")
    return result


def _scale_conv(weight: Array, scale: Array, node: Node) -> Array:
    return _product(weight, scale.reshape(-1, *(1,) * (weight.ndim - 1)))


def _scale_conv_transpose(weight: Array, scale: Array, node: Node) -> Array:
    """Weights are [C, O/groups, …]: input channel c belongs to group c·groups/C."""
    groups = cast("int", attr_of(node, "groups"))
    channels, per_group = weight.shape[:2]
    by_group = np.broadcast_to(scale, (groups * per_group,)).reshape(groups, per_group)
    factor = np.repeat(by_group, channels // groups, axis=0)
    return _product(weight, factor.reshape(channels, per_group, *(1,) * (weight.ndim - 2)))


def _scale_matmul(weight: Array, scale: Array, node: Node) -> Array:
    return _product(weight, scale[:, None] if attr_of(node, "transpose_b") else scale)


_CHANNEL_AXIS = {"conv": 1, "conv_transpose": 1, "matmul": -1, "batch_norm": 1}
_SCALE_WEIGHTS: dict[str, Callable[[Array, Array, Node], Array]] = {
    "conv": _scale_conv,
    "conv_transpose": _scale_conv_transpose,
    "matmul": _scale_matmul,
}


def _split_batch_norm(
    edit: GraphEdit, node: Node, chain: Sequence[Node], affine: Affine | None
) -> None:
    """A batch_norm that follows no weights, with the steps after it: `x * scale + shift`.

    Without `affine`, its parameters are computed at run time.
    """
    x, last = node.inputs[0], [node, *chain][-1].output
    loc = join_locs((node.loc, *(step.loc for step in chain)))
    if affine is None or affine.scale is None:
        factor, term = _scale_and_shift_nodes(edit, node)
    else:
        shape, dtype = (-1, *(1,) * (x.type.rank - 2)), x.type.dtype.numpy
        factor, term = (
            edit.constant(array.astype(dtype).reshape(shape), f"{last.name}.{what}", loc)
            for what, array in (("scale", affine.scale), ("shift", affine.shift))
        )
    scaled = edit.emit("mul", (x, factor), loc=loc, name=f"{last.name}.scaled")
    edit.replace(last, edit.emit("add", (scaled, term), loc=loc, name=last.name))


def _scale_and_shift_nodes(edit: GraphEdit, node: Node) -> tuple[Value, Value]:
    """The same of parameters that are computed at run time."""
    x, scale, bias, mean, variance = node.inputs
    loc, epsilon = node.loc, cast("float", attr_of(node, "epsilon"))
    small = edit.constant(np.asarray(epsilon, x.type.dtype.numpy), f"{node.output.name}.epsilon")
    deviation = edit.emit("sqrt", [edit.emit("add", (variance, small), loc=loc)], loc=loc)
    factor = edit.emit("div", (scale, deviation), loc=loc)
    term = edit.emit("sub", (bias, edit.emit("mul", (mean, factor), loc=loc)), loc=loc)
    attrs = {"shape": (*scale.type.static_shape, *(1,) * (x.type.rank - 2))}
    return (
        edit.emit("reshape", [factor], attrs, loc=loc),
        edit.emit("reshape", [term], attrs, loc=loc),
    )
