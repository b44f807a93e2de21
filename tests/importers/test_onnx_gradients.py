"""Gradient: every rule against differences of the function itself, in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.errors import MlcError
from mlc.importers.onnx import import_model
from mlc.importers.onnx.gradients import RULES
from mlc.ir.interpret import run_graph
from tests.importers.evaluate import parse

DOMAIN = "ai.onnx.preview.training"

BODIES = {
    "abs": "y = Abs(a)",
    "add": "y = Add(a, b)",
    "cast": "c = Cast <to = 11> (a) y = Mul(c, b)",
    "cos": "y = Cos(a)",
    "div": "p = Exp(b) y = Div(a, p)",
    "exp": "y = Exp(a)",
    "expand": "s = Constant <value_ints = [4,2,3]> () e = Expand(b, s) y = Mul(e, a)",
    "identity": "i = Identity(a) y = Mul(i, a)",
    "log": "p = Exp(a) q = Add(p, p) y = Log(q)",
    "log_softmax": "l = LogSoftmax(a) y = Mul(l, b)",
    "matmul": "t = Transpose(a) y = MatMul(t, a)",
    "max": "y = Max(a, b)",
    "min": "y = Min(a, b)",
    "mul": "y = Mul(a, b)",
    "neg": "y = Neg(a)",
    "pow": "p = Exp(a) y = Pow(p, b)",
    "reciprocal": "p = Exp(a) y = Reciprocal(p)",
    "reduce_mean": "m = ReduceMean <axes = [0], keepdims = 0> (a) y = Mul(m, b)",
    "reduce_sum": "m = ReduceSumSquare <axes = [1]> (a) y = Mul(m, a)",
    "relu": "y = Relu(a)",
    "reshape": "s = Constant <value_ints = [3,2]> () r = Reshape(a, s) y = MatMul(a, r)",
    "select": "c = Less(a, b) p = Exp(a) y = Where(c, p, b)",
    "sigmoid": "y = Sigmoid(a)",
    "sin": "y = Sin(a)",
    "softmax": "s = Softmax(a) y = Mul(s, b)",
    "sqrt": "p = Exp(a) y = Sqrt(p)",
    "sub": "y = Sub(a, b)",
    "tanh": "y = Tanh(a)",
    "transpose": "t = Transpose(a) u = Exp(t) y = MatMul(u, a)",
}


def test_every_rule_is_tested() -> None:
    assert BODIES.keys() == RULES.keys()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_rules(body: str) -> None:
    model = parse(
        f"""g (double[2,3] a, double[3] b) => (double total, double[2,3] da, double[3] db) {{
            {body}
            total = ReduceSum <keepdims = 0> (y)
            da, db = {DOMAIN}.Gradient <xs = ["a", "b"], y = "total"> (a, b)
        }}""",
        domains=[(DOMAIN, 1)],
    )
    graph = import_model(model)
    generator = np.random.default_rng(0)
    feeds = {"a": generator.standard_normal((2, 3)), "b": generator.standard_normal(3)}
    found = run_graph(graph, feeds)
    for name, point in feeds.items():
        expected = np.empty_like(point)
        for index in np.ndindex(point.shape):
            values = []
            for step in (1e-6, -1e-6):
                moved = point.copy()
                moved[index] += step
                values.append(run_graph(graph, {**feeds, name: moved})["total"].item())
            expected[index] = (values[0] - values[1]) / 2e-6
        np.testing.assert_allclose(found[f"d{name}"], expected, rtol=1e-5, atol=1e-6)


def test_what_is_derived_need_not_be_an_output() -> None:
    model = parse(
        f"""g (float[2] a) => (float[2] d) {{
            d = {DOMAIN}.Gradient <xs = ["a"], y = "y"> (a)
            y = Mul(a, a)
        }}""",
        domains=[(DOMAIN, 1)],
    )
    graph = import_model(model)
    np.testing.assert_array_equal(
        run_graph(graph, {"a": np.array([3, -1], np.float32)})["d"], [6, -2]
    )


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("the derivative of erf is not supported", "y = Erf(a) d = {} (a)"),
        (
            "inputs other than the tensors that xs and zs name are not supported",
            "y = Exp(a) d = {} (y)",
        ),
    ],
)
def test_refusals(reason: str, text: str) -> None:
    call = f'{DOMAIN}.Gradient <xs = ["a"], y = "y">'
    model = parse(
        f"g (float[2] a) => (float[2] d) {{ {text.format(call)} }}", domains=[(DOMAIN, 1)]
    )
    with pytest.raises(MlcError) as caught:
        import_model(model)
    assert str(caught.value) == (
        "1 node of the model is not supported\n"
        f"  - Gradient:d: {DOMAIN}.Gradient (opset 1; f32[2]): {reason}"
    )
