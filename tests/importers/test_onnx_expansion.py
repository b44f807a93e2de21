"""Functions, those of the model and those of ONNX's schemas: what a call of one becomes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from mlc.errors import MlcError, ModelError, UnsupportedError
from mlc.importers.onnx import import_model, survey
from mlc.importers.onnx.expansion import MAX_DEPTH, MAX_NODES, Expander
from mlc.importers.onnx.reading import read_model
from mlc.ir.graph import Graph
from mlc.ir.interpret import run_graph
from tests.importers.evaluate import assert_agrees, operators, parse

X = np.array([[1, -2, 3], [0, 4, -1]], np.float32)


def model_of(text: str, functions: str, *, opset: int = 17) -> onnx.ModelProto:
    """A model whose graph may call the functions of the domain `local`."""
    model: onnx.ModelProto = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": {opset}, "local": 1]>\n{text}\n{functions}'
    )
    return model


def run(model: onnx.ModelProto, **feeds: np.ndarray) -> dict[str, np.ndarray]:
    return run_graph(import_model(model), feeds)


SHIFTED = """
<domain: "local", opset_import: ["": 17]>
shifted <by: float = 1.0> (a) => (b) {
    s = Constant <value_float: float = @by> ()
    b = Add(a, s)
}"""


def test_attributes_are_filled_in_or_take_their_default() -> None:
    model = model_of(
        """g (float[2,3] x) => (float[2,3] y, float[2,3] z) {
            y = local.shifted <by = 5.0> (x)
            z = local.shifted (x)
        }""",
        SHIFTED,
    )
    results = run(model, x=X)
    np.testing.assert_array_equal(results["y"], X + 5)
    np.testing.assert_array_equal(results["z"], X + 1)


def test_attributes_that_neither_gives_are_left_out() -> None:
    functions = """
    <domain: "local", opset_import: ["": 17]>
    leaky <slope> (a) => (b) { b = LeakyRelu <alpha: float = @slope> (a) }"""
    model = model_of("g (float[2,3] x) => (float[2,3] y) { y = local.leaky (x) }", functions)
    np.testing.assert_allclose(run(model, x=X)["y"], np.where(X < 0, 0.01 * X, X), rtol=1e-6)


def test_functions_call_functions_with_their_attributes() -> None:
    functions = """
    <domain: "local", opset_import: ["": 17, "local": 1]>
    twice <much: float = 2.0> (a) => (c) {
        b = local.shifted <by: float = @much> (a)
        c = local.shifted <by: float = @much> (b)
    }"""
    model = model_of(
        "g (float[2,3] x) => (float[2,3] y) { y = local.twice <much = 3.0> (x) }",
        functions + SHIFTED,
    )
    np.testing.assert_array_equal(run(model, x=X)["y"], X + 6)


def test_overloads_are_different_functions() -> None:
    functions = """
    <domain: "local", opset_import: ["": 17], overload: "up">
    move (a) => (b) { b = Exp(a) }
    <domain: "local", opset_import: ["": 17], overload: "down">
    move (a) => (b) { b = Neg(a) }"""
    model = model_of("g (float[2,3] x) => (float[2,3] y) { y = local.move:down (x) }", functions)
    assert operators(import_model(model)) == ["neg"]


def test_functions_have_operator_sets_of_their_own() -> None:
    """Softmax normalises all later axes together until operator set 13, and one axis since then."""
    functions = """
    <domain: "local", opset_import: ["": 12]>
    old (a) => (b) { b = Softmax <axis = 0> (a) }"""
    text = "g (float[2,3] x) => (float[2,3] y) { y = local.old (x) }"
    result = run(model_of(text, functions), x=X)["y"]
    np.testing.assert_allclose(result.sum(), 1, rtol=1e-6)
    result = run(model_of(text, functions.replace("12", "13")), x=X)["y"]
    np.testing.assert_allclose(result.sum(axis=0), np.ones(3), rtol=1e-6)


def test_names_do_not_clash() -> None:
    """A function has the names of the graph around it, and is called twice."""
    functions = """
    <domain: "local", opset_import: ["": 17]>
    f (x) => (y) { t = Exp(x)  y = Neg(t) }"""
    model = model_of(
        """g (float[2,3] x) => (float[2,3] y) {
            t = Abs(x)
            u = local.f (t)
            v = local.f (u)
            y = Add(t, v)
        }""",
        functions,
    )
    expected = np.abs(X) - np.exp(-np.exp(np.abs(X)))
    np.testing.assert_allclose(run(model, x=X)["y"], expected, rtol=1e-5)


def test_names_of_earlier_expansions_stay_reserved() -> None:
    model = model_of("g (float[2,3] x) => (float[2,3] y) { y = local.shifted (x) }", SHIFTED)
    expander = Expander(read_model(model))
    expander.reserve(["y.s"])
    assert [expander.fresh(stem) for stem in ("y.s", "y.s", "x", "z")] == [
        "y.s.1",
        "y.s.2",
        "x.1",
        "z",
    ]


def test_nodes_of_a_body_come_from_the_call() -> None:
    model = model_of("g (float[2,3] x) => (float[2,3] y) { [here] y = local.shifted (x) }", SHIFTED)
    graph = import_model(model)
    assert [(node.op, node.output.name, node.loc) for node in graph.nodes] == [
        ("add", "y", ("here",))
    ]


def test_subgraphs_capture_what_the_function_reads() -> None:
    functions = """
    <domain: "local", opset_import: ["": 17]>
    chosen <factor: float> (a, b) => (y) {
        s = Constant <value_int = 3> ()
        z = Constant <value_int = 0> ()
        big = Greater(s, z)
        y = If (big) <
            then_branch = t () => (r) {
                f = Constant <value_float: float = @factor> ()
                r = Mul(a, f)
            },
            else_branch = e () => (r) { r = Neg(b) }
        >
    }"""
    model = model_of(
        """g (float[2,3] x, float[2,3] r) => (float[2,3] y) {
            y = local.chosen <factor = 4.0> (x, r)
        }""",
        functions,
    )
    np.testing.assert_array_equal(run(model, x=X, r=X)["y"], 4 * X)


def test_optional_inputs_and_outputs() -> None:
    functions = """
    <domain: "local", opset_import: ["": 17]>
    limited (a, low, high) => (b, c) { b = Clip(a, low, high)  c = Exp(a) }"""
    model = model_of(
        """g (float[2,3] x) => (float[2,3] y) {
            zero = Constant <value_float = 0.0> ()
            y = local.limited (x, zero)
        }""",
        functions,
    )
    assert operators(import_model(model)) == ["max"]


def test_inputs_that_are_handed_on() -> None:
    model = model_of(
        "g (float[2,3] x) => (float[2,3] y) { y = local.same (x) }",
        """<domain: "local", opset_import: ["": 17]>
        same (a) => (a) { b = Exp(a) }""",
    )
    np.testing.assert_array_equal(run(model, x=X)["y"], X)


def test_functions_of_the_model_come_before_those_of_mlc() -> None:
    model = model_of(
        "g (float[2,3] x) => (float[2,3] y) { y = com.microsoft.QuickGelu (x) }",
        """<domain: "com.microsoft", opset_import: ["": 17]>
        QuickGelu (a) => (b) { b = Neg(a) }""",
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert operators(import_model(model)) == ["neg"]


def test_bodies_of_schemas_depend_on_types() -> None:
    """A mean over half precision, and a loss with and without weights."""
    text = """g ({0}[3,5] x, int64[3] t{1}) => ({0} y) {{
        y = NegativeLogLikelihoodLoss <reduction = "mean", ignore_index = 2> (x, t{2})
    }}"""
    assert_agrees(parse(text.format("float", "", "")))
    assert_agrees(parse(text.format("float", ", float[5] w", ", w")))


def refused(model: onnx.ModelProto) -> str:
    with pytest.raises(MlcError) as caught:
        import_model(model)
    assert isinstance(caught.value, ModelError | UnsupportedError)
    return str(caught.value)


def test_functions_that_call_themselves() -> None:
    functions = """
    <domain: "local", opset_import: ["": 17, "local": 1]>
    ping (a) => (b) { b = local.pong (a) }
    <domain: "local", opset_import: ["": 17, "local": 1]>
    pong (a) => (b) { b = local.ping (a) }"""
    model = model_of("g (float[2] x) => (float[2] y) { [n] y = local.ping (x) }", functions)
    assert refused(model) == "function 'local.ping' calls itself\n  at: n"


def _chain(length: int, body: str) -> str:
    """Functions f0, f1, …; `{next}` in the body is what the next one is called."""
    return "".join(
        f'<domain: "local", opset_import: ["": 17, "local": 1]> f{k} (a) => (b) '
        + body.replace("{next}", f"local.f{k + 1}" if k + 1 < length else "Neg")
        for k in range(length)
    )


def test_depth_is_bounded() -> None:
    text = "g (float[2] x) => (float[2] y) { [n] y = local.f0 (x) }"
    body = "{ b = {next}(a) }"
    assert operators(import_model(model_of(text, _chain(MAX_DEPTH, body)))) == ["neg"]
    assert refused(model_of(text, _chain(MAX_DEPTH + 1, body))) == (
        f"functions call each other more than {MAX_DEPTH} deep\n  at: n"
    )


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each function calls the next one twice: 2^40 nodes, if they were written out."""
    monkeypatch.setattr("mlc.importers.onnx.expansion.MAX_NODES", 100)
    functions = _chain(40, "{ c = {next}(a)  b = {next}(c) }")
    model = model_of("g (float[2] x) => (float[2] y) { [n] y = local.f0 (x) }", functions)
    assert refused(model) == "the model's functions hold more than 100 nodes\n  at: n"
    assert MAX_NODES > 100


