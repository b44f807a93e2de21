from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from mlc.errors import VerifyError
from mlc.ir.graph import Graph
from mlc.ir.interpret import run_graph
from mlc.ir.text import parse_graph
from tests.strategies import feeds_for, graphs

X = np.array([[1, -2], [3, -4]], np.float32)


def test_nodes_run_in_order_and_constants_are_read() -> None:
    graph = parse_graph(
        """
        graph g(%x: f32[2,2]) -> (%y, %1) {
          const %w: f32[2] = [10.0, 20.0]
          %1: f32[2,2] = relu(%x)
          %y: f32[2,2] = add(%1, %w)
        }"""
    )
    results = run_graph(graph, {"x": X})
    assert list(results) == ["y", "1"]
    np.testing.assert_array_equal(results["1"], [[1, 0], [3, 0]])
    np.testing.assert_array_equal(results["y"], [[11, 20], [13, 20]])


def test_fused_nodes_run_their_body() -> None:
    graph = parse_graph(
        """
        graph g(%x: f32[2,2], %b: f32[2]) -> (%z) {
          %y: f32[2,2], %s: f32[2,2] = fused(%x, %b) {
            body = graph body(%p: f32[2,2], %q: f32[2]) -> (%sum, %positive) {
              %sum: f32[2,2] = add(%p, %q)
              %positive: f32[2,2] = relu(%sum)
            }
          }
          %z: f32[2,2] = sub(%s, %y)
        }"""
    )
    bias = np.array([1, 2], np.float32)
    expected = np.maximum(X + bias, 0) - (X + bias)
    np.testing.assert_array_equal(run_graph(graph, {"x": X, "b": bias})["z"], expected)


@settings(max_examples=30)
@given(graphs())
def test_results_have_the_types_that_the_graph_says(graph: Graph) -> None:
    results = run_graph(graph, feeds_for(graph))
    assert [(array.shape, array.dtype) for array in results.values()] == [
        (value.type.static_shape, value.type.dtype.numpy) for value in graph.outputs
    ]


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({}, "g needs an array for 'x'"),
        ({"x": X[0]}, "the input 'x' of g is float32[2], not f32[2,2]"),
        ({"x": X.astype(np.float64)}, "the input 'x' of g is float64[2, 2], not f32[2,2]"),
    ],
)
def test_refused(feeds: dict[str, np.ndarray], message: str) -> None:
    graph = parse_graph("graph g(%x: f32[2,2]) -> (%x) { }")
    with pytest.raises(VerifyError) as caught:
        run_graph(graph, feeds)
    assert str(caught.value) == message
