"""nonzero and unique."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ir.operators.harness import check, infer, refusal, sample


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 1, 5), (0,), (2, 0)])
def test_nonzero(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> None:
    x = sample(rng, shape, dtype)
    x[rng.random(shape) < 0.5] = 0
    indices, count = check("nonzero", x)
    np.testing.assert_array_equal(indices[:, : count[0]], np.nonzero(x))


def test_nan_is_not_zero() -> None:
    indices, count = check("nonzero", np.array([0.0, np.nan, -0.0, 1], np.float32))
    assert (indices[0, :2].tolist(), count.tolist()) == ([1, 3], [2])


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool", "float16"])
@pytest.mark.parametrize("shape", [(12, 1), (9, 2), (1, 3), (0, 1), (5, 0)])
def test_unique_sorted(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> None:
    x = rng.integers(0, 3, shape).astype(dtype)
    first, inverse, counts, count = check("unique", x)
    if 0 in shape:
        return
    values, at, back, times = np.unique(
        x, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    size = len(values)
    assert count.tolist() == [size]
    np.testing.assert_array_equal(first[:size], at)
    np.testing.assert_array_equal(inverse, back.reshape(-1))
    np.testing.assert_array_equal(counts[:size], times)


def test_unique_in_order_of_first_occurrence() -> None:
    x = np.array([3, 1, 3, 0, 1, 3], np.int32).reshape(-1, 1)
    first, inverse, counts, count = check("unique", x, sorted=False)
    assert count.tolist() == [3]
    assert first.tolist() == [0, 1, 3, 0, 0, 0]
    assert inverse.tolist() == [0, 1, 0, 2, 1, 0]
    assert counts.tolist() == [3, 2, 1, 0, 0, 0]


def test_nan_is_one_kind() -> None:
    x = np.array([np.nan, 1, np.nan], np.float32).reshape(-1, 1)
    for ordered in (False, True):
        assert check("unique", x, sorted=ordered)[3].tolist() == [2]


def test_inference() -> None:
    assert infer("nonzero", "f32[2,3]") == "i64[2,6] i64[1]"
    assert infer("unique", "f32[4,3]") == "i64[4] i64[4] i64[4] i64[1]"
    assert refusal("nonzero", "f32[]") == "ShapeError: nonzero: a scalar has no indices"
    assert refusal("unique", "f32[4]") == "ShapeError: unique: f32[4] is no matrix of rows"
    assert refusal("nonzero", "f32[n]") == "ShapeError: nonzero: the shape of f32[n] must be known"
