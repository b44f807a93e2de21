"""The comparison of whole models itself can fail."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.e2e.agreement import assert_agrees

RIGHT = np.linspace(-1, 1, 1000, dtype=np.float32)


def shifted(by: float) -> np.ndarray:
    wrong = RIGHT.copy()
    wrong[17] += by
    return wrong


def test_small_differences_pass() -> None:
    assert_agrees({"y": shifted(1.9e-4)}, {"y": RIGHT})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (shifted(2.2e-4), "y: error 1.10e-04 of the output's range"),
        (shifted(np.nan), "y: error nan of the output's range"),
        (RIGHT.astype(np.float64), "y"),
        (RIGHT[:-1], "y"),
    ],
)
def test_differences_fail(wrong: np.ndarray, message: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(message)):
        assert_agrees({"y": wrong}, {"y": RIGHT})


def test_a_constant_reference_is_refused() -> None:
    flat = np.zeros(4, np.float32)
    with pytest.raises(AssertionError, match="the reference is constant"):
        assert_agrees({"y": flat}, {"y": flat})


def test_other_outputs_fail() -> None:
    with pytest.raises(AssertionError):
        assert_agrees({"z": RIGHT}, {"y": RIGHT})
