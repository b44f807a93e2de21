"""Derivatives of what a model computes, written as more of its graph: reverse accumulation.

The nodes are walked from the last to the first; a rule per core operator tells how the derivative
with respect to its output becomes one with respect to each input. Source: Griewank and Walther,
"Evaluating Derivatives", 2008, chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from mlc.errors import ShapeError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.ir.graph import Node, Value
from mlc.ir.types import Dim

Rule = Callable[[Builder, Node, Value], "Sequence[Value | None]"]
"""(builder, node, derivative by its output) → derivatives by its inputs, None for those without.

Where an input was broadcast, its derivative may still have the shape of the output.
"""


def gradients(builder: Builder, y: Value, sources: Sequence[Value]) -> list[Value]:
    """The derivatives of the sum of `y` by each of `sources`, which count as independent.

    Raises `UnsupportedError` for an operator on the way that has no rule.
    """
    nodes = builder.nodes
    reached = set(sources)
    for node in nodes:
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
    found = {y: builder.full(y.type.shape, 1.0, y.type.dtype)}
    for node in reversed(nodes):
        slope = found.get(node.outputs[0])
        if slope is None or not reached.intersection(node.inputs):
            continue
        rule = RULES.get(node.op)
        if rule is None or len(node.outputs) > 1:
            raise UnsupportedError(f"Gradient: the derivative of {node.op} is not supported")
        for value, part in zip(node.inputs, rule(builder, node, slope), strict=True):
            if part is not None and value in reached:
                part = _gathered(builder, part, value.type.shape)
                old = found.get(value)
                found[value] = part if old is None else builder.emit("add", old, part)
    return [
        found[value] if value in found else builder.full(value.type.shape, 0.0, value.type.dtype)
        for value in sources
    ]


def _gathered(builder: Builder, part: Value, shape: Sequence[Dim]) -> Value:
    """A derivative summed over the axes along which the input was broadcast."""
    surplus = part.type.rank - len(shape)
    axes = [
        axis
        for axis, dim in enumerate(part.type.shape)
        if axis < surplus or (shape[axis - surplus] == 1 and dim != 1)
    ]
    if axes:
        part = builder.emit("reduce_sum", part, axes=tuple(axes), keepdims=True)
    return builder.reshape(part, shape)


def _times(builder: Builder, *factors: Value) -> Value:
    product = factors[0]
    for factor in factors[1:]:
        product = builder.emit("mul", product, factor)
    return product


def _of_output(factor: Callable[[Builder, Value], Value]) -> Rule:
    """The slope times a function of the operator's output."""
    return lambda builder, node, slope: [_times(builder, slope, factor(builder, node.output))]


def _of_input(factor: Callable[[Builder, Value], Value]) -> Rule:
    """The slope times a function of the operator's input."""
    return lambda builder, node, slope: [_times(builder, slope, factor(builder, node.inputs[0]))]


def _complement(builder: Builder, x: Value) -> Value:
    """1 - x."""
    return builder.shifted(builder.emit("neg", x), 1.0)


def _quotient(builder: Builder, node: Node, slope: Value) -> list[Value]:
    _, divisor = node.inputs
    part = builder.emit("div", slope, divisor)
    return [part, builder.emit("neg", _times(builder, part, node.output))]


def _power(builder: Builder, node: Node, slope: Value) -> list[Value]:
    base, exponent = node.inputs
    lower = builder.emit("pow", base, builder.shifted(exponent, -1.0))
    by_exponent = _times(builder, slope, node.output, builder.emit("log", base))
    return [_times(builder, slope, exponent, lower), by_exponent]


def _rectified(builder: Builder, node: Node, slope: Value) -> list[Value]:
    zero = builder.scalar(0.0, slope.type.dtype)
    above = builder.emit("greater", node.inputs[0], zero)
    return [builder.emit("select", above, slope, zero)]


def _chosen(builder: Builder, node: Node, slope: Value) -> list[Value | None]:
    condition, zero = node.inputs[0], builder.scalar(0.0, slope.type.dtype)
    first = builder.emit("select", condition, slope, zero)
    return [None, first, builder.emit("select", condition, zero, slope)]


def _extreme(comparison: str) -> Rule:
    """The greater or the less of two; the first counts where both are equal."""

    def rule(builder: Builder, node: Node, slope: Value) -> list[Value]:
        zero = builder.scalar(0.0, slope.type.dtype)
        first = builder.emit(comparison, *node.inputs)
        kept = builder.emit("select", first, slope, zero)
        return [kept, builder.emit("select", first, zero, slope)]

    return rule


