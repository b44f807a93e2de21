from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from mlc.errors import VerifyError
from mlc.ir.dtype import F32
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.layout import Layout
from mlc.ir.text import parse_graph
from mlc.ir.types import TensorType
from mlc.ir.verify import verify_graph
from tests.strategies import graphs


@settings(max_examples=50)
@given(graphs())
def test_random_graphs_are_well_formed(graph: Graph) -> None:
    verify_graph(graph)


@pytest.mark.parametrize(
    "text",
    [
        "graph g(%x: f32[2]) -> (%x) { }",
        # A layout is the business of the graph, not of the operator.
        "graph g(%x: f32[1,2,3,4]) -> (%y) { %y: f32[1,2,3,4]@NHWC = relu(%x) }",
        "graph g(%x: f32[n,3]) -> (%y) { %y: f32[n,3] = relu(%x) }",
        """
        graph g(%x: f32[2]) -> (%y) {
          %y: f32[2] = fused(%x) {
            body = graph b(%a: f32[2]) -> (%b) { %b: f32[2] = relu(%a) }
          }
        }""",
    ],
)
def test_accepted(text: str) -> None:
    verify_graph(parse_graph(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            """\
graph g(%x: f32[2,3]) -> (%y) {
  %1: f32[2,3] = relu(%x) loc("act")
  %y: f32[3,2] = tanh(%1) loc("squash")
}""",
            """\
g: tanh gives f32[2,3], 'y' is f32[3,2]
  at: squash
  2 |   %1: f32[2,3] = relu(%x) loc("act")
  3 |   %y: f32[3,2] = tanh(%1) loc("squash")
    |       ^
  4 | }""",
        ),
        (
            """\
graph g(%x: f32[2,3]) -> (%y) {
  %y: f32[2,3] = relux(%x)
}""",
            """\
g: there is no operator 'relux'
  1 | graph g(%x: f32[2,3]) -> (%y) {
  2 |   %y: f32[2,3] = relux(%x)
    |                  ^
  3 | }""",
        ),
        (
            """\
graph g(%x: f32[2,3]) -> (%y) {
  %y: f32[2,3] = add(%x)
}""",
            """\
g: add takes 2 inputs, 1 are given
  1 | graph g(%x: f32[2,3]) -> (%y) {
  2 |   %y: f32[2,3] = add(%x)
    |                     ^
  3 | }""",
        ),
        (
            """\
graph g(%x: f32[2,3]) -> (%y) {
  %y: f32[2,3] = relu(%x) {axis = 1}
}""",
            """\
g: relu has no attribute 'axis'
  1 | graph g(%x: f32[2,3]) -> (%y) {
  2 |   %y: f32[2,3] = relu(%x) {axis = 1}
    |                            ^
  3 | }""",
        ),
        (
            """\
graph g(%x: f32[2,3]) -> (%y) {
  %y: f32[3,2] = transpose(%x)
}""",
            """\
g: transpose lacks its attribute 'perm'
  1 | graph g(%x: f32[2,3]) -> (%y) {
  2 |   %y: f32[3,2] = transpose(%x)
    |                  ^
  3 | }""",
        ),
        (
            """\
graph g(%x: f32[2,3]) -> (%y) {
  %y: f32[2,3], %z: f32[2,3] = relu(%x)
}""",
            """\
g: relu gives 1 results, not 2
  1 | graph g(%x: f32[2,3]) -> (%y) {
  2 |   %y: f32[2,3], %z: f32[2,3] = relu(%x)
    |   ^
  3 | }""",
        ),
        (
            """\
graph g(%x: f32[-2]) -> (%x) {
}""",
            """\
g: the value 'x' has a negative dimension""",
        ),
        (
            """\
graph g(%x: f32[2]) -> (%y) {
  %y: f32[2] = fused(%x) {reason = "none"}
}""",
            """\
g: fused lacks its attribute 'body', a graph
  1 | graph g(%x: f32[2]) -> (%y) {
  2 |   %y: f32[2] = fused(%x) {reason = "none"}
    |                ^
  3 | }""",
        ),
        (
            """\
graph g(%x: f32[2]) -> (%y) {
  %y: f32[3] = fused(%x) { body = graph b(%a: f32[3]) -> (%a) { } }
}""",
            """\
g: 'x' is f32[2], its body takes f32[3]
  1 | graph g(%x: f32[2]) -> (%y) {
  2 |   %y: f32[3] = fused(%x) {
    |                      ^
  3 |     body = graph b(%a: f32[3]) -> (%a) {""",
        ),
        (
            """\
graph g(%x: f32[2]) -> (%y) {
  %y: f32[2] = fused(%x) { body = graph b(%a: f32[2]) -> (%b) { %b: f32[3] = relu(%a) } }
}""",
            """\
b: relu gives f32[2], 'b' is f32[3]
  1 | graph b(%a: f32[2]) -> (%b) {
  2 |   %b: f32[3] = relu(%a)
    |       ^
  3 | }""",
        ),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        verify_graph(parse_graph(text))
    assert str(caught.value) == message


TYPE = TensorType((2,), F32)
X, Y, Z = Value("x", TYPE), Value("y", TYPE), Value("z", TYPE)
ZEROS = np.zeros(2, np.float32)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (
            Graph("g", (X,), (Z,), (Node("relu", (Y,), (Z,)), Node("relu", (X,), (Y,)))),
            "relu reads 'y', which is not defined before it",
        ),
        (Graph("g", (X, X), (X,), ()), "the value 'x' is defined twice"),
        (Graph("g", (X,), (X,), (Node("relu", (X,), (X,)),)), "the value 'x' is defined twice"),
        (Graph("g", (X, Value("x", TYPE)), (X,), ()), "two values are called 'x'"),
        (Graph("g", (X,), (Y,), ()), "the output 'y' is not defined"),
        (
            Graph("g", (), (X,), (), {X: np.zeros(3, np.float32)}),
            "the constant 'x' holds float32[3]",
        ),
        (Graph("g", (), (X,), (), {X: np.zeros(2)}), "the constant 'x' holds float64[2]"),
        (
            Graph("g", (Value("x", replace(TYPE, layout=Layout((1, 0)))),), (), ()),
            "the layout 1.0 does not order 1 axes",
        ),
    ],
)
def test_refused_without_text(graph: Graph, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        verify_graph(graph)
    assert caught.value.message == f"g: {message}"
