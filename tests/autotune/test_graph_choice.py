"""Variants of a graph: layouts by a minimum cut, passes left out, and only what promises more."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from mlc.autotune.graph_choice import changes, kernels_of, promising
from mlc.autotune.layout_cut import choose_row_major
from mlc.autotune.task import Task
from mlc.importers.onnx import import_model
from mlc.ir.interpret import run_graph
from mlc.ir.text import parse_graph
from mlc.passes.context import Context
from mlc.passes.pipeline import run_passes
from mlc.passes.variant import Variant, model_key
from tests.autotune.fakes import MACHINE
from tests.small_network import IMAGE, network

POOLS = """
graph pools(%x: f32[1,8,8,8]) -> (%d) {
  %a: f32[1,8,4,4] = max_pool(%x) {kernel = (2, 2), strides = (2, 2), before = (0, 0),
      after = (0, 0), dilations = (1, 1)}
  %b: f32[1,8,4,4] = relu(%a)
  %c: f32[1,8,2,2] = max_pool(%b) {kernel = (2, 2), strides = (2, 2), before = (0, 0),
      after = (0, 0), dilations = (1, 1)}
  %d: f32[1,8,2,2] = relu(%c)
}
"""


def cost(
    row_major: frozenset[str],
    costs: Mapping[str, tuple[float, float]],
    between: Mapping[tuple[str, str], float],
) -> float:
    own = sum(pair[name in row_major] for name, pair in costs.items())
    changed = ((a in row_major) != (b in row_major) for a, b in between)
    return own + sum(itertools.compress(between.values(), changed))


@pytest.mark.parametrize("seed", range(10))
def test_the_cut_is_as_good_as_trying_everything(seed: int) -> None:
    rng = random.Random(seed)
    names = "abcdefg"
    costs = {name: (rng.random(), rng.random()) for name in names}
    between = {pair: rng.random() / 2 for pair in itertools.combinations(names, 2)
               if rng.random() < 0.4}  # fmt: skip
    subsets = itertools.chain.from_iterable(
        itertools.combinations(names, size) for size in range(len(names) + 1)
    )
    best = min(cost(frozenset(subset), costs, between) for subset in subsets)
    assert cost(choose_row_major(costs, between), costs, between) == pytest.approx(best)


def test_neighbours_are_found_through_what_lies_between() -> None:
    graph = parse_graph(POOLS)
    found = changes(graph, ["a", "c"])
    assert list(found) == [("a", "c")]
    assert found["a", "c"] == pytest.approx(2 * 8 * 4 * 4 * 4 / 1e10)


def test_the_layout_that_promises_more_comes_first() -> None:
    graph = parse_graph(POOLS)

    def seconds(tasks: Sequence[Task]) -> dict[str, float]:
        channels_last = [any(p.strides[1] == 1 for p in task.func.params) for task in tasks]
        return {t.key: 1e-3 if last else 1e-4 for t, last in zip(tasks, channels_last, strict=True)}

    found = [kernels.variant for kernels in promising(graph, MACHINE, seconds)]
    assert found[-1] == Variant()
    assert len(found) == 2
    assert set(found[0].row_major) == {"a", "c"}


def test_nothing_changes_where_nothing_is_faster() -> None:
    graph = import_model(network())
    found = promising(graph, MACHINE, lambda tasks: {task.key: 1e-3 for task in tasks})
    assert [kernels.variant for kernels in found] == [Variant()]


def test_a_task_that_cannot_be_measured_rules_its_variant_out() -> None:
    found = promising(parse_graph(POOLS), MACHINE, lambda tasks: {})
    assert [kernels.variant for kernels in found] == [Variant()]


def test_variants_compute_the_same() -> None:
    graph = import_model(network())
    base = kernels_of(graph, Variant(), MACHINE)
    assert base.task_of
    variant = Variant(row_major=tuple(base.task_of), without=("fuse-horizontal",))
    context = Context(target=MACHINE.target)
    optimized = run_passes(graph, variant.passes(MACHINE.target), context)
    expected = run_graph(graph, {"image": IMAGE})
    for name, array in run_graph(optimized, {"image": IMAGE}).items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-6)


def test_the_key_of_a_model_is_that_of_its_operators_and_names() -> None:
    graph = parse_graph(POOLS)
    assert model_key(graph) == model_key(parse_graph(POOLS))
    assert model_key(graph) != model_key(parse_graph(POOLS.replace("%b", "%e")))
    assert model_key(graph) != model_key(parse_graph(POOLS.replace("relu", "sigmoid")))


@pytest.mark.parametrize(
    "value", [None, {"row_major": "ab"}, {"row_major": [1]}, {"without": ["choose-layout"]}]
)
def test_a_strange_decision_is_none(value: object) -> None:
    assert Variant.from_json(value) == Variant()
