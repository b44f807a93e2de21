"""Random programs, run as planned in one arena, compute what their graphs say."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.graph import Graph
from mlc.ir.interpret import run_graph
from mlc.ir.program import Program
from mlc.ir.stmt import Func
from mlc.ir.text import parse_graph
from mlc.passes.context import Context
from mlc.passes.graph.choose_layout import ChooseLayout
from mlc.passes.graph.explicit_padding import ExplicitPadding
from mlc.passes.graph.fuse_vertical import FuseVertical
from mlc.passes.lower.group import Group
from mlc.passes.lower.lower_graph import lower_graph
from mlc.passes.pipeline import run_passes
from mlc.passes.schedule.templates.select import schedule_group
from mlc.target import Target
from tests.passes.lower.joins import joining_graphs
from tests.passes.lower.simulate import run_program
from tests.strategies import feeds_for, graphs

SMALL = Target("small", "x86_64-linux-gnu", "haswell", "", 256, 16)


def plain(group: Group) -> Func:
    return group.func


def scheduled(group: Group) -> Func:
    return schedule_group(group, SMALL, 2).func


def assert_program_agrees(graph: Graph, program: Program) -> None:
    feeds = feeds_for(graph)
    expected = run_graph(graph, feeds)
    actual = run_program(program, feeds)
    for value, name in zip(graph.outputs, actual, strict=True):
        wanted = expected[value.name]
        scale = float(np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0))
        np.testing.assert_allclose(
            actual[name], wanted, rtol=1e-4, atol=1e-4 * scale, err_msg=value.name
        )


@settings(max_examples=150)
@given(graph=joining_graphs())
def test_joins_without_any_pass(graph: Graph) -> None:
    assert_program_agrees(graph, lower_graph(graph, plain))


@settings(max_examples=60)
@given(graph=st.one_of(joining_graphs(), graphs(most_nodes=12)))
def test_fused_graphs_with_schedules(graph: Graph) -> None:
    passes = (ExplicitPadding(), ChooseLayout(), FuseVertical())
    optimized = run_passes(graph, passes, Context())
    assert_program_agrees(graph, lower_graph(optimized, scheduled))


def test_slices_of_a_joined_product_cost_nothing() -> None:
    graph = parse_graph(
        """graph g(%x: f32[8,4], %w: f32[4,12], %b: f32[4]) -> (%z) {
          %qkv: f32[8,12] = matmul(%x, %w)
          %q: f32[8,4] = slice(%qkv) {starts = (0, 0), sizes = (8, 4), steps = (1, 1)}
          %k: f32[8,4] = slice(%qkv) {starts = (0, 4), sizes = (8, 4), steps = (1, 1)}
          %v: f32[8,4] = slice(%qkv) {starts = (0, 8), sizes = (8, 4), steps = (1, 1)}
          %wide: f32[8,4] = expand(%b) {shape = (8, 4)}
          %s: f32[8,8] = matmul(%q, %k) {transpose_b = true}
          %m: f32[8,4] = matmul(%s, %v)
          %z: f32[8,4] = add(%m, %wide)
        }"""
    )
    program = lower_graph(graph, plain)
    assert [call.kernel.split("_")[1] for call in program.calls] == ["matmul"] * 3 + ["add"]
    inside = {(p.space, p.offset) for p in program.calls[1].arguments[:2]}
    start = program.calls[0].arguments[2].offset
    assert inside == {("arena", start), ("arena", start + 4 * 4)}
    assert_program_agrees(graph, program)
