"""strassen: which groups it takes, that no default is one, and that every point is right."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import numpy as np
import pytest

from mlc.backends.llvm.targets import resolve
from mlc.errors import ScheduleError
from mlc.ir.dtype import F32, I32, DType
from mlc.ir.graph import Graph, Node
from mlc.ir.graph_edit import GraphBuilder
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.lower.group import Group, lower_group
from mlc.passes.lower.views import bind_views
from mlc.passes.schedule.templates.base import Knobs, Machine, Space
from mlc.passes.schedule.templates.select import default_knobs, schedule_group, spaces
from mlc.passes.schedule.templates.strassen import StrassenProduct
from tests.backends.harness import run_compiled
from tests.passes.schedule.templates.single import group_of
from tests.passes.schedule.templates.test_points import covering_points, in_turn, result_of

HOST = resolve("host")
PLAIN = {"transpose_a": False, "transpose_b": False}
TURNED = {"transpose_a": True, "transpose_b": True}
LAST = (0, 2, 3, 1)
CONV = {"strides": (1, 1), "before": (0, 0), "after": (0, 0), "dilations": (1, 1), "groups": 1}
STRIDED = {**CONV, "strides": (2, 2)}


def product(x: tuple[int, ...], w: tuple[int, ...], attrs: dict[str, bool] = PLAIN) -> Group:
    """A product by constant weights."""
    return group_of("matmul", [x, w], attrs, constants=[1])


def convolution(x: tuple[int, ...], w: tuple[int, ...], attrs: dict[str, object]) -> Group:
    """A channels-last convolution by constant weights."""
    return group_of("conv", [x, w], attrs, [LAST, None, LAST], constants=[1])


TAKEN = {
    "product": product((37, 128), (128, 136)),
    "batches in rows": product((2, 3, 11, 128), (128, 144)),
    "transposed": product((128, 40), (132, 128), TURNED),
    "pointwise": convolution((2, 128, 5, 7), (128, 128, 1, 1), CONV),
    "strided": convolution((1, 128, 12, 13), (132, 128, 1, 1), STRIDED),
    "large kernel": convolution((1, 32, 13, 15), (128, 32, 3, 3), STRIDED),
}

OTHERS = {
    "product of inputs": group_of("matmul", [(64, 128), (128, 128)], PLAIN),
    "constant on the left": group_of("matmul", [(64, 128), (128, 128)], PLAIN, constants=[0]),
    "batched right side": product((2, 64, 128), (2, 128, 128)),
    "odd columns": product((64, 128), (128, 129)),
    "odd depth": product((64, 129), (129, 128)),
    "few columns": product((64, 128), (128, 16)),
    "short": product((64, 16), (16, 128)),
    "few rows": product((4, 128), (128, 128)),
    "large kernel, few channels": convolution((1, 18, 20, 20), (128, 18, 3, 3), STRIDED),
    "grouped": convolution((1, 256, 8, 8), (256, 128, 1, 1), {**CONV, "groups": 2}),
    "sum": group_of("add", [(128, 128), (128, 128)], {}, constants=[1]),
}


def product_of(dtype: DType) -> Group:
    """A product of 64 rows of 128 elements by constant weights."""
    builder = GraphBuilder("g")
    x = builder.input("x", (64, 128), dtype)
    w = builder.constant(np.zeros((128, 128), dtype.numpy), "w")
    y = builder.emit("matmul", [x, w], PLAIN, name="y")
    graph = Graph("g", (x,), (y,), tuple(builder.nodes), dict(builder.constants))
    return lower_group(graph.nodes[0], graph, bind_views(graph), graph.constants)


def block_of_layers() -> Group:
    """`max(x @ w + b, 0) + r` in one group."""
    builder = GraphBuilder("g")
    x, r = builder.input("x", (37, 128)), builder.input("r", (37, 144))
    w = builder.constant(np.zeros((128, 144), np.float32), "w")
    b = builder.constant(np.zeros(144, np.float32), "b")
    t = builder.emit("add", [builder.emit("matmul", [x, w], PLAIN, name="t"), b], name="s")
    y = builder.emit("add", [builder.emit("relu", [t], name="u"), r], name="y")
    inputs = (x, w, b, r)
    inner = Graph("layers", inputs, (y,), tuple(builder.nodes), {})
    node = Node("fused", inputs, (y,), {"body": inner, "reason": ""})
    graph = Graph("g", (x, r), (y,), (node,), dict(builder.constants))
    return lower_group(node, graph, bind_views(graph), graph.constants)


def with_the_weights_added() -> Group:
    """`x @ w + w`: the weights are wanted as they are, too."""
    builder = GraphBuilder("g")
    x = builder.input("x", (128, 128))
    w = builder.constant(np.zeros((128, 128), np.float32), "w")
    t = builder.emit("matmul", [x, w], PLAIN, name="t")
    y = builder.emit("add", [t, w], name="y")
    inner = Graph("both", (x, w), (y,), tuple(builder.nodes), {})
    node = Node("fused", (x, w), (y,), {"body": inner, "reason": ""})
    graph = Graph("g", (x,), (y,), (node,), dict(builder.constants))
    return lower_group(node, graph, bind_views(graph), graph.constants)


@pytest.mark.parametrize(
    "group",
    [
        with_the_weights_added(),
        convolution((1, 128, 8, 8), (128, 128, 1, 1), {**CONV, "before": (1, 1), "after": (1, 1)}),
    ],
    ids=["weights read twice", "padded"],
)
def test_no_point_is_offered_that_the_primitive_refuses(group: Group) -> None:
    machine = Machine(HOST, 1)
    assert StrassenProduct().spaces(group, machine) == ()
    assert default_knobs(group, machine)["template"] == "contraction"


def boxes(group: Group, threads: int) -> list[Space]:
    """Those of the spaces of a group that are this template's, in any order."""
    found = [
        box for box in spaces(group, Machine(HOST, threads)) if box["template"] == ("strassen",)
    ]
    return random.Random(threads).sample(found, len(found))


