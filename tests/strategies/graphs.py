"""Graphs that can be run: every node has the type that its operator infers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mlc.ir.dtype import F32
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.operators import OPERATORS
from mlc.ir.types import TensorType

Array = np.ndarray[Any, np.dtype[Any]]


_UNARY = ("relu", "neg", "abs", "tanh", "sigmoid", "identity")
_PAIRS = ("add", "sub", "mul", "max", "min")


class _GraphBuilder:
    """Adds nodes to a graph in the making; `values` are those that a node may read."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.constants: dict[Value, Array] = {}

    @property
    def values(self) -> list[Value]:
        made = [value for node in self.nodes for value in node.outputs]
        return [*self.inputs, *self.constants, *made]

    def pick(self) -> Value:
        return self.draw(st.sampled_from(self.values))

    def input(self, shape: Sequence[int]) -> Value:
        value = Value(f"x{len(self.inputs)}", TensorType(tuple(shape), F32))
        self.inputs.append(value)
        return value

    def constant(self, shape: Sequence[int]) -> Value:
        value = Value(f"w{len(self.constants)}", TensorType(tuple(shape), F32))
        seed = self.draw(st.integers(0, 99))
        numbers = np.random.default_rng(seed).integers(-3, 4, tuple(shape))
        self.constants[value] = numbers.astype(np.float32)
        return value

    def apply(self, op: str, *inputs: Value, **attrs: Any) -> Value:
        (inferred,) = OPERATORS[op].infer([value.type for value in inputs], attrs)
        number = len(self.nodes)
        value = Value(f"v{number}", inferred, (f"node {number}",))
        self.nodes.append(Node(op, inputs, (value,), attrs, (f"node {number}",)))
        return value


def _add_unary(build: _GraphBuilder) -> None:
    build.apply(build.draw(st.sampled_from(_UNARY)), build.pick())


def _add_pair(build: _GraphBuilder) -> None:
    left = build.pick()
    shape = left.type.static_shape
    alike = [value for value in build.values if value.type.shape == shape]
    narrow = tuple(dim if build.draw(st.booleans()) else 1 for dim in shape)
    start = build.draw(st.integers(0, len(shape)))
    use_constant = build.draw(st.booleans())
    right = build.constant(narrow[start:]) if use_constant else build.draw(st.sampled_from(alike))
    build.apply(build.draw(st.sampled_from(_PAIRS)), left, right)


def _add_transpose(build: _GraphBuilder) -> None:
    value = build.pick()
    perm = tuple(build.draw(st.permutations(range(value.type.rank))))
    build.apply("transpose", value, perm=perm)


def _add_reshape(build: _GraphBuilder) -> None:
    value = build.pick()
    shape = value.type.static_shape
    joined = (math.prod(shape[:2]), *shape[2:]) if len(shape) > 1 else (*shape, 1)
    build.apply("reshape", value, shape=build.draw(st.sampled_from([joined, (*shape, 1)])))


def _add_reduction(build: _GraphBuilder) -> None:
    value = build.pick()
    if value.type.rank:
        axis = build.draw(st.integers(0, value.type.rank - 1))
        op = build.draw(st.sampled_from(["reduce_sum", "reduce_max"]))
        build.apply(op, value, axes=(axis,), keepdims=build.draw(st.booleans()))


def _add_softmax(build: _GraphBuilder) -> None:
    value = build.pick()
    if value.type.rank:
        build.apply("softmax", value, axis=build.draw(st.integers(0, value.type.rank - 1)))


def _add_matmul(build: _GraphBuilder) -> None:
    value = build.pick()
    if value.type.rank >= 2:
        columns = build.draw(st.integers(1, 5))
        weight = build.constant((value.type.static_shape[-1], columns))
        build.apply("matmul", value, weight, transpose_a=False, transpose_b=False)


def _add_convolution(build: _GraphBuilder) -> None:
    images = [value for value in build.values if value.type.rank == 4]
    if images:
        image = build.draw(st.sampled_from(images))
        kernel = build.draw(st.sampled_from([1, 3]))
        channels = image.type.static_shape[1]
        weight = build.constant((build.draw(st.integers(1, 4)), channels, kernel, kernel))
        pad = (kernel // 2,) * 2
        spatial = {"strides": (1, 1), "before": pad, "after": pad, "dilations": (1, 1)}
        build.apply("conv", image, weight, groups=1, **spatial)


def _add_concat(build: _GraphBuilder) -> None:
    value = build.pick()
    if value.type.rank and value.type.elements < 500:
        axis = build.draw(st.integers(0, value.type.rank - 1))
        alike = [other for other in build.values if other.type.shape == value.type.shape]
        build.apply("concat", value, build.draw(st.sampled_from(alike)), axis=axis)


def _add_slice(build: _GraphBuilder) -> None:
    value = build.pick()
    starts = tuple(build.draw(st.integers(0, dim - 1)) for dim in value.type.static_shape)
    sizes = tuple(dim - start for dim, start in zip(value.type.static_shape, starts, strict=True))
    build.apply("slice", value, starts=starts, sizes=sizes, steps=(1,) * value.type.rank)


_ADDERS = (
    _add_unary,
    _add_unary,
    _add_pair,
    _add_pair,
    _add_transpose,
    _add_reshape,
    _add_reduction,
    _add_softmax,
    _add_matmul,
    _add_convolution,
    _add_concat,
    _add_slice,
)


@st.composite
def graphs(draw: st.DrawFn, most_nodes: int = 8) -> Graph:
    """A float32 graph of common operators over one or two inputs; some nodes may be dead.

    Values of nodes are called `v0…` and come from `node 0…`; the last is always an output.
    """
    build = _GraphBuilder(draw)
    for _ in range(draw(st.integers(1, 2))):
        if draw(st.booleans()):
            build.input(draw(st.tuples(*[st.integers(1, 4)] * 4)))
        else:
            build.input(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(1, most_nodes))):
        draw(st.sampled_from(_ADDERS))(build)
    if not build.nodes:
        _add_unary(build)
    results = [value for node in build.nodes for value in node.outputs]
    extra = draw(st.lists(st.sampled_from(results), max_size=1))
    outputs = tuple(dict.fromkeys((results[-1], *extra)))
    return Graph("random", tuple(build.inputs), outputs, tuple(build.nodes), build.constants)


def feeds_for(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """Arrays for the inputs of a float graph, full of whole numbers from −3 to 3."""
    random = np.random.default_rng(seed)
    return {
        value.name: random.integers(-3, 4, value.type.static_shape).astype(value.type.dtype.numpy)
        for value in graph.inputs
    }
