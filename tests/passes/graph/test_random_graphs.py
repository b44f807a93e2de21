"""Every graph pass, and all of them together, keep what random graphs compute."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from mlc.ir.graph import Graph
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.choose_layout import ChooseLayout
from mlc.passes.pipeline import graph_passes, run_passes
from tests.passes.graph.rewriting import assert_same_results
from tests.strategies import graphs

PASSES = {graph_pass.name: graph_pass for graph_pass in graph_passes()}


@pytest.mark.parametrize("graph_pass", PASSES.values(), ids=list(PASSES))
@settings(max_examples=25)
@given(graph=graphs())
def test_each_pass_keeps_results(graph_pass: Pass, graph: Graph) -> None:
    result = run_passes(graph, [graph_pass], Context(verify="all"))
    assert_same_results(graph, result, tolerance=1e-5)


@settings(max_examples=100)
@given(graph=graphs(most_nodes=16))
def test_all_passes_keep_results(graph: Graph) -> None:
    result = run_passes(graph, graph_passes(), Context(verify="all"))
    assert_same_results(graph, result, tolerance=1e-4)
    views = {"reshape", "transpose", "slice", "expand"}
    assert {node.op for node in result.nodes} <= {"fused", *views}


@settings(max_examples=50)
@given(graph=graphs(most_nodes=12))
def test_views_are_views_after_layouts(graph: Graph) -> None:
    result = ChooseLayout().run(graph, Context())
    for node in result.nodes:
        if node.op == "transpose":
            strides = [node.inputs[0].type.strides[axis] for axis in node.attrs["perm"]]
            wide = [axis for axis, dim in enumerate(node.output.type.shape) if dim != 1]
            assert [strides[a] for a in wide] == [node.output.type.strides[a] for a in wide]
    for value in result.outputs:
        assert value.type.layout is None
