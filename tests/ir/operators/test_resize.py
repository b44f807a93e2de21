"""resize."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.expr import Var
from mlc.ir.rewrite import loads_of, walk
from mlc.ir.stmt import Alloc
from tests.ir.operators.harness import (
    check,
    infer,
    loop_names,
    loops_of,
    refusal,
    sample,
    tensor_type,
)
from tests.ir.operators.peer import onnx_node

RULES = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
SIZES = st.sampled_from([(8, 6), (4, 3), (2, 9), (12, 6), (7, 5), (1, 1), (16, 3)])


def to_sizes(shape: tuple[int, ...], sizes: tuple[int, ...]) -> dict[str, Any]:
    """The attributes of a resize given by the sizes."""
    scales = tuple(new / old for new, old in zip(sizes, shape, strict=True))
    return {"sizes": sizes, "scales": scales}


def compare_with_onnxruntime(sizes: tuple[int, int], **attrs: Any) -> None:
    x = sample(np.random.default_rng(0), (2, 2, 4, 3))
    target = (2, 2, *sizes)
    (got,) = check("resize", x, atol=1e-5, **to_sizes(x.shape, target), **attrs)
    names = {
        "coordinate": "coordinate_transformation_mode",
        "nearest": "nearest_mode",
        "exclude_outside": "exclude_outside",
        "mode": "mode",
    }
    options = {names[k]: int(v) if isinstance(v, bool) else v for k, v in attrs.items()}
    (peer,) = onnx_node("Resize", [x, None, None, np.array(target)], cubic_coeff_a=-0.75, **options)
    np.testing.assert_allclose(got, peer, rtol=1e-4, atol=1e-4)


@settings(max_examples=40)
@given(SIZES, st.sampled_from(RULES), st.sampled_from(ROUNDINGS))
def test_nearest_matches_onnxruntime(sizes: tuple[int, int], rule: str, rounding: str) -> None:
    compare_with_onnxruntime(sizes, mode="nearest", coordinate=rule, nearest=rounding)


@settings(max_examples=30)
@given(SIZES, st.sampled_from(RULES))
def test_linear_matches_onnxruntime(sizes: tuple[int, int], rule: str) -> None:
    compare_with_onnxruntime(sizes, mode="linear", coordinate=rule)


@settings(max_examples=30)
@given(SIZES, st.sampled_from(RULES), st.booleans())
def test_cubic_matches_onnxruntime(sizes: tuple[int, int], rule: str, exclude: bool) -> None:
    compare_with_onnxruntime(sizes, mode="cubic", coordinate=rule, exclude_outside=exclude)


def test_three_axes_and_integers() -> None:
    x = sample(np.random.default_rng(0), (1, 2, 3, 4), "uint8")
    (got,) = check("resize", x, **to_sizes(x.shape, (1, 4, 3, 8)))
    np.testing.assert_array_equal(got, x.repeat(2, axis=1).repeat(2, axis=3))
    y = x.astype(np.float32)
    check("resize", y, atol=1e-5, mode="linear", **to_sizes(x.shape, (1, 4, 5, 8)))


def test_resize_to_nothing() -> None:
    (got,) = check("resize", np.ones((1, 3), np.float32), sizes=(1, 0), scales=(1.0, 0.1))
    assert got.shape == (1, 0)


@pytest.mark.parametrize(("sizes", "index"), [((6,), Var("p_i0") // 2), ((1,), Var("p_i0"))])
def test_simple_scales_need_no_table(sizes: tuple[int, ...], index: object) -> None:
    attrs = to_sizes((3,), sizes) | {"coordinate": "asymmetric", "nearest": "floor"}
    func = loops_of("resize", [tensor_type("f32[3]")], **attrs)
    (load,) = loads_of(func.body)
    assert load.index == (index,)
    assert loop_names(func) == ["p_i0"]


def test_tables_of_a_linear_resize() -> None:
    attrs = to_sizes((2, 3, 4), (2, 5, 4))
    func = loops_of("resize", [tensor_type("f32[2,3,4]")], mode="linear", **attrs)
    assert loop_names(func) == ["p_table1_i0", "p_i0", "p_i1", "p_i2"]
    shapes = {p.buffer.name: p.buffer.shape for p in walk(func.body) if isinstance(p, Alloc)}
    assert shapes == {"p_table1_places": (2, 5), "p_table1_weights": (2, 5)}


def test_inference() -> None:
    assert infer("resize", "f32[1,3]", **to_sizes((1, 3), (1, 7))) == "f32[1,7]"


@pytest.mark.parametrize(
    ("message", "type_", "attrs"),
    [
        (
            "ShapeError: resize: sizes (4,) and scales (0.0,) do not fit shape (2,)",
            "f32[2]",
            {"sizes": (4,), "scales": (0.0,)},
        ),
        (
            "ShapeError: resize: attribute sizes has 2 entries, expected 1",
            "f32[2]",
            {"sizes": (4, 4), "scales": (2.0,)},
        ),
        (
            "ShapeError: resize: axis 0 has no elements to interpolate",
            "f32[0]",
            {"sizes": (4,), "scales": (2.0,)},
        ),
        (
            "DtypeError: resize: element type u8, expected float",
            "u8[2]",
            {"sizes": (4,), "scales": (2.0,), "mode": "linear"},
        ),
    ],
)
def test_refusals(message: str, type_: str, attrs: dict[str, object]) -> None:
    assert refusal("resize", type_, **attrs) == message
