"""iota and one_hot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc.ir.dtype import BOOL, F32, I32, I64, U8, DType
from tests.ir.operators.harness import check, infer, refusal


@given(st.integers(0, 2), st.sampled_from([I64, I32, F32, U8]))
def test_iota(axis: int, dtype: DType) -> None:
    (got,) = check("iota", shape=(2, 3, 4), axis=axis, dtype=dtype)
    np.testing.assert_array_equal(got, np.indices((2, 3, 4))[axis])


@given(st.integers(0, 2), st.sampled_from(["int32", "int64", "uint8"]))
def test_one_hot(axis: int, dtype: str) -> None:
    indices = np.array([[0, 1, 4], [3, 2, 200]]).astype(dtype)
    (got,) = check("one_hot", indices, depth=5, axis=axis, on_value=3.0, off_value=-1.0)
    rows = np.where(indices[..., None] == np.arange(5), 3, -1)
    np.testing.assert_array_equal(got, np.moveaxis(rows, -1, axis))


def test_one_hot_counts_from_the_end_when_negative() -> None:
    (got,) = check("one_hot", np.array([-1, -3, -4]), depth=3, axis=1, dtype=BOOL)
    np.testing.assert_array_equal(got, [[0, 0, 1], [1, 0, 0], [0, 0, 0]])


def test_symbolic_dimensions() -> None:
    assert infer("one_hot", "i64[n]", depth=3, axis=0, dtype=I32) == "i32[3,n]"


def test_refusals() -> None:
    assert refusal("iota", shape=(2, 3), axis=2) == (
        "ShapeError: iota: axis 2 is not an axis of a tensor of rank 2"
    )
    assert refusal("iota", shape=(2,), axis=0, dtype=BOOL) == (
        "DtypeError: iota: element type bool, expected number"
    )
    assert refusal("one_hot", "f32[2]", depth=3, axis=0) == (
        "DtypeError: one_hot: element type f32, expected integer"
    )
    assert refusal("one_hot", "i64[2]", depth=-3, axis=0) == (
        "ShapeError: one_hot: depth -3 is negative"
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_iota_of_nothing(axis: int) -> None:
    check("iota", shape=(0, 2), axis=axis)