def test_too_many_inputs() -> None:
    model = model_of("g (float[2,3] x) => (float[2,3] y) { [n] y = local.shifted (x, x) }", SHIFTED)
    assert refused(model) == "shifted: 2 inputs, expected at most 1\n  at: n"


def test_names_that_a_body_does_not_know() -> None:
    """A function sees nothing of the graph around its call."""
    functions = """
    <domain: "local", opset_import: ["": 17]>
    f (a) => (b) { b = Add(a, w) }"""
    model = model_of(
        "g (float[2] x, float[2] w) => (float[2] y) { [n] y = local.f (x) }", functions
    )
    assert refused(model) == "'y.w' is read, but nothing writes it\n  at: n"


def test_old_operator_sets_of_functions() -> None:
    functions = SHIFTED.replace("17", "999")
    model = model_of("g (float[2,3] x) => (float[2,3] y) { [n] y = local.shifted (x) }", functions)
    message = refused(model)
    assert message.startswith(
        "1 node of the model is not supported\n  - n: local.shifted (opset 1;"
    )
    assert "function 'shifted' uses ONNX operator set 999" in message


def test_two_functions_of_one_name() -> None:
    model = model_of("g (float[2] x) => (float[2] y) { y = local.shifted (x) }", SHIFTED + SHIFTED)
    assert refused(model) == "the model has two functions 'local.shifted'"


