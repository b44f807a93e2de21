"""Building and editing graphs."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.errors import ShapeError, VerifyError
from mlc.ir.dtype import F32
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import (
    GraphBuilder,
    GraphEdit,
    attr_of,
    complete_attrs,
    join_locs,
    live_nodes,
    remove_dead_code,
    sort_topologically,
)
from mlc.ir.text import parse_graph
from mlc.ir.types import TensorType
from mlc.ir.verify import verify_graph

CHAIN = """graph g(%x: f32[2]) -> (%c) {
  %a: f32[2] = abs(%x) loc("first")
  %b: f32[2] = neg(%a) loc("second")
  %c: f32[2] = exp(%b) loc("third")
}"""


def test_builder_infers_types_and_makes_names_unique() -> None:
    build = GraphBuilder("g")
    x = build.input("x", (2, 3))
    one = build.constant(np.ones(3, np.float32), "x")
    y = build.emit("add", [x, one], name="x")
    z = build.emit("transpose", [y], {"perm": (1, 0)})
    graph = build.build([z])
    verify_graph(graph)
    assert [value.name for value in (x, one, y, z)] == ["x", "x.1", "x.2", "transpose"]
    assert z.type == TensorType((3, 2), F32)


def test_builder_refuses_what_the_operator_refuses() -> None:
    build = GraphBuilder()
    x, y = build.input("x", (2,)), build.input("y", (3,))
    with pytest.raises(ShapeError):
        build.emit("add", [x, y])
    assert build.nodes == []


def test_attributes_are_completed() -> None:
    given = complete_attrs("matmul", {"transpose_b": True})
    assert given == {"transpose_a": False, "transpose_b": True}
    with pytest.raises(VerifyError) as unknown:
        complete_attrs("relu", {"alpha": 1.0})
    assert str(unknown.value) == "relu: unknown attribute 'alpha'"
    with pytest.raises(VerifyError) as missing:
        complete_attrs("transpose", {})
    assert str(missing.value) == "transpose: no attribute 'perm'"


def test_an_attribute_or_its_default() -> None:
    build = GraphBuilder()
    x = build.input("x", (2, 2))
    node = Node("matmul", (x, x), (x,), {"transpose_a": True})
    assert attr_of(node, "transpose_a") is True
    assert attr_of(node, "transpose_b") is False


def test_join_locs() -> None:
    assert join_locs([("a", "b"), (), ("b", "c")]) == ("a", "b", "c")


def test_an_edit_without_changes_gives_the_same_graph() -> None:
    graph = parse_graph(CHAIN)
    edit = GraphEdit(graph)
    for node in graph.nodes:
        edit.keep(node)
    assert edit.finish() is graph


def rewrite_neg(graph: Graph, *, twice: bool = False) -> Graph:
    """Every `neg` becomes `relu`, or what is below it."""
    edit = GraphEdit(graph)
    for node in graph.nodes:
        if node.op == "neg":
            new = edit.emit("relu", node.inputs, loc=node.loc) if twice else node.inputs[0]
            edit.replace(node.output, new)
        else:
            edit.keep(node)
    return edit.finish()


def test_what_replaces_a_value_takes_its_name() -> None:
    result = rewrite_neg(parse_graph(CHAIN), twice=True)
    verify_graph(result)
    assert [node.op for node in result.nodes] == ["abs", "relu", "exp"]
    assert [node.output.name for node in result.nodes] == ["a", "b", "c"]
    assert result.nodes[1].loc == ("second",)


def test_untouched_nodes_are_the_same_objects() -> None:
    graph = parse_graph(CHAIN)
    result = rewrite_neg(graph)
    assert result.nodes[0] is graph.nodes[0]
    assert result.nodes[1].inputs == graph.nodes[0].outputs


@pytest.mark.parametrize(
    ("outputs", "ops"),
    [
        # The producer takes the name of the output.
        ("%b", ["abs"]),
        # Two outputs need two values.
        ("%a, %b", ["abs", "identity"]),
        ("%b, %d", ["abs", "identity"]),
        # An input is not an output.
        ("%i", ["identity"]),
    ],
)
def test_outputs_keep_their_names(outputs: str, ops: list[str]) -> None:
    graph = parse_graph(
        f"""graph g(%x: f32[2]) -> ({outputs}) {{
          %a: f32[2] = abs(%x)
          %b: f32[2] = neg(%a)
          %d: f32[2] = neg(%a)
          %i: f32[2] = neg(%x)
        }}"""
    )
    result = rewrite_neg(graph)
    verify_graph(result)
    assert [f"%{value.name}" for value in result.outputs] == outputs.split(", ")
    assert [node.op for node in result.nodes] == ops


def test_redirect_leaves_the_value_itself() -> None:
    graph = parse_graph(CHAIN)
    edit = GraphEdit(graph)
    for node in graph.nodes:
        edit.keep(node)
        if node.op == "abs":
            edit.redirect(node.output, edit.emit("relu", [node.output]))
    result = edit.finish()
    verify_graph(result)
    assert [node.op for node in result.nodes] == ["abs", "relu", "neg", "exp"]


def test_dead_nodes_and_constants_go() -> None:
    graph = parse_graph(
        """graph g(%x: f32[2]) -> (%a) {
          const %unused: f32[2] = [1, 2]
          %a: f32[2] = abs(%x)
          %dead: f32[2] = add(%a, %unused)
        }"""
    )
    assert live_nodes(graph.nodes, graph.outputs) == graph.nodes[:1]
    result = remove_dead_code(graph)
    assert result.nodes == graph.nodes[:1]
    assert not result.constants
    assert remove_dead_code(result) is result


def test_sorting_keeps_the_order_where_it_can() -> None:
    graph = parse_graph(CHAIN)
    a, b, c = graph.nodes
    assert sort_topologically([a, b, c]) == (a, b, c)
    assert sort_topologically([c, a, b]) == (a, b, c)


def test_sorting_a_long_chain() -> None:
    build = GraphBuilder()
    value = build.input("x", (2,))
    for _ in range(5000):
        value = build.emit("neg", [value])
    backwards = build.nodes[::-1]
    assert list(sort_topologically(backwards)) == build.nodes


def test_sorting_finds_a_circle() -> None:
    a, b = (Value(name, TensorType((2,), F32)) for name in "ab")
    circle = [Node("neg", (a,), (b,)), Node("abs", (b,), (a,))]
    with pytest.raises(VerifyError, match="the node depends on itself"):
        sort_topologically(circle)
