"""fold-constants, cse and dce, alone and together with canonicalize."""

from __future__ import annotations

from mlc.passes.context import Context
from mlc.passes.graph.cse import Cse
from mlc.passes.graph.dce import Dce
from mlc.passes.graph.fold_constants import FoldConstants
from mlc.passes.graph.simplify import Simplify
from tests.passes.graph.rewriting import assert_unchanged, ops, rewrite


def test_outputs_keep_their_names() -> None:
    text = """graph g(%x: f32[2]) -> (%a, %b, %c) {
      const %one: f32[] = [1]
      %r: f32[2] = relu(%x)
      %a: f32[2] = mul(%r, %one)
      %b: f32[2] = mul(%r, %one)
      %c: f32[2] = mul(%x, %one)
    }"""
    result = rewrite(text, Simplify())
    assert [value.name for value in result.outputs] == ["a", "b", "c"]
    assert ops(result) == ["relu", "identity", "identity"]
    assert Simplify().run(result, Context()) is result


def test_fold_constants_leaves_what_would_grow() -> None:
    text = """graph g(%x: f32[64,64]) -> (%y) {
      const %a: f32[1] = [2]
      %e: f32[64,64] = expand(%a) {shape = (64, 64)}
      %y: f32[64,64] = matmul(%x, %e)
    }"""
    assert ops(rewrite(text, FoldConstants())) == ["matmul"]
    assert ops(rewrite(text, FoldConstants(growth_limit=1000))) == ["expand", "matmul"]


def test_weights_of_a_narrow_type_are_converted_once() -> None:
    text = """
    graph g(%x: f32[2,4]) -> (%y) {
      const %w: i8[4] = [1, -2, 3, 4]
      %f: f32[4] = cast(%w) {to = f32}
      %y: f32[2,4] = mul(%x, %f)
    }"""
    assert ops(rewrite(text, FoldConstants(growth_limit=0))) == ["mul"]
    assert ops(rewrite(text, FoldConstants(growth_limit=0, widening=3))) == ["cast", "mul"]


def test_fold_constants_keeps_a_constant_output() -> None:
    assert_unchanged(
        FoldConstants(),
        """graph g(%x: f32[2]) -> (%y) {
          const %a: f32[2] = [1, 2]
          %y: f32[2] = exp(%a)
        }""",
    )


def test_fold_constants_without_inputs() -> None:
    text = """graph g(%x: i64[3]) -> (%y) {
      %i: i64[3] = iota() {shape = (3,), axis = 0, dtype = i64}
      %y: i64[3] = add(%x, %i)
    }"""
    result = rewrite(text, FoldConstants())
    assert [array.tolist() for array in result.constants.values()] == [[0, 1, 2]]


def test_cse_tells_attributes_and_order_apart() -> None:
    text = """graph g(%x: f32[2,2]) -> (%y) {
      %a: f32[2,2] = softmax(%x) {axis = 0}
      %b: f32[2,2] = softmax(%x) {axis = 1}
      %c: f32[2,2] = sub(%a, %b)
      %d: f32[2,2] = sub(%b, %a)
      %y: f32[2,2] = matmul(%c, %d)
    }"""
    assert_unchanged(Cse(), text)


def test_cse_sees_through_defaults_and_equal_constants() -> None:
    text = """graph g(%x: f32[2,2]) -> (%y) {
      const %one: f32[] = [1]
      const %same: f32[] = [1]
      %a: f32[2,2] = add(%x, %one)
      %b: f32[2,2] = add(%x, %same)
      %c: f32[2,2] = matmul(%a, %b)
      %d: f32[2,2] = matmul(%b, %a) {transpose_a = false, transpose_b = false}
      %y: f32[2,2] = sub(%c, %d)
    }"""
    assert ops(rewrite(text, Cse())) == ["add", "matmul", "sub"]


def test_dead_code() -> None:
    text = """graph g(%x: f32[2]) -> (%y) {
      const %c: f32[2] = [1, 2]
      %dead: f32[2] = add(%x, %c)
      %deader: f32[2] = exp(%dead)
      %y: f32[2] = abs(%x)
    }"""
    result = rewrite(text, Dce())
    assert ops(result) == ["abs"]
    assert not result.constants
