"""fuse-horizontal: siblings become one where it is right and where it pays."""

from __future__ import annotations

from textwrap import dedent

import numpy as np

from mlc.ir.graph import Graph, Value
from mlc.ir.graph_edit import GraphBuilder
from mlc.ir.text import parse_graph
from mlc.passes.context import Context
from mlc.passes.graph.fuse_horizontal import FuseHorizontal
from mlc.passes.pipeline import run_passes
from tests.passes.graph.rewriting import (
    assert_rewrites,
    assert_same_results,
    assert_unchanged,
    decided,
    ops,
)

CONV = {"strides": (1, 1), "before": (0, 0), "after": (0, 0), "dilations": (1, 1)}


def joined(graph: Graph) -> Graph:
    """The graph after the pass, whose results are checked."""
    result = run_passes(graph, [FuseHorizontal()], Context(verify="all"))
    assert_same_results(graph, result, tolerance=1e-6)
    return result


def constant(build: GraphBuilder, *shape: int) -> Value:
    """A constant of some numbers."""
    numbers = np.random.default_rng(len(build.constants)).integers(-3, 4, shape)
    return build.constant(numbers.astype(np.float32))


def test_before_and_after() -> None:
    assert_rewrites(
        FuseHorizontal(),
        """graph g(%x: f32[8,2]) -> (%z) {
          const %wq: f32[2,2] = [1, 2, 3, 4]
          const %wk: f32[2,1] = [5, 6]
          const %bq: f32[2] = [7, 8]
          const %bk: f32[] = [9]
          %mq: f32[8,2] = matmul(%x, %wq)
          %q: f32[8,2] = add(%mq, %bq)
          %mk: f32[8,1] = matmul(%x, %wk)
          %k: f32[8,1] = add(%bk, %mk)
          %z: f32[2,1] = matmul(%q, %k) {transpose_a = true}
        }""",
        """graph g(%x: f32[8,2]) -> (%z) {
          const %w: f32[2,3] = [1, 2, 5, 3, 4, 6]
          const %b: f32[3] = [7, 8, 9]
          %m: f32[8,3] = matmul(%x, %w) {transpose_a = false, transpose_b = false}
          %y: f32[8,3] = add(%m, %b)
          %q: f32[8,2] = slice(%y) {starts = (0, 0), sizes = (8, 2), steps = (1, 1)}
          %k: f32[8,1] = slice(%y) {starts = (0, 2), sizes = (8, 1), steps = (1, 1)}
          %z: f32[2,1] = matmul(%q, %k) {transpose_a = true}
        }""",
    )


def test_transposed_weights() -> None:
    build = GraphBuilder()
    x = build.input("x", (4, 6))
    attrs = {"transpose_b": True}
    parts = [build.emit("matmul", [x, constant(build, n, 6)], attrs) for n in (2, 3)]
    views = [build.emit("reshape", [part], {"shape": (part.type.elements,)}) for part in parts]
    result = joined(build.build([build.emit("concat", views, {"axis": 0})]))
    assert ops(result) == ["matmul", "slice", "slice", "reshape", "reshape", "concat"]


def test_convolutions_with_the_same_activation() -> None:
    build = GraphBuilder()
    x = build.input("x", (1, 6, 4, 4))
    branches = []
    for channels in (2, 3, 4):
        y = build.emit("conv", [x, constant(build, channels, 6, 1, 1)], CONV)
        y = build.emit("add", [y, constant(build, channels, 1, 1)])
        branches.append(build.emit("relu", [y]))
    graph = build.build([build.emit("concat", branches, {"axis": 1})])
    assert ops(joined(graph)) == ["conv", "add", "relu", "slice", "slice", "slice", "concat"]


def test_it_does_not_pay_when_activations_differ() -> None:
    build = GraphBuilder()
    x = build.input("x", (1, 2, 4, 4))
    first, second = (
        build.emit("conv", [x, constant(build, 4, 2, 1, 1)], CONV, name=name) for name in "ab"
    )
    graph = build.build([build.emit("mul", [build.emit("sigmoid", [first]), second])])
    assert FuseHorizontal().run(graph, Context()) is graph
    assert decided([FuseHorizontal()], graph) == {
        "a + b": "refused: it saves 128 bytes and adds 1024"
    }


def test_outputs_of_the_model_stay_apart() -> None:
    text = """graph g(%x: f32[8,2]) -> (%q, %k) {
      const %wq: f32[2,2] = [1, 2, 3, 4]
      const %wk: f32[2,2] = [5, 6, 7, 8]
      %q: f32[8,2] = matmul(%x, %wq)
      %k: f32[8,2] = matmul(%x, %wk)
    }"""
    assert_unchanged(FuseHorizontal(), text)
    assert decided([FuseHorizontal()], parse_graph(dedent(text))) == {
        "q + k": "refused: q is an output of the model"
    }


def test_other_geometry_or_weights_that_vary() -> None:
    build = GraphBuilder()
    x = build.input("x", (1, 4, 4, 4))
    w = build.input("w", (2, 4, 1, 1))
    one = build.emit("conv", [x, constant(build, 2, 4, 1, 1)], CONV)
    wide = build.emit("conv", [x, constant(build, 2, 4, 3, 3)], {**CONV, "before": (2, 2)})
    groups = build.emit("conv", [x, constant(build, 2, 2, 1, 1)], {**CONV, "groups": 2})
    varying = build.emit("conv", [x, w], CONV)
    outputs = [
        build.emit("reshape", [y], {"shape": (y.type.elements,)})
        for y in (one, wide, groups, varying)
    ]
    graph = build.build([build.emit("concat", outputs, {"axis": 0})])
    assert FuseHorizontal().run(graph, Context()) is graph
