"""sample."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ir.operators.harness import check, infer, refusal, sample

RNG = np.random.default_rng(0)
MODES = ("nearest", "linear", "cubic")
PADDINGS = ("zeros", "border", "reflection")


def places_around(sizes: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Coordinates inside and far outside of an image."""
    reach = RNG.uniform(-1.5, 2.5, (*shape, len(sizes)))
    return np.asarray(reach * np.array(sizes)).astype(np.float32)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("sizes", [(5,), (4, 6), (2, 1, 3)])
def test_loops_agree(mode: str, padding: str, align: bool, sizes: tuple[int, ...]) -> None:
    x = sample(RNG, (2, 2, *sizes))
    places = places_around(sizes, (2, 3))
    check("sample", x, places, atol=1e-4, mode=mode, padding=padding, align_corners=align)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_places_make_no_coarse_weights(mode: str, padding: str, dtype: type) -> None:
    x = sample(RNG, (1, 2, 5)).astype(np.float64)
    places = places_around((5,), (1, 9)).astype(dtype)
    check("sample", x, places, rtol=1e-12, atol=1e-12, mode=mode, padding=padding)


@pytest.mark.parametrize("padding", PADDINGS)
def test_elements_are_found_at_their_own_places(padding: str) -> None:
    x = sample(RNG, (1, 2, 3, 4))
    places = np.stack(np.indices((3, 4)), axis=-1)[None].astype(np.float32)
    for mode in MODES:
        (got,) = check("sample", x, places, atol=1e-6, mode=mode, padding=padding)
        np.testing.assert_allclose(got, x, atol=1e-6)


@pytest.mark.parametrize(
    ("padding", "align", "wanted"),
    [
        ("zeros", False, [0, 0, 1, 0, 0]),
        ("border", False, [1, 1, 1, 3, 3]),
        ("reflection", False, [2, 1, 1, 3, 2]),
        ("reflection", True, [3, 2, 1, 2, 1]),
    ],
)
def test_what_lies_outside(padding: str, align: bool, wanted: list[int]) -> None:
    x = np.array([[[1, 2, 3]]], np.int32)
    places = np.array([-2, -1, 0, 3, 4], np.float32).reshape(1, 5, 1)
    (got,) = check("sample", x, places, mode="nearest", padding=padding, align_corners=align)
    np.testing.assert_array_equal(got[0, 0], wanted)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("place", [np.nan, np.inf, -np.inf, 1e30])
def test_places_that_are_nowhere_stay_inside_the_memory(padding: str, place: float) -> None:
    x, places = sample(RNG, (1, 1, 4)), np.full((1, 2, 1), place, np.float32)
    for mode in MODES:
        (got,) = check("sample", x, places, atol=10, mode=mode, padding=padding)
        assert padding == "zeros" or np.isfinite(got).all()


def test_zeros_are_no_products() -> None:
    x = np.array([[[np.inf, 1, 2]]], np.float32)
    (got,) = check("sample", x, np.array([[[3.5], [-1.0]]], np.float32))
    np.testing.assert_array_equal(got[0, 0], [0, np.nan])


def test_inference() -> None:
    assert infer("sample", "f32[2,3,5,6]", "f32[2,7,8,9,2]") == "f32[2,3,7,8,9]"
    assert refusal("sample", "f32[2,3,5,6]", "f32[2,7,3]") == (
        "ShapeError: sample: places f32[2,7,3] do not fit f32[2,3,5,6]"
    )
    assert refusal("sample", "i32[2,3,5]", "f32[2,7,1]") == (
        "DtypeError: sample: element type i32, expected float"
    )
