"""widen-sums: half-precision sums are rounded once; whatever adds nothing stays."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from mlc.ir.dtype import F32, dtype_of
from mlc.ir.graph_edit import GraphBuilder
from mlc.ir.interpret import run_graph
from mlc.ir.operators import OPERATORS
from mlc.passes.context import Context
from mlc.passes.graph.widen_sums import SUMS, WidenSums
from tests.passes.graph.rewriting import assert_unchanged

HALVES = [np.float16, ml_dtypes.bfloat16]


@pytest.mark.parametrize("half", HALVES)
def test_constants_are_widened_once(half: type) -> None:
    generator = np.random.default_rng(0)
    builder = GraphBuilder("g")
    x = builder.input("x", (3, 16), dtype_of(np.dtype(half)))
    w = builder.constant(generator.standard_normal((16, 16)).astype(half), "w")
    y = builder.emit("matmul", [builder.emit("matmul", [x, w]), w], name="y")
    graph = builder.build([y])
    changed = WidenSums().run(graph, Context())
    assert [node.op for node in changed.nodes] == [
        "cast",
        "matmul",
        "cast",
        "cast",
        "matmul",
        "cast",
    ]
    assert [value.type.dtype for value in changed.constants] == [F32]
    feeds = {"x": generator.standard_normal((3, 16)).astype(half)}
    before, after = run_graph(graph, feeds), run_graph(changed, feeds)
    np.testing.assert_array_equal(after["y"], before["y"])


def test_what_adds_nothing_stays() -> None:
    assert_unchanged(
        WidenSums(),
        """
        graph g(%x: f16[3,16]) -> (%y) {
          %m: f16[3,1] = reduce_max(%x) {axes = (1,), keepdims = true}
          %y: f16[3,16] = sub(%x, %m)
        }""",
    )


def test_wider_sums_stay() -> None:
    assert_unchanged(
        WidenSums(),
        """
        graph g(%x: f32[3,16]) -> (%y) {
          %y: f32[3,16] = softmax(%x) {axis = 1}
        }""",
    )


def test_sums_are_operators() -> None:
    assert OPERATORS.keys() >= SUMS
