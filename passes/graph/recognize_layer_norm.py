"""recognize-layer-norm: the chain of means and differences becomes `layer_norm` or `rms_norm`.

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(RecognizeLayerNorm(), '''
    ... graph g(%x: f32[8,2]) -> (%y) {
    ...   const %epsilon: f32[] = [0.5]
    ...   const %scale: f32[2] = [2, 3]
    ...   const %bias: f32[2] = [4, 5]
    ...   %m: f32[8,1] = reduce_mean(%x) {axes = (1,), keepdims = true}
    ...   %d: f32[8,2] = sub(%x, %m)
    ...   %q: f32[8,2] = mul(%d, %d)
    ...   %v: f32[8,1] = reduce_mean(%q) {axes = (1,), keepdims = true}
    ...   %e: f32[8,1] = add(%v, %epsilon)
    ...   %r: f32[8,1] = sqrt(%e)
    ...   %n: f32[8,2] = div(%d, %r)
    ...   %s: f32[8,2] = mul(%n, %scale)
    ...   %y: f32[8,2] = add(%s, %bias)
    ... }'''))
    graph g(%x: f32[8,2]) -> (%y) {
      const %scale: f32[2] = [2.0, 3.0]
      const %bias: f32[2] = [4.0, 5.0]
      %y: f32[8,2] = layer_norm(%x, %scale, %bias) {axis = 1, epsilon = 0.5}
    }

The means keep their axes, the last ones. Scale and bias are taken in where they are constants and
nobody else reads what is between; ones and zeros stand for those that are missing. Without the
first mean it is `rms_norm`, which has no bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit, attr_of, join_locs
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.patterns import made_by, scalar
from mlc.passes.graph.rewrites.rule import ints, source_of

Array = np.ndarray[Any, np.dtype[Any]]

_PARAMETERS = {"layer_norm": ("mul", "add"), "rms_norm": ("mul",)}
"""The operators by which each takes in its scale and bias, in the order of its inputs."""


@dataclass(frozen=True)
class RecognizeLayerNorm(Pass):
    """See the top of this file."""

    name: ClassVar[str] = "recognize-layer-norm"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph."""
        return _Recognition(graph, context).run()


@dataclass(frozen=True, slots=True)
class _Found:
    """A normalisation made so far, and which parameters it can still take in, in order."""

    node: Node
    missing: tuple[str, ...]


class _Recognition:
    def __init__(self, graph: Graph, context: Context) -> None:
        self.graph = graph
        self.context = context
        self.edit = GraphEdit(graph)
        self.users = graph.users()
        self.found: dict[Value, _Found] = {}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            made = self.core(node) or self.with_parameter(node)
            if made is None:
                self.edit.keep(node)
                continue
            new, missing = made
            self.edit.replace(node.output, new)
            written = self.edit.current(node.output)
            self.found[written] = _Found(self.edit.producers[written], missing)
        return self.edit.finish()

    def core(self, node: Node) -> tuple[Value, tuple[str, ...]] | None:
        """`d / sqrt(mean(d * d) + epsilon)`, as a quotient or by the reciprocal root."""
        match = self.centred_and_deviation(node)
        if match is None:
            return None
        centred, deviation = match
        spread = self.spread(deviation)
        if spread is None or spread[0] is not centred:
            return None
        _, axis, epsilon = spread
        x, op = self.uncentred(centred, axis)
        ones, zeros = (
            self.edit.constant(make(x.type.static_shape[axis:], x.type.dtype.numpy), op)
            for make in (np.ones, np.zeros)
        )
        count = len(_PARAMETERS[op])
        attrs = {"axis": axis, "epsilon": epsilon}
        new = self.edit.emit(op, (x, ones, zeros)[: 1 + count], attrs, loc=node.loc)
        self.context.decide(RecognizeLayerNorm.name, node.output.name, "found", op)
        return new, _PARAMETERS[op]

    def centred_and_deviation(self, node: Node) -> tuple[Value, Value] | None:
        """`a` and `b` of `a / sqrt(b)` or `a * reciprocal(sqrt(b))`."""
        edit = self.edit
        if node.op == "div":
            inside = made_by(edit, node.inputs[1], "sqrt")
            return None if inside is None else (edit.current(node.inputs[0]), inside)
        if node.op == "mul":
            for value, other in (node.inputs, node.inputs[::-1]):
                root = made_by(edit, other, "reciprocal")
                inside = root and made_by(edit, root, "sqrt")
                if inside:
                    return edit.current(value), inside
        return None

    def spread(self, value: Value) -> tuple[Value, int, float] | None:
        """`d`, the first axis and epsilon, where `value` is `mean(d * d) + epsilon`."""
        edit = self.edit
        node = source_of(edit, value, "add")
        if node is None:
            return None
        for mean, small in (node.inputs, node.inputs[::-1]):
            epsilon = scalar(edit, small)
            reduced = source_of(edit, mean, "reduce_mean")
            axis = _last_axes(reduced) if reduced else None
            if epsilon is None or reduced is None or axis is None:
                continue
            square = source_of(edit, reduced.inputs[0], "mul")
            left, right = map(edit.current, square.inputs) if square else (None, value)
            if left is right:
                return right, axis, epsilon
        return None

    def uncentred(self, centred: Value, axis: int) -> tuple[Value, str]:
        """`x` of `x - mean(x)`, to be layer-normalised; else `centred`, to be rms-normalised."""
        edit = self.edit
        difference = source_of(edit, centred, "sub")
        if difference is not None:
            x, mean = map(edit.current, difference.inputs)
            reduced = source_of(edit, mean, "reduce_mean")
            if reduced and edit.current(reduced.inputs[0]) is x and _last_axes(reduced) == axis:
                return x, "layer_norm"
        return centred, "rms_norm"

    def with_parameter(self, node: Node) -> tuple[Value, tuple[str, ...]] | None:
        """A scale or bias after a normalisation that still lacks it."""
        if node.op not in ("mul", "add"):
            return None
        edit = self.edit
        for value, other in (node.inputs, node.inputs[::-1]):
            found = self.found.get(edit.current(value))
            array = edit.array(other)
            if found is None or array is None or node.op not in found.missing:
                continue
            if len(self.users[value]) != 1 or value in self.graph.outputs:
                continue
            if value.type != node.output.type:
                continue
            axis = cast("int", attr_of(found.node, "axis"))
            parameter = _fit(array, value.type.static_shape[axis:])
            if parameter is None:
                continue
            inputs = list(found.node.inputs)
            position = 1 + _PARAMETERS[found.node.op].index(node.op)
            new = parameter is not array
            inputs[position] = edit.constant(parameter, other.name, other.loc) if new else other
            loc = join_locs((found.node.loc, node.loc))
            missing = () if node.op == "add" else found.missing[1:]
            return edit.emit(found.node.op, inputs, found.node.attrs, loc=loc), missing
        return None


def _last_axes(node: Node) -> int | None:
    """The first axis of a mean over the last axes that keeps them, all of known size."""
    shape, axes = node.inputs[0].type.shape, ints(node, "axes")
    first = len(shape) - len(axes)
    keeps = attr_of(node, "keepdims") and axes == tuple(range(first, len(shape)))
    known = all(isinstance(dim, int) for dim in shape)
    return first if keeps and known and axes else None


def _fit(array: Array, shape: Sequence[int]) -> Array | None:
    """A constant without its axes before those of `shape`, or None where it varies along them."""
    lead = array.ndim - len(shape)
    if lead <= 0:
        return array
    return array.reshape(array.shape[lead:]) if all(d == 1 for d in array.shape[:lead]) else None
