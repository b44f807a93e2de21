"""The rare forms of Resize against ONNX's reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlc.errors import ModelError, UnsupportedError
from tests.importers.one_node import reference_node, run_node

RNG = np.random.default_rng(0)
IMAGE = RNG.standard_normal((1, 2, 7, 9))
SCALES = [(0.6, 0.8), (0.3, 1.4), (2.0, 2.3)]


def agrees(inputs: list[np.ndarray | None], **attributes: Any) -> None:
    fixed = [position for position, array in enumerate(inputs) if position and array is not None]
    (got,) = run_node("Resize", inputs, fixed=fixed, **attributes)
    (wanted,) = reference_node("Resize", inputs, fixed=fixed, **attributes)
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def by_scales(*scales: float) -> list[np.ndarray | None]:
    return [IMAGE, None, np.array((1, 1, *scales), np.float32)]


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("exclude_outside", [0, 1])
def test_antialias(scales: tuple[float, float], mode: str, exclude_outside: int) -> None:
    agrees(by_scales(*scales), mode=mode, antialias=1, exclude_outside=exclude_outside)


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("rule", ["half_pixel_symmetric", "align_corners"])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_lengths_that_are_not_whole(scales: tuple[float, float], rule: str, mode: str) -> None:
    agrees(by_scales(*scales), mode=mode, coordinate_transformation_mode=rule)


def test_cubic_coefficient() -> None:
    agrees(by_scales(0.8, 1.7), mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("region", [(0.1, 0.2, 0.8, 0.7), (-0.3, 0.5, 1.2, 2.0)])
@pytest.mark.parametrize("sizes", [(4, 5), (12, 1)])
def test_regions(mode: str, region: tuple[float, ...], sizes: tuple[int, int]) -> None:
    inputs = [IMAGE, np.array(region, np.float32), None, np.array(sizes)]
    agrees(
        inputs,
        mode=mode,
        axes=[2, 3],
        coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=9.5,
    )


@pytest.mark.parametrize("antialias", [0, 1])
def test_integers_are_rounded_and_kept_in_range(antialias: int) -> None:
    image = RNG.integers(0, 2, (1, 1, 8, 8)).astype(np.uint8) * 255
    inputs = [image, None, np.array([1, 1, 0.7, 1.9], np.float32)]
    agrees(inputs, mode="cubic", antialias=antialias)


def test_refusals() -> None:
    with pytest.raises(UnsupportedError) as refused:
        run_node("Resize", by_scales(2, 2), fixed=[2], mode="magic")
    assert str(refused.value) == (
        "1 node of the model is not supported\n"
        "  - Resize:y0: Resize (opset 22; f64[1,2,7,9], -, f32[4]): mode = magic is not supported"
    )
    inputs = [IMAGE, np.zeros(3), None, np.array([4, 4])]
    with pytest.raises(ModelError) as caught:
        run_node(
            "Resize",
            inputs,
            fixed=[1, 3],
            axes=[2, 3],
            coordinate_transformation_mode="tf_crop_and_resize",
        )
    assert caught.value.message == "Resize: a region of 3 numbers for 2 axes"
