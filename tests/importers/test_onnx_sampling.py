"""GridSample, DeformConv and regions of interest against other implementations."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.errors import ModelError
from tests.importers.one_node import reference_node, run_node

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_grid_sample(mode: str, padding: str, align: int) -> None:
    x = RNG.standard_normal((2, 2, 4, 5)).astype(np.float32)
    grid = RNG.uniform(-1.8, 1.8, (2, 3, 4, 2)).astype(np.float32)
    options = {"mode": mode, "padding_mode": padding, "align_corners": align}
    (got,) = run_node("GridSample", [x, grid], **options)
    (wanted,) = reference_node("GridSample", [x, grid], **options)
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4)


def test_the_words_of_operator_set_16() -> None:
    x, grid = RNG.standard_normal((1, 1, 4, 5)), RNG.uniform(-1, 1, (1, 3, 4, 2))
    for old, new in (("bilinear", "linear"), ("bicubic", "cubic")):
        (got,) = run_node("GridSample", [x, grid], opset=16, mode=old)
        (wanted,) = run_node("GridSample", [x, grid], mode=new)
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_deform_conv(groups: int, parts: int, masked: bool) -> None:
    x, weights = RNG.standard_normal((2, 4, 5, 6)), RNG.standard_normal((6, 4 // groups, 2, 3))
    window = {"strides": [2, 1], "pads": [1, 0, 0, 1], "dilations": [1, 2]}
    offset = RNG.uniform(-2, 2, (2, parts * 12, 3, 3))
    mask = RNG.random((2, parts * 6, 3, 3)) if masked else None
    inputs = [x, weights, offset, RNG.standard_normal(6), mask]
    options = {"group": groups, "offset_group": parts, "kernel_shape": [2, 3], **window}
    (got,) = run_node("DeformConv", inputs, **options)
    (wanted,) = reference_node("DeformConv", inputs, **options)
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4)


def test_offsets_have_to_fit() -> None:
    inputs = [np.zeros((1, 1, 4, 4)), np.zeros((1, 1, 2, 2)), np.zeros((1, 6, 3, 3))]
    with pytest.raises(ModelError) as caught:
        run_node("DeformConv", inputs)
    assert caught.value.message == "DeformConv: offsets f64[1,6,3,3] do not fit f64[1,1,4,4]"
