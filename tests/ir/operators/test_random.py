"""random_uniform: the same everywhere, and uniform as far as simple statistics tell."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.ir.operators import OPERATORS
from tests.ir.operators.harness import check, infer, refusal


@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (2, 3, 4)])
def test_loops(shape: tuple[int, ...]) -> None:
    check("random_uniform", shape=shape, seed=3, rtol=0)


def _numbers(seed: int, count: int = 1 << 16) -> np.ndarray:
    (numbers,) = OPERATORS["random_uniform"].reference([], {"shape": (count,), "seed": seed})
    return numbers


@pytest.mark.parametrize("seed", [0, 1, 2, -1, 1 << 40])
def test_numbers_are_uniform(seed: int) -> None:
    numbers = _numbers(seed)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers, 64, (0, 1))
    # 1024 are expected in each class, with a deviation of 32.
    assert np.abs(counts - 1024).max() < 6 * 32
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.02


def test_seeds_and_positions_give_other_numbers() -> None:
    first, second = _numbers(1), _numbers(2)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert np.mean(first == second) < 1e-3


def test_types_and_refusals() -> None:
    assert infer("random_uniform", shape=(2, 3), seed=0) == "f32[2,3]"
    assert refusal("random_uniform", shape=(-1,), seed=0) == (
        "ShapeError: random_uniform: shape (-1,) is negative"
    )
