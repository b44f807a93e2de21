"""non_max_suppression."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ir.operators.harness import check, infer, refusal
from tests.ir.operators.peer import onnx_node


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("most", [1, 3, 20])
@pytest.mark.parametrize("least", [0.0, 0.6])
def test_matches_onnxruntime(
    most: int, least: float, centered: bool, rng: np.random.Generator
) -> None:
    boxes = rng.random((2, 20, 4)).astype(np.float32)
    scores = rng.integers(0, 8, (2, 3, 20)).astype(np.float32) / 8
    overlap, threshold = np.array([0.3], np.float32), np.array([least], np.float32)
    selected, count = check(
        "non_max_suppression", boxes, scores, overlap, threshold, most=most, centered=centered
    )
    (wanted,) = onnx_node(
        "NonMaxSuppression", [boxes, scores, np.array([most]), overlap, threshold],
        center_point_box=int(centered),
    )  # fmt: skip
    np.testing.assert_array_equal(selected[: count[0]], wanted)


def test_inference() -> None:
    types = ("f32[2,20,4]", "f32[2,3,20]", "f32[1]", "f32[1]")
    assert infer("non_max_suppression", *types, most=5) == "i64[30,3] i64[1]"
    assert refusal("non_max_suppression", *types, most=21) == (
        "ShapeError: non_max_suppression: 21 of 20 boxes are wanted"
    )
    assert refusal("non_max_suppression", "f32[2,9,4]", *types[1:], most=5) == (
        "ShapeError: non_max_suppression: boxes f32[2,9,4] and scores f32[2,3,20] do not fit"
    )