def points(group: Group, threads: int) -> Iterator[Knobs]:
    """Points of all boxes in turn, with every value of every knob."""
    return in_turn(map(covering_points, boxes(group, threads)))


@pytest.mark.parametrize("name", TAKEN)
def test_large_products_by_one_matrix_are_matched(name: str) -> None:
    assert StrassenProduct().matches(TAKEN[name])


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_not(name: str) -> None:
    group, machine = OTHERS[name], Machine(HOST, 1)
    assert not StrassenProduct().matches(group)
    assert ("strassen",) not in {box["template"] for box in spaces(group, machine)}


def test_integers_are_not() -> None:
    assert StrassenProduct().matches(product_of(F32))
    assert not StrassenProduct().matches(product_of(I32))


def test_what_is_not_matched_is_not_scheduled() -> None:
    with pytest.raises(ScheduleError) as caught:
        schedule_group(OTHERS["product of inputs"], HOST, 1, {"template": "strassen"})
    assert str(caught.value).splitlines()[0] == "no template 'strassen' schedules this kernel"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", TAKEN)
def test_never_a_default(name: str, threads: int) -> None:
    for target in ("x86-64-v3", "host"):
        knobs = default_knobs(TAKEN[name], Machine(resolve(target), threads))
        assert knobs["template"] != "strassen"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", TAKEN)
def test_in_the_space_but_where_sums_are_to_be_plain(name: str, threads: int) -> None:
    machine, exact = Machine(HOST, threads), Machine(HOST, threads, exact=True)
    default = default_knobs(TAKEN[name], machine)["template"]
    found = {box["template"] for box in spaces(TAKEN[name], machine)}
    assert found == {(default,), ("strassen",)}
    assert {box["template"] for box in spaces(TAKEN[name], exact)} == {(default,)}


@pytest.mark.parametrize(
    ("group", "schemes"),
    [
        (product((196, 256), (256, 1024)), {"4x4x4", "2x4x4", "4x2x4"}),  # products outweigh rows
        (product((196, 1024), (1024, 256)), {"4x4x4", "2x4x4", "4x4x2"}),  # and the other way round
        (product((49, 512), (512, 2048)), {"2x4x4"}),  # the weights come from memory
        (product((64, 128), (128, 138)), {"2x2x2"}),  # 138 columns have halves, but no quarters
    ],
)
def test_the_schemes_thought_fast_are_offered(group: Group, schemes: set[str]) -> None:
    assert {value for box in boxes(group, 1) for value in box["blocks"]} == schemes


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", TAKEN)
def test_its_own_default_is_a_point(name: str, threads: int) -> None:
    chosen = StrassenProduct().default(TAKEN[name], Machine(HOST, threads))
    mine = {"template": "strassen", "threads": threads, **chosen}
    assert any(
        mine.keys() == box.keys() and all(mine[knob] in box[knob] for knob in box)
        for box in boxes(TAKEN[name], threads)
    )


def check(group: Group, knobs: Knobs, threads: int) -> None:
    """The compiled point gives what NumPy gives, beside the largest element."""
    found, wanted = result_of(group, knobs, threads)
    bound = 1e-5 * float(np.abs(wanted).max())
    np.testing.assert_allclose(found, wanted, 0, bound, err_msg=str(knobs))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", TAKEN)
def test_points_compute_what_numpy_computes(name: str, threads: int) -> None:
    for knobs in itertools.islice(points(TAKEN[name], threads), 3):
        check(TAKEN[name], knobs, threads)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", TAKEN)
def test_every_value_of_every_knob(name: str, threads: int) -> None:
    for knobs in points(TAKEN[name], threads):
        check(TAKEN[name], knobs, threads)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", TAKEN)
def test_points_apply(name: str, threads: int) -> None:
    for knobs in itertools.islice(points(TAKEN[name], threads), 20):
        schedule_group(TAKEN[name], HOST, threads, knobs)


@pytest.mark.parametrize("threads", [1, 3])
def test_what_follows_the_product_is_done_with_it(threads: int) -> None:
    group = block_of_layers()
    generator = np.random.default_rng(threads)
    shapes = {p.name: p.shape for p in group.func.params if not p.name.startswith("out")}
    values = {n: generator.standard_normal(s).astype(np.float32) for n, s in shapes.items()}
    x, w, b, r = (values[f"in{n}"].astype(np.float64) for n in range(4))
    wanted = np.maximum(x @ w + b, 0) + r
    for knobs in itertools.islice(points(group, threads), 3):
        func = finish_loops(schedule_group(group, HOST, threads, knobs).func)
        found = run_compiled(func, values, threads=threads, params=group.func.params)["out0"]
        bound = 1e-5 * np.abs(wanted).max()
        np.testing.assert_allclose(found, wanted, 0, bound, err_msg=str(knobs))
