"""The comparison with onnxruntime itself can fail."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.importers.evaluate import parse
from tests.trained.engines import Array, Both, assert_near

RIGHT = np.linspace(0, 2, 1000, dtype=np.float32)


def shifted(by: float) -> Array:
    wrong = RIGHT.copy()
    wrong[17] += by
    return wrong


def test_small_differences_pass() -> None:
    assert_near("y", shifted(1.9e-4), RIGHT)
    assert_near("y", RIGHT * np.float32(1e-8), RIGHT * np.float32(1e-7))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (shifted(2.2e-4), "y: error 1.10e-04 of the output's range"),
        (shifted(np.nan), "y: error nan of the output's range"),
        (RIGHT.astype(np.float64), "y"),
        (RIGHT[:-1], "y"),
    ],
)
def test_differences_fail(wrong: Array, message: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(message)):
        assert_near("y", wrong, RIGHT)


def test_another_model_fails() -> None:
    """Doubts of onnxruntime about itself excuse no more than they amount to."""
    text = "g (float[n] x) => (float[n] y) { y = {operator}(x) }"
    both = Both(parse(text.replace("{operator}", "Tanh")))
    both({"x": RIGHT})
    both.module = Both(parse(text.replace("{operator}", "Sigmoid"))).module
    with pytest.raises(AssertionError, match="y: error"):
        both({"x": RIGHT})