def _product(builder: Builder, node: Node, slope: Value) -> list[Value]:
    """Of `A @ B`: slope @ Bᵀ and Aᵀ @ slope, turned where the operand was turned."""
    a, b = node.inputs
    turned_a, turned_b = (bool(node.attrs[f"transpose_{which}"]) for which in "ab")
    by_a = builder.emit("matmul", slope, b, transpose_b=not turned_b)
    by_b = builder.emit("matmul", a, slope, transpose_a=not turned_a)
    return [
        _turned(builder, by_a) if turned_a else by_a,
        _turned(builder, by_b) if turned_b else by_b,
    ]


def _turned(builder: Builder, x: Value) -> Value:
    *batch, rows, columns = range(x.type.rank)
    return builder.transpose(x, (*batch, columns, rows))


def _spread(builder: Builder, node: Node, slope: Value) -> Value:
    """The slope of a reduction, for every element that was reduced."""
    shape, axes = node.inputs[0].type.shape, cast("tuple[int, ...]", node.attrs["axes"])
    kept = tuple(1 if axis in axes else dim for axis, dim in enumerate(shape))
    return builder.expand(builder.reshape(slope, kept), shape)


def _mean(builder: Builder, node: Node, slope: Value) -> list[Value]:
    x, axes = node.inputs[0], cast("tuple[int, ...]", node.attrs["axes"])
    sizes = [x.type.shape[axis] for axis in axes]
    numbers = [size for size in sizes if isinstance(size, int)]
    if len(numbers) < len(sizes):
        raise ShapeError(f"Gradient: the size of {x.type} must be known", hint=builder.hint())
    return [builder.scaled(_spread(builder, node, slope), 1 / max(math.prod(numbers), 1))]


def _softmax(builder: Builder, node: Node, slope: Value) -> list[Value]:
    axis = cast(int, node.attrs["axis"])
    weighted = _times(builder, slope, node.output)
    total = builder.emit("reduce_sum", weighted, axes=(axis,), keepdims=True)
    return [_times(builder, node.output, builder.emit("sub", slope, total))]


def _log_softmax(builder: Builder, node: Node, slope: Value) -> list[Value]:
    axis = cast(int, node.attrs["axis"])
    total = builder.emit("reduce_sum", slope, axes=(axis,), keepdims=True)
    share = _times(builder, builder.emit("exp", node.output), total)
    return [builder.emit("sub", slope, share)]


def _untransposed(builder: Builder, node: Node, slope: Value) -> list[Value]:
    perm = cast("tuple[int, ...]", node.attrs["perm"])
    return [builder.transpose(slope, tuple(perm.index(axis) for axis in range(len(perm))))]


def _reciprocal_slope(builder: Builder, y: Value) -> Value:
    return builder.emit("neg", _times(builder, y, y))


RULES: Mapping[str, Rule] = {
    "abs": _of_input(lambda builder, x: builder.emit("sign", x)),
    "add": lambda builder, node, slope: [slope, slope],
    "cast": lambda builder, node, slope: [builder.cast(slope, node.inputs[0].type.dtype)],
    "cos": _of_input(lambda builder, x: builder.emit("neg", builder.emit("sin", x))),
    "div": _quotient,
    "exp": _of_output(lambda builder, y: y),
    "expand": lambda builder, node, slope: [slope],
    "identity": lambda builder, node, slope: [slope],
    "log": _of_input(lambda builder, x: builder.emit("reciprocal", x)),
    "log_softmax": _log_softmax,
    "matmul": _product,
    "max": _extreme("greater_equal"),
    "min": _extreme("less_equal"),
    "mul": lambda builder, node, slope: [
        _times(builder, slope, node.inputs[1]),
        _times(builder, slope, node.inputs[0]),
    ],
    "neg": lambda builder, node, slope: [builder.emit("neg", slope)],
    "pow": _power,
    "reciprocal": _of_output(_reciprocal_slope),
    "reduce_mean": _mean,
    "reduce_sum": lambda builder, node, slope: [_spread(builder, node, slope)],
    "relu": _rectified,
    "reshape": lambda builder, node, slope: [builder.reshape(slope, node.inputs[0].type.shape)],
    "select": _chosen,
    "sigmoid": _of_output(lambda builder, y: _times(builder, y, _complement(builder, y))),
    "sin": _of_input(lambda builder, x: builder.emit("cos", x)),
    "softmax": _softmax,
    "sqrt": _of_output(lambda builder, y: builder.emit("reciprocal", builder.scaled(y, 2.0))),
    "sub": lambda builder, node, slope: [slope, builder.emit("neg", slope)],
    "tanh": _of_output(lambda builder, y: _complement(builder, _times(builder, y, y))),
    "transpose": _untransposed,
}
"""Core operator → its rule."""
