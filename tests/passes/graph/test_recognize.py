"""Recognisers: each spelling of an operator is found, near misses are not."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from mlc.ir.graph import Graph, Value
from mlc.ir.graph_edit import GraphBuilder
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.canonicalize import Canonicalize
from mlc.passes.graph.recognize_gelu import RecognizeGelu
from mlc.passes.graph.recognize_hard_swish import RecognizeHardSwish
from mlc.passes.graph.recognize_layer_norm import RecognizeLayerNorm
from mlc.passes.graph.recognize_softmax import RecognizeSoftmax
from mlc.passes.pipeline import run_passes
from tests.passes.graph.rewriting import assert_same_results, ops

LAST = {"axes": (1,), "keepdims": True}
FIRST = {"axes": (0,), "keepdims": True}


class Formula(GraphBuilder):
    """Writes formulas: numbers become constants."""

    def __call__(self, op: str, *operands: Value | float, **attrs: object) -> Value:
        values = [
            operand if isinstance(operand, Value) else self.constant(np.float32(operand))
            for operand in operands
        ]
        return self.emit(op, values, attrs)  # type: ignore[arg-type]

    def vector(self, *shape: int) -> Value:
        """A constant of some numbers."""
        count = math.prod(shape)
        return self.constant(np.linspace(0.5, 1.5, count, dtype=np.float32).reshape(shape))


Make = Callable[[Formula, Value], Value]


def recognised(graph_pass: Pass, make: Make) -> Graph:
    """The graph after the pass; checks that results stayed."""
    f = Formula()
    graph = f.build([make(f, f.input("x", (4, 6)))])
    result = run_passes(graph, [Canonicalize(), graph_pass], Context(verify="all"))
    assert_same_results(graph, result, tolerance=1e-5)
    return result


def gelu_erf(f: Formula, x: Value) -> Value:
    return f("mul", f("mul", x, f("add", f("erf", f("div", x, math.sqrt(2))), 1)), 0.5)


def gelu_erf_half_first(f: Formula, x: Value) -> Value:
    return f("mul", f("mul", 0.5, x), f("add", 1, f("erf", f("mul", math.sqrt(0.5), x))))


def gelu_tanh(f: Formula, x: Value) -> Value:
    cubic = f("mul", f("pow", x, 3), 0.044715)
    inner = f("tanh", f("mul", f("add", x, cubic), math.sqrt(2 / math.pi)))
    return f("mul", f("mul", x, 0.5), f("add", inner, 1))


def gelu_tanh_fast(f: Formula, x: Value) -> Value:
    bracket = f("add", 1, f("mul", f("mul", x, 0.044715), x))
    inner = f("tanh", f("mul", f("mul", x, 0.7978845608), bracket))
    return f("mul", x, f("mul", f("add", inner, 1), 0.5))


@pytest.mark.parametrize(
    ("make", "approximate"),
    [
        (gelu_erf, "none"),
        (gelu_erf_half_first, "none"),
        (gelu_tanh, "tanh"),
        (gelu_tanh_fast, "tanh"),
    ],
)
def test_gelu(make: Make, approximate: str) -> None:
    result = recognised(RecognizeGelu(), make)
    assert ops(result) == ["gelu"]
    assert result.nodes[0].attrs["approximate"] == approximate


@pytest.mark.parametrize(
    "make",
    [
        lambda f, x: f("mul", f("mul", x, 0.6), f("add", f("erf", f("mul", x, 0.70710677)), 1)),
        lambda f, x: f("mul", f("mul", x, 0.5), f("add", f("erf", f("mul", x, 0.8)), 1)),
        lambda f, x: f(
            "mul", f("mul", x, 0.5), f("add", f("erf", f("mul", f("abs", x), 0.70710677)), 1)
        ),
    ],
)
def test_not_gelu(make: Make) -> None:
    assert "gelu" not in ops(recognised(RecognizeGelu(), make))


def hard_swish_clip(f: Formula, x: Value) -> Value:
    return f("div", f("mul", x, f("clip", f("add", x, 3), min=0.0, max=6.0)), 6)


def hard_swish_gate(f: Formula, x: Value) -> Value:
    return f("mul", f("hard_sigmoid", x, alpha=1 / 6, beta=0.5), x)


def test_hard_swish() -> None:
    for make in (hard_swish_clip, hard_swish_gate):
        assert ops(recognised(RecognizeHardSwish(), make)) == ["hard_swish"]


@pytest.mark.parametrize(
    "make",
    [
        lambda f, x: f("mul", f("hard_sigmoid", x, alpha=0.2, beta=0.5), x),
        lambda f, x: f("mul", f("hard_sigmoid", f("exp", x), alpha=1 / 6, beta=0.5), x),
        lambda f, x: f("mul", x, f("clip", f("add", x, 3), min=0.0, max=6.0)),
    ],
)
def test_not_hard_swish(make: Make) -> None:
    assert "hard_swish" not in ops(recognised(RecognizeHardSwish(), make))


def softmax(f: Formula, x: Value) -> Value:
    powers = f("exp", f("sub", x, f("reduce_max", x, **LAST)))
    return f("div", powers, f("reduce_sum", powers, **LAST))


def test_softmax() -> None:
    result = recognised(RecognizeSoftmax(), softmax)
    assert ops(result) == ["softmax"]
    assert result.nodes[0].attrs["axis"] == 1


def test_not_softmax() -> None:
    def two_axes(f: Formula, x: Value) -> Value:
        powers = f("exp", f("sub", x, f("reduce_max", x, **LAST)))
        return f("div", powers, f("reduce_sum", powers, **FIRST))

    assert "softmax" not in ops(recognised(RecognizeSoftmax(), two_axes))


def normal(f: Formula, x: Value) -> Value:
    """Layer normalisation without scale and bias."""
    centred = f("sub", x, f("reduce_mean", x, **LAST))
    variance = f("reduce_mean", f("pow", centred, 2), **LAST)
    return f("div", centred, f("sqrt", f("add", variance, 1e-3)))


def layer_norm(f: Formula, x: Value) -> Value:
    return f("add", f("mul", f.vector(6), normal(f, x)), f.vector(1, 6))


def test_layer_norm() -> None:
    result = recognised(RecognizeLayerNorm(), layer_norm)
    assert ops(result) == ["layer_norm"]
    node = result.nodes[0]
    assert node.attrs["axis"] == 1
    assert node.attrs["epsilon"] == pytest.approx(1e-3)
    assert [value.type.shape for value in node.inputs[1:]] == [(6,), (6,)]


def test_layer_norm_without_parameters() -> None:
    result = recognised(RecognizeLayerNorm(), normal)
    assert ops(result) == ["layer_norm"]
    scale, bias = (result.constants[value] for value in result.nodes[0].inputs[1:])
    assert scale.tolist() == [1] * 6
    assert bias.tolist() == [0] * 6


def test_a_scale_read_elsewhere_stays_outside() -> None:
    def make(f: Formula, x: Value) -> Value:
        y = normal(f, x)
        return f("add", f("mul", y, f.vector(6)), y)

    assert ops(recognised(RecognizeLayerNorm(), make)) == ["layer_norm", "mul", "add"]


def test_a_factor_by_row_stays_outside() -> None:
    def make(f: Formula, x: Value) -> Value:
        return f("mul", normal(f, x), f.vector(4, 1))

    assert ops(recognised(RecognizeLayerNorm(), make)) == ["layer_norm", "mul"]


def test_rms_norm() -> None:
    def make(f: Formula, x: Value) -> Value:
        square = f("reduce_mean", f("pow", x, 2), **LAST)
        root = f("reciprocal", f("sqrt", f("add", square, 1e-3)))
        return f("mul", f("mul", x, root), f.vector(6))

    assert ops(recognised(RecognizeLayerNorm(), make)) == ["rms_norm"]


def test_a_mean_over_other_axes_is_no_layer_norm() -> None:
    def make(f: Formula, x: Value) -> Value:
        centred = f("sub", x, f("reduce_mean", x, **FIRST))
        variance = f("reduce_mean", f("pow", centred, 2), **FIRST)
        return f("div", centred, f("sqrt", f("add", variance, 1e-3)))

    assert "layer_norm" not in ops(recognised(RecognizeLayerNorm(), make))
