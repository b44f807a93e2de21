"""top_k."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ir.operators.harness import check, infer, refusal, sample
from tests.ir.operators.peer import onnx_node


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis", "k"),
    [((9,), 0, 4), ((3, 8), 1, 8), ((5, 3, 2), 0, 3), ((2, 17, 2), 1, 5), ((2, 1), 1, 1)],
)
def test_matches_onnxruntime(
    shape: tuple[int, ...], axis: int, k: int, largest: bool, rng: np.random.Generator
) -> None:
    x = rng.integers(0, 6, shape).astype(np.float32)
    values, places = check("top_k", x, axis=axis, k=k, largest=largest)
    wanted, at = onnx_node(
        "TopK", [x, np.array([k])], outputs=2, axis=axis, largest=int(largest), sorted=1
    )
    np.testing.assert_array_equal(values, wanted)
    np.testing.assert_array_equal(places, at)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int8", "uint8", "int64", "uint64"])
def test_element_types(dtype: str, rng: np.random.Generator) -> None:
    x = sample(rng, (2, 13), dtype)
    for largest in (False, True):
        check("top_k", x, axis=1, k=5, largest=largest)


def test_nan_is_greatest_and_the_first_of_equals_comes_first() -> None:
    x = np.array([1, np.nan, np.inf, -np.inf, np.nan, 1], np.float32)
    _, places = check("top_k", x, axis=0, k=6)
    assert places.tolist() == [1, 4, 2, 0, 5, 3]
    _, places = check("top_k", x, axis=0, k=6, largest=False)
    assert places.tolist() == [3, 0, 5, 2, 1, 4]


def test_nothing() -> None:
    check("top_k", np.zeros((2, 3), np.float32), axis=1, k=0)
    check("top_k", np.zeros((0, 3), np.float32), axis=1, k=2)
    check("top_k", np.zeros((2, 0), np.float32), axis=1, k=0)


def test_inference() -> None:
    assert infer("top_k", "i8[4,9]", axis=1, k=3) == "i8[4,3] i64[4,3]"
    assert refusal("top_k", "f32[4,9]", axis=1, k=10) == (
        "ShapeError: top_k: 10 elements of axis 1 of f32[4,9] are wanted"
    )
    assert refusal("top_k", "bool[4]", axis=0, k=1) == (
        "DtypeError: top_k: element type bool, expected number"
    )
