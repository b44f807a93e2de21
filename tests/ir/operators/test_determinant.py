"""det."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ir.operators.harness import check, infer, refusal, sample
from tests.ir.operators.peer import onnx_node

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(4, 4), (3, 2, 2), (2, 3, 5, 5), (1, 1)])
def test_det_matches_onnxruntime(shape: tuple[int, ...]) -> None:
    x = sample(RNG, shape)
    (got,) = check("det", x, rtol=1e-6)
    (peer,) = onnx_node("Det", [x])
    np.testing.assert_allclose(got, peer, rtol=1e-3, atol=1e-4)


@settings(max_examples=15)
@given(st.permutations(range(5)))
def test_rows_are_exchanged(order: list[int]) -> None:
    x = np.diag([1.0, 2, 3, 4, 5])[order]
    (got,) = check("det", x)
    inversions = sum(order[a] > order[b] for a in range(5) for b in range(a + 1, 5))
    np.testing.assert_allclose(got, (-1) ** inversions * 120)


def test_degenerate_matrices() -> None:
    (got,) = check("det", np.array([[1.0, 2], [2, 4]]))
    assert got == 0
    (got,) = check("det", np.zeros((3, 3)))
    assert got == 0
    (got,) = check("det", np.zeros((2, 0, 0)))
    np.testing.assert_array_equal(got, [1, 1])


def test_inference() -> None:
    assert infer("det", "f16[2,3,4,4]") == "f16[2,3]"
    assert refusal("det", "f32[2,3]") == "ShapeError: det: f32[2,3] has no square matrices"
