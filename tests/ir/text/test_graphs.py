from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings

from mlc.errors import ParseError
from mlc.ir.dtype import BF16, F32, I64
from mlc.ir.expr import Var
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.hash import structurally_equal
from mlc.ir.layout import Layout
from mlc.ir.text import digest_of, large_constants, parse_graph, print_graph
from mlc.ir.types import TensorType
from tests.strategies import graph_texts, graphs


@given(graph_texts())
def test_anything_round_trips(graph: Graph) -> None:
    parsed = parse_graph(print_graph(graph), large_constants(graph))
    assert structurally_equal(parsed, graph, names=True)


@settings(max_examples=30)
@given(graphs())
def test_graphs_round_trip(graph: Graph) -> None:
    parsed = parse_graph(print_graph(graph), large_constants(graph))
    assert structurally_equal(parsed, graph, names=True)


WEIGHTS = np.linspace(-1, 1, 36, dtype=np.float32).reshape(4, 1, 3, 3)


def example() -> Graph:
    image = Value("x", TensorType((Var("batch"), 1, 8, 8), F32))
    weight = Value("conv.weight", TensorType((4, 1, 3, 3), F32))
    bias = Value("conv/bias", TensorType((4, 1, 1), F32), ("conv",))
    outcome = TensorType((Var("batch"), 4, 6, 6), F32, Layout.channels_last(4))
    raw, shifted = Value("1", outcome, ("conv",)), Value("2", outcome, ("conv",))
    inner = [Value(name, outcome) for name in "ab"] + [Value("s", bias.type)]
    body = Graph(
        "body",
        (inner[0], inner[2]),
        (inner[1],),
        (Node("add", (inner[0], inner[2]), (inner[1],)),),
    )
    window = {"strides": (1, 1), "padding": "valid", "groups": 1, "alpha": 0.5}
    first = Node("conv", (image, weight), (raw,), window, ("conv",))
    second = Node("fused", (raw, bias), (shifted,), {"reason": "cheap", "body": body}, ("conv",))
    constants = {weight: WEIGHTS, bias: np.array([0.1, -2, 0, np.inf], "f").reshape(4, 1, 1)}
    return Graph("net 1", (image,), (shifted,), (first, second), constants)


EXAMPLE = f"""\
graph "net 1"(%x: f32[batch,1,8,8]) -> (%2) {{
  const %conv.weight: f32[4,1,3,3] = sha256:{digest_of(WEIGHTS)}
  const %"conv/bias": f32[4,1,1] loc("conv") = [0.1, -2.0, 0.0, inf]
  %1: f32[batch,4,6,6]@NHWC = conv(%x, %conv.weight) \
{{strides = (1, 1), padding = "valid", groups = 1, alpha = 0.5}} loc("conv")
  %2: f32[batch,4,6,6]@NHWC = fused(%1, %"conv/bias") {{
    reason = "cheap",
    body = graph body(%a: f32[batch,4,6,6]@NHWC, %s: f32[4,1,1]) -> (%b) {{
      %b: f32[batch,4,6,6]@NHWC = add(%a, %s)
    }},
  }} loc("conv")
}}"""


def test_what_a_graph_looks_like() -> None:
    graph = example()
    assert print_graph(graph) == EXAMPLE
    assert structurally_equal(parse_graph(EXAMPLE, large_constants(graph)), graph, names=True)


def test_the_digest_tells_type_and_shape_apart() -> None:
    zeros = np.zeros((4, 8), np.float32)
    arrays = [zeros, zeros.T, zeros.astype(np.int32), zeros.astype(ml_dtypes.bfloat16)]
    assert len({digest_of(array) for array in arrays}) == 4
    assert digest_of(np.asfortranarray(zeros)) == digest_of(zeros)


def test_narrow_floats_are_written_out_exactly() -> None:
    values = np.array([0.1, 3.3895314e38, 1e-40, -0.0], ml_dtypes.bfloat16)
    value = Value("w", TensorType((4,), BF16))
    graph = Graph("g", (), (value,), (), {value: values})
    (parsed,) = parse_graph(print_graph(graph)).constants.values()
    assert parsed.dtype == values.dtype
    assert parsed.tobytes() == values.tobytes()


def test_unusual_nan_bits_survive() -> None:
    values = np.array([0x7FC00123], np.uint32).view(np.float32)
    value = Value("w", TensorType((1,), F32))
    graph = Graph("g", (), (value,), (), {value: values})
    (parsed,) = parse_graph(print_graph(graph), large_constants(graph)).constants.values()
    assert parsed.tobytes() == values.tobytes()


def test_integer_constants() -> None:
    values = np.array([-(2**63), 2**63 - 1], np.int64)
    value = Value("w", TensorType((2,), I64))
    text = print_graph(Graph("g", (), (value,), (), {value: values}))
    assert "= [-9223372036854775808, 9223372036854775807]" in text
    np.testing.assert_array_equal(next(iter(parse_graph(text).constants.values())), values)


def refused(column: int, shown: str, message: str) -> tuple[str, str]:
    """A broken line inside a graph, and the whole complaint."""
    return shown, (
        f"{message}\n  at: line 2, column {column}\n"
        f"  1 | graph g(%x: f32[2]) -> (%x) {{\n  2 | {shown}\n    | {' ' * (column - 1)}^"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        refused(11, "%y: f32[2]@NHWC = relu(%x)", "this layout does not order 1 axes"),
        refused(11, "%y: f32[2]@Q = relu(%x)", "expected a layout such as NHWC or 1.0"),
        refused(19, "%y: f32[2] = relu(%z)", "no value 'z' is defined before this"),
        refused(1, "%x: f32[2] = relu(%x)", "the value 'x' is defined twice"),
        refused(20, "const %w: f32[2] = [1.0]", "1 elements do not fill this type"),
        refused(19, "const %w: i8[1] = [nan]", "an element here does not fit the type"),
        refused(
            20,
            f"const %w: f32[2] = sha256:{'0' * 64}",
            "no array with this digest was given",
        ),
        refused(
            20,
            f"const %w: f32[2] = sha256:{digest_of(WEIGHTS)}",
            "the array given with this digest has another type",
        ),
        refused(
            5, "%y: float[2] = relu(%x)", "expected an element type such as f32, found 'float'"
        ),
        refused(14, "%y: f32[2] = (%x)", "expected the name of an operator, found '('"),
        refused(1, "y = relu(%x)", "expected a value such as %x, found 'y'"),
        refused(28, "%y: f32[2] = clip(%x) {min 1}", "expected '=', found '1'"),
    ],
)
def test_refused(line: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_graph(f"graph g(%x: f32[2]) -> (%x) {{\n{line}\n}}", {digest_of(WEIGHTS): WEIGHTS})
    assert str(caught.value) == message


def test_outputs_must_exist() -> None:
    with pytest.raises(ParseError) as caught:
        parse_graph("graph g() -> (%y) { }")
    assert str(caught.value) == (
        "no value 'y' is defined before this\n"
        "  at: line 1, column 15\n"
        "  1 | graph g() -> (%y) { }\n"
        "    |               ^"
    )
