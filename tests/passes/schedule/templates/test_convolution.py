"""convolution: which algorithm is chosen, and that every choice computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.backends.llvm.targets import resolve
from mlc.ir.graph import Graph, Node
from mlc.ir.graph_edit import GraphBuilder
from mlc.ir.layout import Layout
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.lower.group import Group, lower_group
from mlc.passes.lower.views import bind_views
from mlc.passes.schedule.templates.base import Machine
from mlc.passes.schedule.templates.convolution import Convolution
from mlc.passes.schedule.templates.select import (
    default_knobs,
    schedule_group,
    spaces,
    template_for,
)
from tests.backends.harness import run_compiled
from tests.passes.schedule.templates import single

AVX2 = resolve("x86-64-v3")
AVX512 = resolve("znver4")


def group_of(channels: int, filters: int, side: int, kernel: int = 3, stride: int = 1) -> Group:
    """A channels-last convolution with a relu, `side` × `side` results."""
    builder = GraphBuilder("g")
    last = Layout.channels_last(4)
    reach = (side - 1) * stride + kernel
    outside = builder.input("x", (1, channels, reach, reach))
    x = builder.emit("identity", [outside], name="inner", layout=last)
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((filters, channels, kernel, kernel)).astype(np.float32)
    w = builder.constant(weights / np.float32(channels) ** 0.5, "w")
    zeros, ones = (0, 0), (1, 1)
    attrs = {"strides": (stride, stride), "before": zeros, "after": zeros, "dilations": ones}
    t = builder.emit("conv", [x, w], {**attrs, "groups": 1}, name="t", layout=last)
    y = builder.emit("relu", [t], name="y", layout=last)
    inner = Graph("conv_relu", (x, w), (y,), tuple(builder.nodes[1:]), {})
    node = Node("fused", (x, w), (y,), {"body": inner, "reason": ""})
    graph = Graph("g", (x,), (y,), (node,), dict(builder.constants))
    return lower_group(node, graph, bind_views(graph), graph.constants)


@pytest.mark.parametrize(
    ("channels", "side", "algorithm"),
    [
        (64, 56, "winograd4"),
        (128, 28, "winograd4"),
        (512, 7, "winograd2"),
        (16, 4, "implicit_gemm"),
    ],
)
def test_the_rule_follows_the_measurements(channels: int, side: int, algorithm: str) -> None:
    """Large images take the large tile, small ones with many weights the small tile."""
    group = group_of(channels, channels, side)
    knobs = Convolution().default(group, Machine(AVX2, 1))
    assert knobs["algorithm"] == algorithm


@pytest.mark.parametrize(
    ("channels", "filters", "side", "algorithm"),
    [
        (32, 64, 56, "winograd4"),
        (128, 128, 28, "winograd4"),
        (256, 256, 14, "winograd2"),
        (512, 512, 7, "implicit_gemm"),
        (16, 16, 112, "implicit_gemm"),
    ],
)
def test_so_does_that_of_strided_ones(
    channels: int, filters: int, side: int, algorithm: str
) -> None:
    group = group_of(channels, filters, side, stride=2)
    knobs = default_knobs(group, Machine(AVX512, 1))
    assert (knobs["template"], knobs["algorithm"]) == ("strided_convolution", algorithm)


@pytest.mark.parametrize("stride", [1, 2])
def test_exact_precision_takes_the_direct_form(stride: int) -> None:
    group = group_of(64, 64, 56, stride=stride)
    machine = Machine(AVX2, 1, exact=True)
    template = Convolution(stride)
    assert template.default(group, machine)["algorithm"] == "implicit_gemm"
    algorithms = {name for box in template.spaces(group, machine) for name in box["algorithm"]}
    assert algorithms == {"direct", "implicit_gemm"}


@pytest.mark.parametrize("stride", [1, 2])
def test_other_convolutions_are_not_matched(stride: int) -> None:
    assert template_for(group_of(32, 32, 8, stride=stride)) == Convolution(stride)
    for other in (
        group_of(32, 32, 8, kernel=1, stride=stride),
        group_of(32, 32, 8, kernel=5, stride=stride),
        group_of(32, 32, 8, stride=3),
        group_of(3, 32, 8, stride=stride),
    ):
        assert not isinstance(template_for(other), Convolution)


def test_strides_must_be_equal() -> None:
    attrs = {"before": (0, 0), "after": (0, 0), "dilations": (1, 1), "groups": 1}
    shapes = [(1, 32, 19, 19), (32, 32, 3, 3)]
    for strides in ((1, 2), (2, 1)):
        group = single.group_of("conv", shapes, {**attrs, "strides": strides}, constants=[1])
        assert not isinstance(template_for(group), Convolution)


@pytest.mark.parametrize(
    ("stride", "templates"),
    [(1, {"convolution"}), (2, {"strided_convolution", "strassen"})],
)
def test_what_is_offered_to_the_tuner(stride: int, templates: set[str]) -> None:
    group = group_of(128, 128, 14, stride=stride)
    boxes = spaces(group, Machine(AVX2, 1))
    assert {name for box in boxes for name in box["template"]} == templates
    algorithms = {name for box in boxes for name in box.get("algorithm", ())}
    assert algorithms == {"direct", "implicit_gemm", "winograd2", "winograd4"}
    exact = spaces(group, Machine(AVX2, 1, exact=True))
    assert {name for box in exact for name in box["template"]} == templates - {"strassen"}


@pytest.mark.parametrize("algorithm", ["direct", "implicit_gemm", "winograd2", "winograd4"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_every_algorithm_gives_the_same(stride: int, algorithm: str, threads: int) -> None:
    group = group_of(20, 24, 9, stride=stride)
    generator = np.random.default_rng(1)
    shapes = {param.name: param.shape for param in group.func.params}
    values = {
        name: generator.standard_normal(shapes[name]).astype(np.float32) for name in ("in0", "in1")
    }
    machine = Machine(resolve("host"), threads)
    knobs = {**Convolution(stride).default(group, machine), "algorithm": algorithm, "chunk": 4}
    knobs |= {"rows": 4, "columns": 16, "order": "columns"}
    func = finish_loops(schedule_group(group, machine.target, threads, knobs).func)
    windows = np.lib.stride_tricks.sliding_window_view(values["in0"], (3, 3), (2, 3))
    windows = windows[:, :, ::stride, ::stride]
    wanted = np.maximum(np.einsum("nchwrs,ocrs->nohw", windows, values["in1"]), 0)
    found = run_compiled(func, values, threads=threads, params=group.func.params)["out0"]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-5 * np.abs(wanted).max())
