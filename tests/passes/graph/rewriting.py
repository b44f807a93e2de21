"""What tests of graph passes share: texts before and after, and equality of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import dedent

import numpy as np

from mlc.ir.graph import Graph
from mlc.ir.hash import structurally_equal
from mlc.ir.interpret import run_graph
from mlc.ir.text import parse_graph, print_graph
from mlc.ir.verify import verify_graph
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.pipeline import run_passes
from tests.strategies import feeds_for


def rewrite(text: str, *passes: Pass) -> Graph:
    """The graph that passes make of a text, verified after each."""
    graph = parse_graph(dedent(text))
    verify_graph(graph)
    result = run_passes(graph, passes, Context(verify="all"))
    assert_same_results(graph, result, tolerance=1e-5)
    return result


def assert_rewrites(graph_pass: Pass, before: str, after: str) -> None:
    """`graph_pass` turns one text into the other, and then has nothing left to do."""
    result = rewrite(before, graph_pass)
    expected = parse_graph(dedent(after))
    assert structurally_equal(result, expected), print_graph(result)
    assert graph_pass.run(result, Context()) is result


def assert_unchanged(graph_pass: Pass, text: str) -> None:
    """`graph_pass` gives back the same object."""
    graph = parse_graph(dedent(text))
    verify_graph(graph)
    assert graph_pass.run(graph, Context()) is graph


def assert_same_results(
    before: Graph, after: Graph, *, tolerance: float = 0.0, seed: int = 0
) -> None:
    """Both graphs have the same outputs, by name and order, for the same random inputs."""
    assert_same_outputs(before, after, feeds_for(before, seed), tolerance)


def assert_same_outputs(
    before: Graph, after: Graph, feeds: Mapping[str, np.ndarray], tolerance: float
) -> None:
    """Both graphs have the same outputs for `feeds`, within `tolerance` of the largest."""
    with np.errstate(all="ignore"):
        first, second = run_graph(before, feeds), run_graph(after, feeds)
    assert list(first) == list(second)
    for name, wanted in first.items():
        scale = float(np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0))
        np.testing.assert_allclose(
            second[name], wanted, rtol=tolerance, atol=tolerance * scale, err_msg=name
        )


def ops(graph: Graph) -> list[str]:
    """The operators of a graph in order."""
    return [node.op for node in graph.nodes]


def reasons(graph: Graph) -> list[str]:
    """The reasons of the fused nodes of a graph in order."""
    return [str(node.attrs["reason"]) for node in graph.nodes if node.op == "fused"]


def decided(passes: Sequence[Pass], graph: Graph) -> Mapping[str, str]:
    """The verdict and reason of every decision, by subject."""
    context = Context()
    run_passes(graph, passes, context)
    return {each.subject: str(each).split(": ", 2)[2] for each in context.decisions}
