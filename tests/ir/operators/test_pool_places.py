"""max_pool_places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ir.operators.harness import check, infer, refusal
from tests.ir.operators.peer import onnx_node

entries = st.tuples(st.integers(1, 3), st.integers(1, 3))
pads = st.tuples(st.integers(0, 2), st.integers(0, 2))
ONE_AXIS = {
    "kernel": (2,), "strides": (1,), "before": (1,), "after": (0,), "dilations": (1,)
}  # fmt: skip


@settings(max_examples=15)
@given(kernel=entries, strides=entries, before=pads, after=pads, dilations=entries)
@pytest.mark.parametrize("column_major", [False, True])
def test_places_match_onnxruntime(
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    before: tuple[int, ...],
    after: tuple[int, ...],
    dilations: tuple[int, ...],
    column_major: bool,
) -> None:
    before, after = (
        tuple(min(pad, size - 1) for pad, size in zip(side, kernel, strict=True))
        for side in (before, after)
    )
    x = np.random.default_rng(0).permutation(2 * 3 * 8 * 7).reshape(2, 3, 8, 7).astype(np.float32)
    attrs = {"strides": strides, "before": before, "after": after, "dilations": dilations}
    (got,) = check("max_pool_places", x, kernel=kernel, column_major=column_major, **attrs)
    _, peer = onnx_node(
        "MaxPool", [x], outputs=2, kernel_shape=kernel, strides=strides, pads=(*before, *after),
        dilations=dilations, storage_order=int(column_major),
    )  # fmt: skip
    np.testing.assert_array_equal(got, peer)


def test_the_first_of_equals_and_the_first_nan_win() -> None:
    (got,) = check("max_pool_places", np.array([[[-128, -128, 3, 3]]], np.int8), **ONE_AXIS)
    np.testing.assert_array_equal(got, [[[0, 0, 2, 2]]])
    x = np.array([[[-np.inf, 1, np.nan, np.nan, 2]]], np.float32)
    (got,) = check("max_pool_places", x, **ONE_AXIS)
    np.testing.assert_array_equal(got, [[[0, 1, 2, 2, 3]]])


def test_a_window_in_padding_alone_has_no_place() -> None:
    """The window's two elements lie before and behind each plane's only one."""
    attrs = {**ONE_AXIS, "after": (1,), "dilations": (2,)}
    (got,) = check("max_pool_places", np.ones((2, 3, 1), np.float32), **attrs)
    np.testing.assert_array_equal(got, np.full((2, 3, 1), -1))


def test_inference() -> None:
    assert infer("max_pool_places", "f32[1,4,9]", **ONE_AXIS) == "i64[1,4,9]"
    assert refusal("max_pool_places", "bool[1,4,9]", **ONE_AXIS) == (
        "DtypeError: max_pool_places: element type bool, expected number"
    )
