"""roi_pool."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ir.operators.harness import check, refusal, sample
from tests.ir.operators.peer import onnx_node

X = sample(np.random.default_rng(0), (2, 3, 7, 9))


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_roi_pool_matches_onnxruntime(scale: float) -> None:
    regions = np.array(
        [[0, 0, 0, 8, 6], [1, 2.5, 1, 6, 5.4], [1, 4, 3, 4.2, 3.1], [0, 2, 1, 20, 12]], np.float32
    )
    (got,) = check("roi_pool", X, regions, height=3, width=4, scale=scale)
    (peer,) = onnx_node("MaxRoiPool", [X, regions], pooled_shape=[3, 4], spatial_scale=scale)
    np.testing.assert_array_equal(got, peer)


@pytest.mark.parametrize("edge", [np.nan, np.inf, -1e30, 40])
def test_bins_without_elements_are_zero(edge: float) -> None:
    regions = np.array([[0, edge, edge, edge, edge]], np.float32)
    (got,) = check("roi_pool", X, regions, height=2, width=2)
    np.testing.assert_array_equal(got, np.zeros((1, 3, 2, 2)))


def test_refusals() -> None:
    assert refusal("roi_pool", "f32[1,2,3,4]", "f32[5,4]", height=1, width=1) == (
        "ShapeError: roi_pool: regions f32[5,4] do not fit f32[1,2,3,4]"
    )
