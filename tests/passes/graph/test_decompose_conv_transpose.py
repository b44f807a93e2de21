"""decompose-conv-transpose: the same numbers by a convolution of phases; other forms stay."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.graph_edit import GraphBuilder
from mlc.ir.interpret import run_graph
from mlc.passes.context import Context
from mlc.passes.graph.decompose_conv_transpose import DecomposeConvTranspose
from tests.passes.graph.rewriting import assert_unchanged


@st.composite
def geometries(draw: st.DrawFn) -> dict[str, tuple[int, ...]]:
    """Kernel, strides, padding and output padding that leave at least one output."""
    rank = draw(st.integers(1, 2))
    kernel = tuple(draw(st.integers(1, 5)) for _ in range(rank))
    strides = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    size = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    room = [(n - 1) * s + k - 1 for n, s, k in zip(size, strides, kernel, strict=True)]
    before = tuple(draw(st.integers(0, min(2, r))) for r in room)
    after = tuple(draw(st.integers(0, min(2, r - b))) for r, b in zip(room, before, strict=True))
    extra = tuple(draw(st.integers(0, s - 1)) for s in strides)
    return {
        "kernel": kernel,
        "strides": strides,
        "before": before,
        "after": after,
        "output_padding": extra,
        "size": size,
    }


@settings(max_examples=60, deadline=None)
@given(geometry=geometries(), channels=st.integers(1, 3), filters=st.integers(1, 3))
def test_results_stay(geometry: dict[str, tuple[int, ...]], channels: int, filters: int) -> None:
    generator = np.random.default_rng(0)
    builder = GraphBuilder("g")
    x = builder.input("x", (2, channels, *geometry["size"]))
    weights = generator.integers(-4, 5, (channels, filters, *geometry["kernel"]))
    w = builder.constant(weights.astype(np.float32), "w")
    attrs = {name: geometry[name] for name in ("strides", "before", "after", "output_padding")}
    ones = (1,) * len(geometry["size"])
    y = builder.emit("conv_transpose", [x, w], {**attrs, "dilations": ones, "groups": 1}, name="y")
    graph = builder.build([y])
    changed = DecomposeConvTranspose().run(graph, Context())
    assert "conv_transpose" not in [node.op for node in changed.nodes]
    data = generator.integers(-4, 5, x.type.static_shape).astype(np.float32)
    np.testing.assert_array_equal(
        run_graph(changed, {"x": data})["y"], run_graph(graph, {"x": data})["y"]
    )


def test_other_forms_stay() -> None:
    plain = "strides = (2,), before = (0,), after = (0,), output_padding = (0,)"
    assert_unchanged(
        DecomposeConvTranspose(),
        f"""graph g(%x: f32[1,2,8], %w: f32[2,3,2]) -> (%y) {{
          %y: f32[1,3,16] = conv_transpose(%x, %w) {{{plain}, dilations = (1,), groups = 1}}
        }}""",
    )
    assert_unchanged(
        DecomposeConvTranspose(),
        f"""graph g(%x: f32[1,2,8]) -> (%y) {{
          const %w: f32[2,1,2] = [1.0, 2.0, 3.0, 4.0]
          %y: f32[1,2,16] = conv_transpose(%x, %w) {{{plain}, dilations = (1,), groups = 2}}
        }}""",
    )
