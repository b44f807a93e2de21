from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

from mlc.ir.functions import FUNCTIONS

POINTS = np.array([-0.9, -0.25, 0.0, 0.25, 0.9])
UNARY = [
    f.name
    for f in FUNCTIONS.values()
    if f.arity == 1 and not (f.is_reduction or f.gives_bool or f.gives_stated)
]


def exact(name: str, x: float) -> float:
    """The function in Python's own mathematics."""
    if name == "sigmoid":
        return 1 / (1 + math.exp(-x))
    return float(getattr(math, name)(x))


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_references_round_once(name: str, dtype: type) -> None:
    points = (np.abs(POINTS) + {"acosh": 1, "log": 0.5}.get(name, 0)).astype(dtype)
    expected = np.array([exact(name, float(x)) for x in points]).astype(dtype)
    got = FUNCTIONS[name].reference(points)
    assert got.dtype == dtype
    # Two libraries may differ in the last place of float64, and of what it rounds to.
    tolerance = 4 * float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(
        got.astype(float), expected.astype(float), rtol=tolerance, atol=1e-15
    )
    assert FUNCTIONS[name].reference(points[1]) == got[1]


def test_sigmoid_does_not_overflow() -> None:
    with np.errstate(all="raise", under="ignore"):
        got = FUNCTIONS["sigmoid"].reference(np.array([-1000, 1000], np.float32))
    np.testing.assert_array_equal(got, [0, 1])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("reduce_add", 4), ("reduce_mul", -24), ("reduce_max", 4), ("reduce_min", -2)],
)
def test_reductions_stay_in_their_type(name: str, expected: int) -> None:
    got = FUNCTIONS[name].reference(np.array([-2, -1, 3, 4, 1, -1], np.int8))
    assert got == expected
    assert got.dtype == np.int8


def test_bits_are_read_as_another_type() -> None:
    numbers = np.array([1.0, -0.0], np.float32)
    found = FUNCTIONS["bitcast"].reference(numbers, numbers.dtype, np.dtype(np.int32))
    assert found.tolist() == [0x3F800000, -0x80000000]
    assert FUNCTIONS["bitcast"].reference(-1, np.dtype(np.int8), np.dtype(np.uint8)) == 255


def test_predicates() -> None:
    points = np.array([np.nan, np.inf, -np.inf, 0], np.float32)
    np.testing.assert_array_equal(FUNCTIONS["isnan"].reference(points), [True, False, False, False])
    np.testing.assert_array_equal(FUNCTIONS["isinf"].reference(points), [False, True, True, False])
    assert {f.name for f in FUNCTIONS.values() if f.gives_bool} == {"isnan", "isinf"}