BROKEN = """
<domain: "local", opset_import: ["": 17]>
broken (a) => (b) { c = NoSuchOperator(a)  d = Exp(c)  b = Strange(d) }"""


def test_unsupported_operators_in_a_body_are_told_of_the_call() -> None:
    model = model_of("g (float[2] x) => (float[2] y) { [n] y = local.broken (x) }", BROKEN)
    assert refused(model) == (
        "1 node of the model is not supported\n"
        "  - n: local.broken (opset 1; f32[2]): NoSuchOperator: no such operator; "
        "Strange: no such operator"
    )


def test_survey_has_one_row_per_call() -> None:
    model = model_of(
        """g (float[2] x) => (float[2] y, float[2] z) {
            [first] y = local.shifted (x)
            [second] z = local.broken (y)
        }""",
        SHIFTED + BROKEN,
    )
    assert [(row.node, row.op, row.supported) for row in survey(model)] == [
        ("first", "shifted", True),
        ("second", "broken", False),
    ]


def test_shapes_in_bodies_fold() -> None:
    """What a schema's body computes of shapes leaves no node behind."""
    model = parse(
        """g (float[4,6] x) => (float[2,8] y) {
            s = Constant <value_ints = [2, 8]> ()
            y = CenterCropPad(x, s)
        }""",
        opset=18,
    )
    graph: Graph = import_model(model)
    assert set(operators(graph)) <= {"slice", "pad", "concat", "identity"}
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    expected = np.pad(x[1:3], ((0, 0), (1, 1)))
    np.testing.assert_array_equal(run_graph(graph, {"x": x})["y"], expected)
