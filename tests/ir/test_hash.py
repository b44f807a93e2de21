from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.hash import structural_hash, structurally_equal
from mlc.ir.rewrite import with_suffix
from mlc.ir.stmt import Func
from mlc.ir.text import large_constants, parse_func, parse_graph, print_graph
from tests.strategies import graphs, programs

MATMUL = """
func matmul(a: f32[4,8], b: f32[8,4], c: f32[4,4]) loc("fc") {
  for i in 4 { for j in 4 { for k in 8 { c[i, j] = c[i, j] + a[i, k] * b[k, j] } } }
}"""


@pytest.mark.parametrize(
    "changes",
    [
        [("matmul", "dot")],
        [('loc("fc")', "")],
        [("[i, ", "[row, "), ("for i in", "for row in")],
        [("a:", "left:"), ("a[", "left[")],
        [("i", "I"), ("fIor", "for"), ("In", "in")],
    ],
)
def test_names_and_locations_do_not_count(changes: list[tuple[str, str]]) -> None:
    text = MATMUL
    for old, new in changes:
        text = text.replace(old, new)
    assert text != MATMUL
    assert structural_hash(parse_func(text)) == structural_hash(parse_func(MATMUL))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a: f32[4,8]", "a: f32[4,8] strides[1,4]"),
        ("a: f32[4,8]", "a: f32[4,8] align 32"),
        ("a: f32[4,8]", "a: f32[4,8] constant"),
        ("a: f32[4,8]", "a: f32[4,9]"),
        ("f32", "f64"),
        ("for j", "for vector j"),
        ("in 8", "in 7"),
        ("+ a", "- a"),
        ("b[k, j]", "b[j, k]"),
        ("a: f32[4,8], b: f32[8,4]", "b: f32[8,4], a: f32[4,8]"),
    ],
)
def test_everything_else_counts(old: str, new: str) -> None:
    other = parse_func(MATMUL.replace(old, new))
    assert structural_hash(other) != structural_hash(parse_func(MATMUL))


def test_prepare_functions_count_by_what_they_do_with_the_same_buffers() -> None:
    def func(local: str, source: str, packed: str, p: str) -> Func:
        return parse_func(
            f"""
            func f({packed}: f32[2] constant, y: f32[2]) {{
              prepare pack({source}: f32[2] constant, {packed}: f32[2] constant) {{
                for {p} in 2 {{ {packed}[{p}] = {source}[{p}] }}
              }}
              for {local} in 2 {{ y[{local}] = {packed}[{local}] }}
            }}"""
        )

    assert structural_hash(func("i", "w", "p", "q")) == structural_hash(func("i", "v", "r", "i"))
    doubled = func("i", "w", "p", "q")
    prepare = replace(doubled.prepare[0], params=(*doubled.prepare[0].params, doubled.params[1]))
    assert structural_hash(replace(doubled, prepare=(prepare,))) != structural_hash(doubled)


@settings(max_examples=30)
@given(programs())
def test_renaming_everything_keeps_the_hash(func: Func) -> None:
    renamed = Func("other", func.params, with_suffix(func.body, "_2"), ("elsewhere",))
    assert structural_hash(renamed) == structural_hash(func)


def renamed(graph: Graph) -> Graph:
    """The same graph under other names, attributes in another order."""
    table: dict[Value, Value] = {}

    def new(value: Value) -> Value:
        return table.setdefault(value, Value(f"other {len(table)}", value.type, ("elsewhere",)))

    return Graph(
        "other",
        tuple(map(new, graph.inputs)),
        tuple(map(new, graph.outputs)),
        tuple(
            Node(
                node.op,
                tuple(map(new, node.inputs)),
                tuple(map(new, node.outputs)),
                dict(reversed(node.attrs.items())),
            )
            for node in graph.nodes
        ),
        {new(value): array.copy() for value, array in graph.constants.items()},
    )


@settings(max_examples=30)
@given(graphs())
def test_graphs_are_equal_whatever_things_are_called(graph: Graph) -> None:
    other = renamed(graph)
    assert structurally_equal(graph, other)
    assert not structurally_equal(graph, other, names=True)
    assert structural_hash(graph) == structural_hash(other)
    read_back = parse_graph(print_graph(graph), large_constants(graph))
    assert structurally_equal(graph, read_back, names=True)


GRAPH = """
graph g(%x: f32[4], %z: f32[4]) -> (%y) {
  const %w: f32[4] = [1.0, 2.0, 3.0, 4.0]
  %1: f32[4] = clip(%x) {min = 0.0, max = 6.0}
  %2: f32[4] = add(%1, %w)
  %y: f32[4] = fused(%2, %z) {
    body = graph b(%p: f32[4], %q: f32[4]) -> (%r) { %r: f32[4] = sub(%p, %q) }
  }
}"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("%x: f32[4]", "%x: f32[n]"),
        ("%x: f32[4]", "%x: f32[4,1]"),
        ("%x: f32[4]", "%x: f16[4]"),
        ("3.0, 4.0", "3.0, 5.0"),
        ("0.0, max", "-0.5, max"),
        ("clip", "clap"),
        ("add(%1, %w)", "add(%w, %1)"),
        ("-> (%y)", "-> (%2)"),
        ("sub(%p, %q)", "sub(%q, %p)"),
        ("body =", "other ="),
    ],
)
def test_what_counts_in_a_graph(old: str, new: str) -> None:
    graph, other = parse_graph(GRAPH), parse_graph(GRAPH.replace(old, new))
    assert not structurally_equal(graph, other)
    assert structural_hash(graph) != structural_hash(other)


def test_minus_zero_is_another_constant() -> None:
    zero = parse_graph("graph g() -> (%w) { const %w: f32[1] = [0.0] }")
    minus_zero = parse_graph("graph g() -> (%w) { const %w: f32[1] = [-0.0] }")
    assert not structurally_equal(zero, minus_zero)
    assert structural_hash(zero) != structural_hash(minus_zero)


def test_a_digest_may_be_remembered() -> None:
    value = Value("w", parse_graph("graph g(%x: f32[64]) -> (%x) { }").inputs[0].type)
    graph = Graph("g", (), (value,), (), {value: np.zeros(64, np.float32)})
    assert structural_hash(graph, lambda array: "0" * 64) != structural_hash(graph)
