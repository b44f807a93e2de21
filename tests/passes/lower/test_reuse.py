"""Which results are written over which inputs, and when that would be wrong."""

from __future__ import annotations

from textwrap import dedent

import pytest

from mlc.ir.text import parse_graph
from mlc.ir.verify import verify_graph
from mlc.passes.lower.reuse import reuse_inputs
from mlc.passes.lower.storage import computing_nodes
from mlc.passes.lower.views import bind_views


def reused(text: str) -> dict[str, str]:
    """The name of each value that takes over memory, and whose memory that is."""
    graph = parse_graph(dedent(text))
    verify_graph(graph)
    taken = reuse_inputs(graph, computing_nodes(graph), bind_views(graph))
    return {value.name: view.root.name for value, view in taken.items()}


def test_a_chain_stays_in_one_memory() -> None:
    assert reused(
        """
        graph g(%x: f32[4,2]) -> (%z) {
          %a: f32[4,2] = relu(%x)
          %b: f32[4,2] = tanh(%a)
          %c: f32[4,2] = exp(%b)
          %z: f32[4,2] = softmax(%c) {axis = 1}
        }"""
    ) == {"b": "a", "c": "a"}


def test_a_contraction_writes_over_what_it_adds() -> None:
    assert reused(
        """
        graph g(%x: f32[4,4], %w: f32[4,4]) -> (%z) {
          %a: f32[4,4] = relu(%x)
          %b: f32[4,4] = fused(%x, %w, %a) {
            body = graph matmul_add(%x: f32[4,4], %w: f32[4,4], %a: f32[4,4]) -> (%b) {
              %m: f32[4,4] = matmul(%x, %w)
              %b: f32[4,4] = add(%m, %a)
            },
            reason = "",
          }
          %z: f32[4,4] = softmax(%b) {axis = 1}
        }"""
    ) == {"b": "a"}


def test_elements_of_another_type_of_the_same_size() -> None:
    assert reused(
        """
        graph g(%x: f32[4,2]) -> (%z) {
          %a: f32[4,2] = relu(%x)
          %b: i32[4,2] = cast(%a) {to = i32}
          %c: i64[4,2] = cast(%b) {to = i64}
          %z: i64[4,2] = neg(%c)
        }"""
    ) == {"b": "a"}


KEPT = {
    "somebody reads it later": """
        graph g(%x: f32[4,2]) -> (%z) {
          %a: f32[4,2] = relu(%x)
          %b: f32[4,2] = tanh(%a)
          %z: f32[4,2] = add(%b, %a)
        }""",
    "somebody reads a view of it later": """
        graph g(%x: f32[4,4]) -> (%z) {
          %a: f32[4,4] = relu(%x)
          %t: f32[4,4]@1.0 = transpose(%a) {perm = (1, 0)}
          %b: f32[4,4] = tanh(%a)
          %z: f32[4,4] = add(%b, %t)
        }""",
    "the same kernel reads it at other indices": """
        graph g(%x: f32[4,4]) -> (%z) {
          %a: f32[4,4] = relu(%x)
          %t: f32[4,4]@1.0 = transpose(%a) {perm = (1, 0)}
          %b: f32[4,4] = add(%a, %t)
          %z: f32[4,4] = tanh(%b)
        }""",
    "it is repeated along an axis": """
        graph g(%x: f32[4,1], %y: f32[4,4]) -> (%z) {
          %a: f32[4,1] = relu(%x)
          %b: f32[4,4] = add(%y, %a)
          %z: f32[4,4] = tanh(%b)
        }""",
    "the contraction itself reads it": """
        graph g(%x: f32[4,4]) -> (%z) {
          %a: f32[4,4] = relu(%x)
          %b: f32[4,4] = matmul(%a, %x)
          %z: f32[4,4] = tanh(%b)
        }""",
    "a row of it is reduced": """
        graph g(%x: f32[4,4]) -> (%z) {
          %a: f32[4,4] = relu(%x)
          %b: f32[4,4] = softmax(%a) {axis = 1}
          %z: f32[4,4] = tanh(%b)
        }""",
    "its elements are narrower": """
        graph g(%x: f32[4,2]) -> (%z) {
          %a: f32[4,2] = relu(%x)
          %b: f64[4,2] = cast(%a) {to = f64}
          %z: f64[4,2] = tanh(%b)
        }""",
    "it lies in another order": """
        graph g(%x: f32[4,2]) -> (%z) {
          %a: f32[4,2]@1.0 = relu(%x)
          %b: f32[4,2] = tanh(%a)
          %z: f32[4,2] = exp(%b)
        }""",
    "it is an input, the result an output": """
        graph g(%x: f32[4,2]) -> (%z) {
          %a: f32[4,2] = relu(%x)
          %z: f32[4,2] = tanh(%a)
        }""",
}


@pytest.mark.parametrize("text", KEPT.values(), ids=list(KEPT))
def test_what_is_not_written_over(text: str) -> None:
    assert not reused(text)
