"""Attention beyond the cases that come with `onnx`: sizes that stay open, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.errors import MlcError
from mlc.importers.onnx import import_model
from mlc.ir.interpret import run_graph
from tests.importers.evaluate import operators, parse

PACKED = """g (float[2,4,12] q, float[2,5,6] k, float[2,5,6] v{more}) => (float[2,4,12] y) {{
    {body}
}}"""


def attend(q: np.ndarray, k: np.ndarray, v: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Attention of 4 query heads and 2 key heads of size 3, in float64."""
    query = q.reshape(2, -1, 4, 3).transpose(0, 2, 1, 3).astype(np.float64)
    key, value = (
        np.repeat(x.reshape(2, -1, 2, 3).transpose(0, 2, 1, 3), 2, axis=1).astype(np.float64)
        for x in (k, v)
    )
    scores = np.exp(query @ key.transpose(0, 1, 3, 2) / np.sqrt(3) + bias)
    result = scores / scores.sum(axis=-1, keepdims=True) @ value
    return result.transpose(0, 2, 1, 3).reshape(2, -1, 12)


def inputs() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    shapes = {"q": (2, 4, 12), "k": (2, 5, 6), "v": (2, 5, 6)}
    return {n: generator.standard_normal(s).astype(np.float32) for n, s in shapes.items()}


def test_shared_heads_are_one_product_without_repeated_keys() -> None:
    body = "y = Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v)"
    graph = import_model(parse(PACKED.format(more="", body=body), 23))
    assert [op for op in operators(graph) if op not in ("reshape", "transpose", "mul")] == [
        "matmul",
        "softmax",
        "matmul",
    ]
    feeds = inputs()
    expected = attend(*feeds.values(), bias=np.zeros((4, 5)))
    np.testing.assert_allclose(run_graph(graph, feeds)["y"], expected, rtol=1e-5, atol=1e-5)


def test_masks_of_rows_that_see_something_need_no_guard() -> None:
    body = "y = Attention <q_num_heads = 4, kv_num_heads = 2, is_causal = 1> (q, k, v)"
    graph = import_model(parse(PACKED.format(more="", body=body), 23))
    assert "select" not in operators(graph)
    feeds = inputs()
    bias = np.where(np.tri(4, 5), 0, -np.inf)
    expected = attend(*feeds.values(), bias=bias)
    np.testing.assert_allclose(run_graph(graph, feeds)["y"], expected, rtol=1e-5, atol=1e-5)


def test_rows_that_see_nothing_are_zero() -> None:
    body = "y = Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v, m)"
    graph = import_model(parse(PACKED.format(more=", bool[4,5] m", body=body), 23))
    mask = np.ones((4, 5), bool)
    mask[2] = False
    mask[0, 3] = False
    feeds = inputs()
    result = run_graph(graph, {**feeds, "m": mask})["y"]
    np.testing.assert_array_equal(result[:, 2], 0)
    with np.errstate(invalid="ignore"):
        expected = attend(*feeds.values(), bias=np.where(mask, 0, -np.inf))
    seen = [0, 1, 3]
    np.testing.assert_allclose(result[:, seen], expected[:, seen], rtol=1e-5, atol=1e-5)


def test_lengths_may_stay_open() -> None:
    model = parse(
        """g (float[b,2,n,8] q, float[b,2,m,8] k, float[b,2,m,8] v) => (float[b,2,n,8] y) {
            y = Attention(q, k, v)
        }""",
        23,
    )
    graph = import_model(model)
    assert str(graph.outputs[0].type) == "f32[b,2,n,8]"


@pytest.mark.parametrize(
    ("message", "body"),
    [
        ("Attention: attribute q_num_heads is missing\n  at: n", "[n] y = Attention(q, k, v)"),
        (
            "a width of 12 is not 5 heads\n  at: n",
            "[n] y = Attention <q_num_heads = 5, kv_num_heads = 2> (q, k, v)",
        ),
        (
            "Attention: 4 query heads cannot share 3 key heads\n  at: n",
            "[n] y = Attention <q_num_heads = 4, kv_num_heads = 3> (q, k, v)",
        ),
        (
            "Attention: past_key and past_value must be given together\n  at: n",
            "[n] y = Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v, , k)",
        ),
        (
            "Attention: qk_matmul_output_mode 7 is none of 0 to 3\n  at: n",
            """[n] y = Attention <q_num_heads = 4, kv_num_heads = 2, qk_matmul_output_mode = 7>
            (q, k, v)""",
        ),
        (
            "LinearAttention: update_rule 'gated' needs the input decay\n  at: n",
            """[n] y, s = LinearAttention <q_num_heads = 4, kv_num_heads = 2, update_rule = "gated">
            (q, k, v)""",
        ),
        (
            (
                "LinearAttention: update_rule 'new' is none of "
                "linear, gated, delta, gated_delta\n  at: n"
            ),
            """[n] y, s = LinearAttention <q_num_heads = 4, kv_num_heads = 2, update_rule = "new">
            (q, k, v)""",
        ),
        (
            "TensorScatter: mode 'odd' is neither linear nor circular\n  at: n",
            '[n] y = TensorScatter <mode = "odd"> (k, v)',
        ),
    ],
)
def test_refusals(message: str, body: str) -> None:
    opset = 27 if "LinearAttention" in body else 24
    with pytest.raises(MlcError) as caught:
        import_model(parse(PACKED.format(more="", body=body), opset))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("message", "node"),
    [
        (
            "Momentum: mode 'odd' is neither standard nor nesterov\n  at: n",
            """Momentum <mode = "odd", alpha = 0.9, beta = 1.0, norm_coefficient = 0.0>
            (r, t, x, x, x)""",
        ),
        (
            "Adam: 5 inputs, expected 2 and 4 per tensor\n  at: n",
            "Adam(r, t, x, x, x)",
        ),
    ],
)
def test_refusals_of_optimizers(message: str, node: str) -> None:
    domain = "ai.onnx.preview.training"
    text = f"g (float r, int64 t, float[2] x) => (float[2] y) {{ [n] y, z = {domain}.{node} }}"
    with pytest.raises(MlcError) as caught:
        import_model(parse(text, domains=[(domain, 1)]))
    assert str(caught.value) == message
