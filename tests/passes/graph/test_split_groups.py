"""split-groups: which convolutions are split, and what moves with them."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.ir.graph import Graph
from mlc.ir.graph_edit import GraphBuilder
from mlc.ir.interpret import run_graph
from mlc.passes.context import Context
from mlc.passes.graph.split_groups import SplitGroups

ONES, ZEROS = (1, 1), (0, 0)


def network(groups: int, kernel: int = 3, stride: int = 1, channels: int = 32) -> Graph:
    """conv → add of a bias for each channel → mul by one number → relu → sum with the input."""
    builder = GraphBuilder("g")
    generator = np.random.default_rng(0)

    def constant(*shape: int) -> object:
        return builder.constant(generator.standard_normal(shape).astype(np.float32), "c")

    x = builder.input("x", (1, channels, 6, 6))
    attrs = {"strides": (stride,) * 2, "before": ZEROS, "after": ZEROS, "dilations": ONES}
    weights = constant(channels, channels // groups, kernel, kernel)
    y = builder.emit("conv", [x, weights], {**attrs, "groups": groups}, name="t")
    y = builder.emit("add", [y, constant(channels, 1, 1)], name="biased")
    y = builder.emit("mul", [y, constant(1)], name="scaled")
    y = builder.emit("relu", [y], name="y")
    z = builder.emit("max_pool", [y], {**attrs, "kernel": (2, 2), "strides": ONES}, name="z")
    return builder.build([z])


def split(graph: Graph) -> Graph:
    return SplitGroups().run(graph, Context())


@pytest.mark.parametrize("stride", [1, 2])
def test_what_is_elementwise_moves_along(stride: int) -> None:
    graph = network(2, stride=stride)
    result = split(graph)
    ops = [node.op for node in result.nodes]
    part = ["slice", "conv", "add", "mul", "relu"]
    assert ops == [*part, *part, "concat", "max_pool"]
    x = np.random.default_rng(1).standard_normal((1, 32, 6, 6)).astype(np.float32)
    (found,), (wanted,) = run_graph(result, {"x": x}).values(), run_graph(graph, {"x": x}).values()
    np.testing.assert_allclose(found, wanted, 1e-5, 1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"groups": 1},
        {"groups": 32},  # depthwise
        {"groups": 2, "kernel": 5},
        {"groups": 2, "stride": 3},
        {"groups": 4},  # of 8 channels each
    ],
    ids=str,
)
def test_others_stay(options: dict[str, int]) -> None:
    graph = network(**options)
    assert split(graph) is graph
