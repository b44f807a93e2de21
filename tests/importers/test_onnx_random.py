"""Random numbers: their distribution, and when two nodes draw the same."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.errors import MlcError
from mlc.importers.onnx import import_model
from mlc.ir.interpret import run_graph
from tests.importers.evaluate import parse

COUNT = 40_000


def draw(node: str, kind: str = f"float[{COUNT}]", opset: int = 17) -> np.ndarray:
    """What one node without inputs draws."""
    return run_graph(import_model(parse(f"g () => ({kind} y) {{ {node} }}", opset)), {})["y"]


def test_uniform_numbers() -> None:
    numbers = draw(f"y = RandomUniform <shape = [{COUNT}], low = -3.0, high = 5.0> ()")
    assert numbers.dtype == np.float32
    assert -3 <= numbers.min() < -2.99
    assert 4.99 < numbers.max() < 5
    assert abs(numbers.mean() - 1) < 0.05
    assert abs(numbers.std() - 8 / np.sqrt(12)) < 0.05


def test_normal_numbers() -> None:
    node = f"y = RandomNormal <shape = [{COUNT}], mean = 2.0, scale = 3.0, dtype = 11> ()"
    numbers = draw(node, f"double[{COUNT}]")
    assert numbers.dtype == np.float64
    assert abs(numbers.mean() - 2) < 0.06
    assert abs(numbers.std() - 3) < 0.06
    share = np.mean(np.abs(numbers - 2) < 3)
    assert abs(share - 0.6827) < 0.01


def test_shapes_and_types_of_another_tensor() -> None:
    model = parse(
        """g (float16[3,50] x) => (float16[3,50] y, double[3,50] z) {
            y = RandomNormalLike(x)
            z = RandomUniformLike <dtype = 11> (x)
        }"""
    )
    results = run_graph(import_model(model), {"x": np.zeros((3, 50), np.float16)})
    assert results["y"].dtype == np.float16
    assert results["z"].shape == (3, 50)
    assert len(np.unique(results["z"])) == 150


def test_seeds() -> None:
    """Equal seeds give equal numbers; nodes without one differ, and repeat themselves."""
    model = parse(
        """g () => (float[9] a, float[9] b, float[9] c, float[9] d, float[9] e) {
            a = RandomUniform <shape = [9], seed = 1.5> ()
            b = RandomUniform <shape = [9], seed = 1.5> ()
            c = RandomUniform <shape = [9], seed = 2.5> ()
            d = RandomUniform <shape = [9]> ()
            e = RandomUniform <shape = [9]> ()
        }"""
    )
    first, second = (run_graph(import_model(model), {}) for _ in range(2))
    np.testing.assert_array_equal(first["a"], first["b"])
    assert not (first["a"] == first["c"]).any()
    assert not (first["d"] == first["e"]).any()
    for name, numbers in first.items():
        np.testing.assert_array_equal(numbers, second[name])


def test_coins() -> None:
    model = parse(f"g (float[{COUNT}] p) => (bool[{COUNT}] y) {{ y = Bernoulli <dtype = 9> (p) }}")
    odds = np.repeat(np.float32([0, 0.3, 1, 0.8]), COUNT // 4)
    coins = run_graph(import_model(model), {"p": odds})["y"].reshape(4, -1)
    np.testing.assert_allclose(coins.mean(axis=1), [0, 0.3, 1, 0.8], atol=0.02)


def test_samples_of_classes() -> None:
    model = parse(
        f"""g (float[2,3] x) => (int64[2,{COUNT}] y) {{
            y = Multinomial <sample_size = {COUNT}, dtype = 7> (x)
        }}"""
    )
    odds = np.array([[0.5, 0.3, 0.2], [1e-30, 1, 1e-30]], np.float32)
    samples = run_graph(import_model(model), {"x": np.log(odds)})["y"]
    assert samples.dtype == np.int64
    shares = [np.bincount(row, minlength=3) / COUNT for row in samples]
    np.testing.assert_allclose(shares, [[0.5, 0.3, 0.2], [0, 1, 0]], atol=0.02)


def test_dropout_in_training() -> None:
    model = parse(
        f"""g (float[{COUNT}] x) => (float[{COUNT}] y, bool[{COUNT}] m) {{
            ratio = Constant <value_float = 0.25> ()
            train = Constant <value = bool {{1}}> ()
            y, m = Dropout <seed = 7> (x, ratio, train)
        }}"""
    )
    x = np.arange(1, COUNT + 1, dtype=np.float32)
    results = run_graph(import_model(model), {"x": x})
    expected = np.where(results["m"], x / np.float32(0.75), 0)
    np.testing.assert_allclose(results["y"], expected, rtol=1e-6)
    assert abs(results["m"].mean() - 0.75) < 0.01


@pytest.mark.parametrize(
    ("message", "node"),
    [
        (
            "Dropout: the ratio 1.0 is not in [0, 1)\n  at: n",
            """r = Constant <value_float = 1.0> () t = Constant <value = bool {1}> ()
            [n] y = Dropout(x, r, t)""",
        ),
        (
            "Multinomial: cannot draw 1 samples from f32[2,3,1]\n  at: n",
            "a = Constant <value_ints = [2]> () u = Unsqueeze(x, a) [n] y = Multinomial(u)",
        ),
    ],
)
def test_refusals(message: str, node: str) -> None:
    with pytest.raises(MlcError) as caught:
        import_model(parse(f"g (float[2,3] x) => (float[2,3] y) {{ {node} }}"))
    assert str(caught.value) == message
