"""From a fused graph to a program: kernels once, constants once, everything in its place."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

from mlc.backends.llvm.targets import resolve
from mlc.ir.graph import Graph
from mlc.ir.interpret import run_graph
from mlc.ir.program import PlainConstant, PreparedConstant, Program
from mlc.ir.text import parse_graph
from mlc.passes.lower.group import lower_group
from mlc.passes.lower.lower_graph import lower_graph
from mlc.passes.lower.views import bind_views
from mlc.passes.schedule.templates.select import schedule_group
from tests.passes.lower.simulate import run_program
from tests.strategies import feeds_for


def lowered(text: str, *, scheduled: bool = True) -> tuple[Graph, Program]:
    graph = parse_graph(dedent(text))
    host = resolve("host")
    if not scheduled:
        return graph, lower_graph(graph, lambda group: group.func)
    return graph, lower_graph(graph, lambda group: schedule_group(group, host, 1).func)


def computes_the_same(text: str) -> Program:
    graph, program = lowered(text, scheduled=False)
    feeds = feeds_for(graph)
    wanted, found = run_graph(graph, feeds), run_program(program, feeds)
    for (name, array), output in zip(wanted.items(), found.values(), strict=True):
        np.testing.assert_allclose(output, array, 1e-6, err_msg=name)
    return program


def test_equal_nodes_share_one_kernel() -> None:
    program = computes_the_same(
        """
        graph g(%x: f32[4,4], %y: f32[4,4]) -> (%c, %e) {
          %a: f32[4,4] = add(%x, %y)
          %b: f32[4,4] = relu(%a)
          %c: f32[4,4] = add(%b, %x)
          %d: f32[4,4] = transpose(%b) {perm = (1, 0)}
          %e: f32[4,4] = add(%d, %x)
        }"""
    )
    adds = [call.kernel for call in program.calls if call.kernel.endswith("add")]
    assert len(adds) == 3
    assert len(set(adds)) == 2  # the one that reads across the rows is another
    assert set(program.kernels) == {call.kernel for call in program.calls}


PRODUCTS = """
graph g(%x: f32[4,8]) -> (%y, %z) {
  const %w: f32[8,4] = [WEIGHTS]
  %y: f32[4,4] = matmul(%x, %w)
  %r: f32[4,8] = relu(%x)
  %z: f32[4,4] = matmul(%r, %w)
}""".replace("WEIGHTS", ", ".join(f"{number}.0" for number in range(32)))


def test_a_constant_is_packed_once_for_all_that_read_it() -> None:
    graph, program = lowered(PRODUCTS)
    prepared = [item for item in program.constants if isinstance(item, PreparedConstant)]
    assert len(prepared) == len(program.constants) == 1
    products = [call for call in program.calls if call.kernel.endswith("matmul")]
    assert [prepared[0].place in call.arguments for call in products] == [True, True]
    (weights,) = graph.constants.values()
    np.testing.assert_array_equal(prepared[0].sources[0], weights)


def test_a_plain_constant_is_stored_once() -> None:
    program = computes_the_same(
        """
        graph g(%x: f32[2]) -> (%b) {
          const %w: f32[2] = [1.0, 2.0]
          %a: f32[2] = mul(%x, %w)
          %b: f32[2] = add(%a, %w)
        }"""
    )
    (constant,) = program.constants
    assert isinstance(constant, PlainConstant)
    assert constant.place in program.calls[0].arguments
    assert constant.place in program.calls[1].arguments


@pytest.mark.parametrize(
    "outputs",
    ["%a", "%a, %a", "%x, %a", "%t", "%t, %a", "%s", "%w", "%e"],
    ids=[
        "computed",
        "twice",
        "an input",
        "a view",
        "a view and its root",
        "a part",
        "constant",
        "repeated",
    ],
)
def test_outputs_of_every_kind(outputs: str) -> None:
    names = outputs.replace("%", "").split(", ")
    if len(set(names)) < len(names):
        outputs = "%a, %again"
    computes_the_same(
        f"""
        graph g(%x: f32[2,3]) -> ({outputs}) {{
          const %w: f32[2] = [1.0, 2.0]
          %a: f32[2,3] = relu(%x)
          %again: f32[2,3] = reshape(%a) {{shape = (2, 3)}}
          %t: f32[3,2] = transpose(%a) {{perm = (1, 0)}}
          %s: f32[1,3] = slice(%a) {{starts = (1, 0), sizes = (1, 3), steps = (1, 1)}}
          %e: f32[4,1,3] = expand(%s) {{shape = (4, 1, 3)}}
        }}"""
    )


def test_zeros_of_both_signs_are_two_kernels() -> None:
    program = computes_the_same(
        """
        graph g(%x: f32[4]) -> (%a, %b) {
          %a: f32[6] = pad(%x) {before = (1,), after = (1,), value = 0.0}
          %b: f32[6] = pad(%x) {before = (1,), after = (1,), value = -0.0}
        }"""
    )
    assert len(program.kernels) == 2


def test_empty_values_that_are_computed_and_read() -> None:
    program = computes_the_same(
        """
        graph g(%x: f32[0,3], %y: f32[2,3]) -> (%c, %s, %b) {
          %a: f32[0,3] = relu(%x)
          %b: f32[0,3] = neg(%a)
          %c: f32[2,3] = concat(%b, %y) {axis = 0}
          %s: f32[3] = reduce_sum(%a) {axes = (0,)}
        }"""
    )
    assert not any(call.kernel.endswith(("relu", "neg")) for call in program.calls)


def test_equal_computations_are_equal_functions_whatever_they_are_called() -> None:
    texts = [
        """graph g(%x: f32[4,4], %y: f32[4,4]) -> (%a) { %a: f32[4,4] = add(%x, %y) }""",
        """graph h(%left: f32[4,4], %right: f32[4,4]) -> (%sum) {
          %sum: f32[4,4] = add(%left, %right) loc("layer")
        }""",
    ]
    funcs = []
    for text in texts:
        graph = parse_graph(dedent(text))
        group = lower_group(graph.nodes[0], graph, bind_views(graph), graph.constants)
        funcs.append((group.func.params, group.func.body))
    assert funcs[0] == funcs[1]


def test_calls_know_the_work_of_their_plain_loops() -> None:
    _, scheduled = lowered(PRODUCTS)
    _, plain = lowered(PRODUCTS, scheduled=False)
    assert [call.work for call in scheduled.calls] == [call.work for call in plain.calls]
    products, threshold = 2 * (2 * 4 * 4 * 8), 4 * 8
    assert sum(call.work.flops for call in plain.calls) == products + threshold
