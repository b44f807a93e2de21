"""fuse-vertical: what joins a kernel, what does not, and the reasons that are given."""

from __future__ import annotations

from textwrap import dedent

import pytest

from mlc.ir.graph import Graph
from mlc.ir.text import parse_graph
from mlc.passes.context import Context
from mlc.passes.graph.fuse_vertical import FuseVertical
from tests.passes.graph.rewriting import assert_rewrites, decided, ops, reasons, rewrite


def fused(text: str) -> list[str]:
    """The reasons of the kernels of a graph."""
    return reasons(rewrite(text, FuseVertical()))


def test_before_and_after() -> None:
    assert_rewrites(
        FuseVertical(),
        """graph g(%x: f32[4,6], %w: f32[6,5], %r: f32[4,5]) -> (%z) {
          const %half: f32[] = [0.5]
          %m: f32[4,5] = matmul(%x, %w) loc("dense")
          %a: f32[4,5] = mul(%m, %half) loc("scale")
          %z: f32[4,5] = add(%r, %a) loc("residual")
        }""",
        """graph g(%x: f32[4,6], %w: f32[6,5], %r: f32[4,5]) -> (%z) {
          %z: f32[4,5] = fused(%x, %w, %r) {
            body = graph matmul_mul_add(%x: f32[4,6], %w: f32[6,5], %r: f32[4,5]) -> (%z) {
              const %half: f32[] = [0.5]
              %m: f32[4,5] = matmul(%x, %w) loc("dense")
              %a: f32[4,5] = mul(%m, %half) loc("scale")
              %z: f32[4,5] = add(%r, %a) loc("residual")
            },
            reason = "matmul, then mul add",
          } loc("dense", "scale", "residual")
        }""",
    )


def test_a_value_read_twice_inside_the_kernel() -> None:
    text = """graph g(%x: f32[4,6], %w: f32[6,5]) -> (%z) {
      %m: f32[4,5] = matmul(%x, %w)
      %s: f32[4,5] = sigmoid(%m)
      %z: f32[4,5] = mul(%m, %s)
    }"""
    assert fused(text) == ["matmul, then sigmoid mul"]


def test_a_value_read_outside_ends_the_kernel() -> None:
    text = """graph g(%x: f32[4,6], %w: f32[6,5], %v: f32[5,5]) -> (%z) {
      %m: f32[4,5] = matmul(%x, %w)
      %s: f32[4,5] = relu(%m)
      %n: f32[4,5] = matmul(%m, %v)
      %z: f32[4,5] = mul(%n, %s)
    }"""
    assert fused(text) == ["matmul", "matmul, after relu, then mul"]


def test_an_output_of_the_model_ends_the_kernel() -> None:
    text = """graph g(%x: f32[4,6]) -> (%e, %z) {
      %e: f32[4,6] = exp(%x)
      %z: f32[4,6] = relu(%e)
    }"""
    assert fused(text) == ["exp", "relu"]
    assert decided([FuseVertical()], parse_graph(dedent(text))) == {
        "exp e + relu z": "refused: e is an output of the model"
    }


def test_never_two_contractions() -> None:
    text = """graph g(%x: f32[4,6], %w: f32[6,5], %v: f32[6,5]) -> (%z) {
      %m: f32[4,5] = matmul(%x, %w)
      %n: f32[4,5] = matmul(%x, %v)
      %z: f32[4,5] = mul(%m, %n)
    }"""
    assert fused(text) == ["matmul", "matmul, then mul"]


def test_broadcasting_must_not_enlarge() -> None:
    text = """graph g(%x: f32[1,6], %w: f32[6,5], %y: f32[4,5]) -> (%z) {
      %m: f32[1,5] = matmul(%x, %w)
      %z: f32[4,5] = add(%m, %y)
    }"""
    assert fused(text) == ["matmul", "add"]
    assert decided([FuseVertical()], parse_graph(dedent(text))) == {
        "matmul m + add z": "refused: its output is of another shape: f32[1,5] and f32[4,5]"
    }


def test_a_gate_is_not_computed_again_for_every_element() -> None:
    text = """graph g(%x: f32[4,6], %g: f32[4,1]) -> (%z) {
      %s: f32[4,1] = sigmoid(%g)
      %z: f32[4,6] = mul(%x, %s)
    }"""
    assert fused(text) == ["sigmoid", "mul"]


def test_elementwise_producers_join_reductions_but_not_contractions() -> None:
    reduction = """graph g(%x: f32[4,6], %y: f32[4,6]) -> (%z) {
      %s: f32[4,6] = add(%x, %y)
      %z: f32[4,6] = softmax(%s) {axis = 1}
    }"""
    assert fused(reduction) == ["softmax, after add"]
    contraction = """graph g(%x: f32[4,6], %w: f32[6,5]) -> (%z) {
      %s: f32[4,6] = exp(%x)
      %z: f32[4,5] = matmul(%s, %w)
    }"""
    assert fused(contraction) == ["exp", "matmul"]
    pooling = """graph g(%x: f32[1,4,6]) -> (%z) {
      %s: f32[1,4,6] = exp(%x)
      %z: f32[1,4,5] = max_pool(%s)
        {kernel = (2,), strides = (1,), before = (0,), after = (0,), dilations = (1,)}
    }"""
    assert fused(pooling) == ["exp", "max_pool"]


