"""Whole graphs through all passes, lowering and code generation, on memory full of NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.graph import Graph
from mlc.ir.interpret import run_graph
from mlc.ir.text import parse_graph
from mlc.passes.schedule.templates import contraction, nests, reduction, window
from tests.backends.models import Running, compiled
from tests.backends.test_emit import targets
from tests.strategies import feeds_for, graphs


@pytest.fixture(autouse=True)
def _threads_for_small_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    for template in (contraction, nests, reduction, window):
        monkeypatch.setattr(template, "PARALLEL_ELEMENTS", 0)


def check(graph: Graph, target: str, threads: int, *, check_bounds: bool = False) -> None:
    feeds = feeds_for(graph)
    with np.errstate(all="ignore"):
        wanted = run_graph(graph, feeds)
    run = Running(compiled(graph, target, threads, check_bounds=check_bounds))
    found = run(feeds)
    assert list(found) == list(wanted)
    for name, exact in wanted.items():
        scale = float(np.abs(exact[np.isfinite(exact)]).max(initial=1.0))
        np.testing.assert_allclose(found[name], exact, 1e-4, 1e-4 * scale, err_msg=name)


@settings(max_examples=25, derandomize=True)
@given(st.data())
def test_random_graphs(data: st.DataObject) -> None:
    target, threads = data.draw(st.sampled_from(targets())), data.draw(st.sampled_from([1, 3]))
    check(data.draw(graphs()), target, threads)


@pytest.mark.slow
@settings(max_examples=400)
@given(st.data())
def test_random_graphs_at_length(data: st.DataObject) -> None:
    target, threads = data.draw(st.sampled_from(targets())), data.draw(st.sampled_from([1, 3]))
    check(data.draw(graphs(most_nodes=16)), target, threads)


@settings(max_examples=10, derandomize=True)
@given(graphs())
def test_random_graphs_stay_in_bounds(graph: Graph) -> None:
    check(graph, "host", 1, check_bounds=True)


@pytest.mark.parametrize(("left", "right"), [("%c", "%x"), ("%x", "%c"), ("%c", "%d")])
def test_products_with_constants_of_one_element(left: str, right: str) -> None:
    """Such a constant stands in the loops as a number: there is no buffer of it."""
    graph = parse_graph(
        f"""graph g(%x: f32[1,1]) -> (%y, %z) {{
          const %c: f32[1,1] = [2.0]
          const %d: f32[1,1] = [3.0]
          %a: f32[1,1] = matmul({left}, {right})
          %y: f32[1,1] = relu(%a)
          %z: f32[1,1] = add(%a, %x)
        }}"""
    )
    check(graph, "host", 1)
