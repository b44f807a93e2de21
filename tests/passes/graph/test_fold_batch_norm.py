"""fold-batch-norm: weights take in scales, an add the shifts, rounded once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc.ir.graph import Attr, Graph, Value
from mlc.ir.graph_edit import GraphBuilder
from mlc.passes.context import Context
from mlc.passes.graph.fold_batch_norm import FoldBatchNorm
from tests.passes.graph.rewriting import assert_rewrites, assert_same_results, assert_unchanged, ops

SAME = {"strides": (1, 1), "before": (1, 1), "after": (1, 1), "dilations": (1, 1)}


def test_a_chain_after_a_product() -> None:
    assert_rewrites(
        FoldBatchNorm(),
        """graph g(%x: f32[8,2]) -> (%z) {
          const %w: f32[2,2] = [1, 2, 3, 4]
          const %b: f32[2] = [1, 2]
          const %s: f32[1,2] = [10, 100]
          const %two: f32[] = [2]
          %m: f32[8,2] = matmul(%x, %w)
          %a: f32[8,2] = add(%b, %m)
          %y: f32[8,2] = mul(%a, %s)
          %n: f32[8,2] = neg(%y)
          %d: f32[8,2] = div(%n, %two)
          %z: f32[8,2] = sub(%two, %d)
        }""",
        """graph g(%x: f32[8,2]) -> (%z) {
          const %w: f32[2,2] = [5, 100, 15, 200]
          const %b: f32[2] = [7, 102]
          %m: f32[8,2] = matmul(%x, %w)
          %z: f32[8,2] = add(%m, %b)
        }""",
    )


def test_a_lone_batch_norm_takes_in_what_follows() -> None:
    assert_rewrites(
        FoldBatchNorm(),
        """graph g(%x: f32[3,2,4]) -> (%z) {
          const %scale: f32[2] = [6, 8]
          const %bias: f32[2] = [1, 2]
          const %mean: f32[2] = [3, 4]
          const %var: f32[2] = [8, 15]
          const %two: f32[] = [2]
          %y: f32[3,2,4] = batch_norm(%x, %scale, %bias, %mean, %var) {epsilon = 1.0}
          %z: f32[3,2,4] = mul(%y, %two)
        }""",
        """graph g(%x: f32[3,2,4]) -> (%z) {
          const %s: f32[2,1] = [4, 4]
          const %t: f32[2,1] = [-10, -12]
          %y: f32[3,2,4] = mul(%x, %s)
          %z: f32[3,2,4] = add(%y, %t)
        }""",
    )


@pytest.mark.parametrize(
    "text",
    [
        # A bias alone is as cheap as can be.
        "%m: f32[8,2] = matmul(%x, %w)  %z: f32[8,2] = add(%m, %b)",
        # The factor varies by row.
        "%m: f32[8,2] = matmul(%x, %w)  %z: f32[8,2] = mul(%m, %rows)",
        # The product is read elsewhere.
        "%m: f32[8,2] = matmul(%x, %w)  %y: f32[8,2] = mul(%m, %b)  %z: f32[8,2] = add(%y, %m)",
        # A factor that is zero has no reciprocal.
        "%m: f32[8,2] = matmul(%x, %w)  %z: f32[8,2] = div(%m, %zero)",
    ],
)
def test_left_alone(text: str) -> None:
    assert_unchanged(
        FoldBatchNorm(),
        f"""graph g(%x: f32[8,2]) -> (%z) {{
          const %w: f32[2,2] = [1, 2, 3, 4]
          const %b: f32[2] = [1, 2]
          const %rows: f32[8,1] = [1, 2, 3, 4, 5, 6, 7, 8]
          const %zero: f32[2] = [1, 0]
          {text}
        }}""",
    )


def test_parameters_that_are_computed() -> None:
    build = GraphBuilder()
    x = build.input("x", (2, 3, 4))
    scale = build.input("scale", (3,))
    fixed = [build.constant(np.full(3, number, np.float32)) for number in (1, 2, 3)]
    graph = build.build([build.emit("batch_norm", [x, scale, *fixed])])
    result = FoldBatchNorm().run(graph, Context())
    assert "batch_norm" not in ops(result)
    assert_same_results(graph, result, tolerance=1e-6)


def test_the_weights_are_rounded_once() -> None:
    build = GraphBuilder()
    x = build.input("x", (2, 1))
    weight = np.array([[1 + 2**-23]], np.float32)
    y = build.emit("matmul", [x, build.constant(weight)])
    factors = np.array([1 / 3, 3], np.float32)
    for factor in factors:
        y = build.emit("mul", [y, build.constant(factor)])
    result = FoldBatchNorm().run(build.build([y]), Context())
    (folded,) = result.constants.values()
    exact = weight.astype(np.float64) * factors.astype(np.float64).prod()
    assert folded[0, 0] == np.float32(exact[0, 0])


@st.composite
def normalised(draw: st.DrawFn) -> Graph:
    """A convolution of some kind followed by a batch_norm."""
    build = GraphBuilder("normalised")
    random = np.random.default_rng(draw(st.integers(0, 99)))

    def constant(*shape: int) -> Value:
        return build.constant(random.uniform(0.5, 1.5, shape).astype(np.float32))

    groups, per_group = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    x = build.input("x", (2, groups * draw(st.integers(1, 2)), 4, 4))
    channels = x.type.static_shape[1]
    attrs: dict[str, Attr] = {**SAME, "groups": groups}
    if draw(st.booleans()):
        weight = constant(groups * per_group, channels // groups, 3, 3)
        y = build.emit("conv", [x, weight], attrs)
    else:
        attrs["output_padding"] = (0, 0)
        y = build.emit("conv_transpose", [x, constant(channels, per_group, 3, 3)], attrs)
    for _ in range(draw(st.integers(1, 2))):
        count = y.type.static_shape[1]
        y = build.emit("batch_norm", [y, *(constant(count) for _ in range(4))])
    return build.build([build.emit("relu", [y])])


@given(normalised())
def test_convolutions_with_groups(graph: Graph) -> None:
    result = FoldBatchNorm().run(graph, Context())
    assert ops(result) == [graph.nodes[0].op, "add", "relu"]
    assert_same_results(graph, result, tolerance=1e-5)
