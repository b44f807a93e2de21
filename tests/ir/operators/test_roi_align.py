"""roi_align."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.ir.operators.harness import check, refusal, sample
from tests.ir.operators.peer import onnx_node

RNG = np.random.default_rng(0)
X = sample(RNG, (2, 3, 7, 9))
CORNERS = np.array(
    [[0, 0, 8, 6], [2.5, 1, 6, 5.5], [4, 3, 4.2, 3.1], [-5, -3, 20, 12], [30, 30, 40, 40]],
    np.float32,
)
IMAGES = np.array([0, 1, 1, 0, 1])


@pytest.mark.parametrize("samples", [0, 2])
@pytest.mark.parametrize("half_pixel", [False, True])
@pytest.mark.parametrize("maximum", [False, True])
def test_roi_align_matches_onnxruntime(samples: int, half_pixel: bool, maximum: bool) -> None:
    attrs: dict[str, Any] = {"samples": samples, "half_pixel": half_pixel, "maximum": maximum}
    (got,) = check(
        "roi_align", X, CORNERS, IMAGES, height=3, width=4, scale=0.9, atol=1e-5, **attrs
    )
    (peer,) = onnx_node(
        "RoiAlign", [X, CORNERS, IMAGES], output_height=3, output_width=4, spatial_scale=0.9,
        sampling_ratio=samples, mode="max" if maximum else "avg",
        coordinate_transformation_mode="half_pixel" if half_pixel else "output_half_pixel",
    )  # fmt: skip
    np.testing.assert_allclose(got, peer, atol=1e-5)


@pytest.mark.parametrize("edge", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("samples", [0, 2])
def test_regions_without_measure_end(edge: float, samples: int) -> None:
    corners = np.array([[0, 0, edge, 3], [0, edge, 3, edge]], np.float32)
    (got,) = check(
        "roi_align", X[:1, :1, :2, :2], corners, np.array([0, 7]), atol=10,
        height=1, width=2, samples=samples,
    )  # fmt: skip
    assert got.shape == (2, 1, 1, 2)


def test_refusals() -> None:
    assert refusal("roi_align", "f32[1,2,3,4]", "f32[5,3]", "i64[5]", height=1, width=1) == (
        "ShapeError: roi_align: regions f32[5,3] of images i64[5] do not fit f32[1,2,3,4]"
    )
    assert refusal("roi_align", "f32[1,2,3,4]", "f32[5,4]", "i64[5]", height=0, width=1) == (
        "ShapeError: roi_align: 0 by 1 bins of 0 samples"
    )
