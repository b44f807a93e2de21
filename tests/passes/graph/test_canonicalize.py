"""canonicalize: each local rewrite, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.ir.graph_edit import GraphBuilder
from mlc.ir.hash import structurally_equal
from mlc.ir.text import parse_graph, print_graph
from mlc.passes.context import Context
from mlc.passes.graph.canonicalize import Canonicalize
from mlc.passes.graph.dce import Dce
from mlc.passes.graph.rewrites import ALL, arithmetic, movement, reductions
from mlc.passes.graph.simplify import Simplify
from tests.passes.graph.rewriting import assert_rewrites, assert_unchanged, ops, rewrite

CONSTANTS = """
  const %zero: f32[] = [0]
  const %one: f32[1,1] = [1]
  const %two: f32[] = [2]
  const %three: f32[] = [3]
  const %half: f32[] = [0.5]
  const %row: f32[3] = [1, 2, 3]
  const %yes: bool[2,1] = [true, true]
"""

# What is read of `%y` before is read of the last value after.
CASES = {
    "identity": "%y: f32[2,3] = identity(%x) => %x",
    "add-zero": "%y: f32[2,3] = add(%zero, %x) => %x",
    "subtract-zero": "%y: f32[2,3] = sub(%x, %zero) => %x",
    "multiply-by-one": "%y: f32[2,3] = mul(%x, %one) => %x",
    "divide-by-one": "%y: f32[2,3] = div(%x, %one) => %x",
    "divide": "%y: f32[2,3] = div(%x, %two) => %y: f32[2,3] = mul(%x, %half)",
    "square": "%y: f32[2,3] = pow(%x, %two) => %y: f32[2,3] = mul(%x, %x)",
    "cube": """
        %y: f32[2,3] = pow(%x, %three)
        => %s: f32[2,3] = mul(%x, %x)
        %y: f32[2,3] = mul(%s, %x)
    """,
    "root": "%y: f32[2,3] = pow(%x, %half) => %y: f32[2,3] = sqrt(%x)",
    "constant-last": "%y: f32[2,3] = mul(%row, %x) => %y: f32[2,3] = mul(%x, %row)",
    "double-negation": """
        %a: f32[2,3] = neg(%x)
        %y: f32[2,3] = neg(%a)
        => %x
    """,
    "relu-twice": """
        %a: f32[2,3] = relu(%x)
        %y: f32[2,3] = relu(%a)
        => %y: f32[2,3] = relu(%x)
    """,
    "maximum": "%y: f32[2,3] = max(%x, %zero) => %y: f32[2,3] = relu(%x)",
    "clip": "%y: f32[2,3] = clip(%x) {min = 0.0, max = inf} => %y: f32[2,3] = relu(%x)",
    "clip-nothing": "%y: f32[2,3] = clip(%x) {min = -inf, max = inf} => %x",
    "select": "%y: f32[2,3] = select(%yes, %x, %row) => %x",
    "log-softmax": """
        %a: f32[2,3] = softmax(%x) {axis = 1}
        %y: f32[2,3] = log(%a)
        => %y: f32[2,3] = log_softmax(%x) {axis = 1}
    """,
    "cast-and-back": """
        %a: f64[2,3] = cast(%x) {to = f64}
        %y: f32[2,3] = cast(%a) {to = f32}
        => %x
    """,
    "transposes": """
        %a: f32[3,2] = transpose(%x) {perm = (1, 0)}
        %y: f32[2,3] = transpose(%a) {perm = (1, 0)}
        => %x
    """,
    "transpose-of-unit-axes": """
        %a: f32[1,2,3] = reshape(%x) {shape = (1, 2, 3)}
        %y: f32[2,1,3] = transpose(%a) {perm = (1, 0, 2)}
        => %y: f32[2,1,3] = reshape(%x) {shape = (2, 1, 3)}
    """,
    "reshapes": """
        %a: f32[6] = reshape(%x) {shape = (6,)}
        %y: f32[2,3] = reshape(%a) {shape = (2, 3)}
        => %x
    """,
    "slice-of-everything": """
        %y: f32[2,3] = slice(%x) {starts = (0, 0), sizes = (2, 3), steps = (1, 1)}
        => %x
    """,
    "slice-of-slice": """
        %a: f32[2,2] = slice(%x) {starts = (0, 2), sizes = (2, 2), steps = (1, -2)}
        %y: f32[2,1] = slice(%a) {starts = (0, 1), sizes = (2, 1), steps = (1, 1)}
        => %y: f32[2,1] = slice(%x) {starts = (0, 0), sizes = (2, 1), steps = (1, -2)}
    """,
    "concat-of-one": "%y: f32[2,3] = concat(%x) {axis = 0} => %x",
    "concat-of-slices": """
        %a: f32[2,1] = slice(%x) {starts = (0, 0), sizes = (2, 1), steps = (1, 1)}
        %b: f32[2,2] = slice(%x) {starts = (0, 1), sizes = (2, 2), steps = (1, 1)}
        %y: f32[2,3] = concat(%a, %b) {axis = 1}
        => %x
    """,
    "pad-nothing": "%y: f32[2,3] = pad(%x) {before = (0, 0), after = (0, 0)} => %x",
    "reduce-nothing": """
        %a: f32[2,3,1] = reshape(%x) {shape = (2, 3, 1)}
        %y: f32[2,3] = reduce_max(%a) {axes = (2,), keepdims = false}
        => %x
    """,
    "expand-before-broadcast": """
        %a: f32[2,3] = expand(%row) {shape = (2, 3)}
        %y: f32[2,3] = add(%x, %a)
        => %y: f32[2,3] = add(%x, %row)
    """,
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_canonical_forms(case: str) -> None:
    before, after = case.split("=>")
    shape = after.split("f32")[-1].split(" =")[0] if "f32" in after else "[2,3]"
    read = "%y" if "%y" in after else "%x"
    body = after if read == "%y" else ""
    graphs = [
        f"graph g(%x: f32[2,3]) -> (%out) {{ {CONSTANTS} {nodes} %out: f32{shape} = exp({end}) }}"
        for nodes, end in ((before, "%y"), (body, read))
    ]
    result = rewrite(graphs[0], Simplify(steps=(Canonicalize(), Dce())))
    expected = Dce().run(parse_graph(graphs[1]), Context())
    assert structurally_equal(result, expected), print_graph(result)
    assert Canonicalize().run(result, Context()) is result


@pytest.mark.parametrize(
    "text",
    [
        "%out: f32[2,3] = add(%x, %one)",
        "%out: f32[2,3] = div(%x, %zero)",
        "%out: f32[2,3] = div(%x, %tiny)",
        # The last bit of a quotient decides where a tie goes.
        "%q: f32[2,3] = div(%x, %five)  %out: f32[2,3] = round(%q)",
        "%out: f32[2,3] = pow(%x, %five)",
        "%out: f32[2,3] = clip(%x) {min = -1.0, max = inf}",
        # The factor is one but makes the result larger.
        """%s: f32[1,3] = slice(%x) {starts = (0, 0), sizes = (1, 3), steps = (1, 1)}
        %out: f32[2,3] = mul(%s, %ones)""",
        # The product of narrowing and widening is not the identity.
        "%n: f16[2,3] = cast(%x) {to = f16}  %out: f32[2,3] = cast(%n) {to = f32}",
    ],
)
def test_not_canonicalized(text: str) -> None:
    constants = """
      const %zero: f32[] = [0]
      const %one: f32[] = [1]
      const %tiny: f32[] = [1e-30]
      const %five: f32[] = [5]
      const %ones: f32[2,1] = [1, 1]
    """
    assert_unchanged(Canonicalize(), f"graph g(%x: f32[2,3]) -> (%out) {{ {constants} {text} }}")


def test_each_operator_has_one_table_of_rewrites() -> None:
    tables = [arithmetic.RULES, movement.RULES, reductions.RULES]
    assert sum(map(len, tables)) == len(ALL)


def test_gathers_by_known_indices_are_views() -> None:
    build = GraphBuilder()
    x = build.input("x", (4, 5))
    last = build.emit("gather", [x, build.constant(np.array(-1))], {"axis": 0})
    pair = build.emit("gather", [x, build.constant(np.array([1, 2]))], {"axis": 1})
    apart = build.emit("gather", [x, build.constant(np.array([2, 0]))], {"axis": 1})
    outputs = [build.emit("exp", [value]) for value in (last, pair, apart)]
    result = Simplify().run(build.build(outputs), Context())
    assert ops(result) == ["slice", "reshape", "slice", "gather", "exp", "exp", "exp"]
    assert result.nodes[0].attrs["starts"] == (3, 0)
    assert result.nodes[2].attrs["starts"] == (0, 1)


def test_an_average_over_everything_is_a_mean() -> None:
    assert_rewrites(
        Canonicalize(),
        """graph g(%x: f32[2,3,4]) -> (%y) {
          %y: f32[2,3,1] = avg_pool(%x)
            {kernel = (4,), strides = (4,), before = (0,), after = (0,), dilations = (1,)}
        }""",
        """graph g(%x: f32[2,3,4]) -> (%y) {
          %y: f32[2,3,1] = reduce_mean(%x) {axes = (2,), keepdims = true}
        }""",
    )