def test_a_final_pad_joins_and_ends_the_kernel() -> None:
    text = """graph g(%x: f32[4,6], %w: f32[6,5]) -> (%z) {
      %m: f32[4,5] = matmul(%x, %w)
      %r: f32[4,5] = relu(%m)
      %p: f32[6,7] = pad(%r) {before = (1, 1), after = (1, 1)}
      %z: f32[6,7] = exp(%p)
    }"""
    assert fused(text) == ["matmul, then relu pad", "exp"]


def test_a_reflecting_pad_stays_alone() -> None:
    text = """graph g(%x: f32[4,6]) -> (%z) {
      %r: f32[4,6] = relu(%x)
      %z: f32[6,8] = pad(%r) {before = (1, 1), after = (1, 1), mode = "reflect"}
    }"""
    assert fused(text) == ["relu", "pad"]


def test_views_stay_bare() -> None:
    text = """graph g(%x: f32[4,6]) -> (%z) {
      %e: f32[4,6] = exp(%x)
      %t: f32[6,4] = transpose(%e) {perm = (1, 0)}
      %r: f32[24] = reshape(%t) {shape = (24,)}
      %z: f32[24] = relu(%r)
    }"""
    assert ops(rewrite(text, FuseVertical())) == ["fused", "transpose", "reshape", "fused"]


def test_reordering_memory_is_not_done_at_the_store_of_a_contraction() -> None:
    text = """graph g(%x: f32[1,3,2,2], %w: f32[8,3,1,1]) -> (%z) {
      %c: f32[1,8,2,2]@NHWC = conv(%x, %w)
        {strides = (1, 1), before = (0, 0), after = (0, 0), dilations = (1, 1)}
      %z: f32[1,8,2,2] = identity(%c)
    }"""
    assert fused(text) == ["conv", "identity"]


def test_gathers_take_in_what_follows_and_concat_does_not() -> None:
    gather = """graph g(%x: f32[9,6], %i: i64[4], %b: f32[6]) -> (%z) {
      %e: f32[4,6] = gather(%x, %i) {axis = 0}
      %z: f32[4,6] = add(%e, %b)
    }"""
    graph = FuseVertical().run(parse_graph(dedent(gather)), Context())
    assert reasons(graph) == ["gather, then add"]
    concat = """graph g(%x: f32[2,6], %y: f32[3,6]) -> (%z) {
      %c: f32[5,6] = concat(%x, %y) {axis = 0}
      %z: f32[5,6] = relu(%c)
    }"""
    assert fused(concat) == ["concat", "relu"]


def test_a_concat_says_why_it_stands_alone() -> None:
    text = """graph g(%x: f32[4,6], %w: f32[6,5]) -> (%z) {
      %m: f32[4,5] = matmul(%x, %w)
      %z: f32[4,11] = concat(%m, %x) {axis = 1}
    }"""
    context = Context()
    FuseVertical().run(parse_graph(dedent(text)), context)
    (decision,) = context.decisions
    assert str(decision) == (
        "fuse-vertical: matmul m + concat z: refused: concat stands alone: "
        "what it joins is made in its memory where possible"
    )


@pytest.mark.parametrize(("max_ops", "kernels"), [(1, 6), (2, 3), (4, 2), (6, 1)])
def test_kernels_are_no_larger_than_asked(max_ops: int, kernels: int) -> None:
    chain = "\n".join(f"%v{i + 1}: f32[4] = exp(%v{i})" for i in range(6))
    graph = parse_graph(f"graph g(%v0: f32[4]) -> (%v6) {{ {chain} }}")
    result = rewrite_with(FuseVertical(max_ops=max_ops), graph)
    assert len(result.nodes) == kernels


def rewrite_with(graph_pass: FuseVertical, graph: Graph) -> Graph:
    """Run one pass without checks."""
    return graph_pass.run(graph, Context())


def test_both_branches_of_a_diamond_and_unused_outputs() -> None:
    text = """graph g(%x: f32[4], %y: f32[4]) -> (%z) {
      %a: f32[4] = exp(%x)
      %b: f32[4] = tanh(%y)
      %z: f32[4] = add(%a, %b)
    }"""
    assert fused(text) == ["exp, then tanh add"]


def test_large_constants_stay_outside() -> None:
    text = """graph g(%x: f32[2]) -> (%z) {
      const %c: f32[2] = [1, 2]
      %z: f32[2] = add(%x, %c)
    }"""
    result = rewrite(text, FuseVertical())
    assert [value.name for value in result.constants] == ["c"]
    assert [value.name for value in result.nodes[0].inputs] == ["x", "c"]
