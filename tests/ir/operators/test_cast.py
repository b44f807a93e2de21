"""Conversions of element types: storage types against `ml_dtypes` and ONNX's own helpers."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from mlc.ir.dtype import (
    BOOL,
    DTYPES,
    F8E8M0,
    F16,
    F32,
    F64,
    I4,
    I8,
    I32,
    I64,
    U4,
    U8,
    U32,
    DType,
)
from tests.ir.operators.harness import check, refusal

FLOATS = tuple(DTYPES[name] for name in ("f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz"))
STORED = tuple(dtype for dtype in DTYPES.values() if dtype.is_storage)
SPECIAL = np.array([0, -0.0, np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-30, 464, 465], np.float32)


def codes(dtype: DType) -> np.ndarray:
    """Every value of a storage type."""
    return np.arange(1 << dtype.bits, dtype=np.uint8).view(dtype.numpy)


def between(dtype: DType) -> np.ndarray:
    """f32 at, just around and half-way between the values of a float type, and special ones."""
    values = np.unique(codes(dtype).astype(np.float32))
    values = values[np.isfinite(values)]
    ties = (values[1:] + values[:-1]) / 2
    exact = np.concatenate([values, ties])
    around = [np.nextafter(exact, np.float32(end)) for end in (-np.inf, np.inf)]
    return np.concatenate([exact, *around, SPECIAL]).astype(np.float32)


def bits(array: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(array.astype(np.float32)), 255, array.view(np.uint8))


@pytest.mark.parametrize("dtype", STORED, ids=str)
def test_every_value_widens_exactly(dtype: DType) -> None:
    values = codes(dtype)
    (found,) = check("cast", values, to=F32)
    np.testing.assert_array_equal(found, values.astype(np.float32))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_rounding_to_nearest(dtype: DType) -> None:
    values = between(dtype)
    (found,) = check("cast", values, to=dtype, saturate=True)
    wanted = numpy_helper.saturate_cast(values, dtype.numpy)
    np.testing.assert_array_equal(bits(found), bits(wanted))
    (found,) = check("cast", values, to=dtype, saturate=False)
    with np.errstate(over="ignore"):
        wanted = values.astype(dtype.numpy)
    np.testing.assert_array_equal(bits(found), bits(wanted))


def test_four_bit_floats_saturate() -> None:
    values = between(DTYPES["f4e2m1"])
    (found,) = check("cast", values, to=DTYPES["f4e2m1"])
    np.testing.assert_array_equal(found.view(np.uint8), values.astype(found.dtype).view(np.uint8))


@pytest.mark.parametrize("round_mode", ["up", "down", "nearest"])
def test_powers_of_two(round_mode: str) -> None:
    powers = 2.0 ** np.arange(-126.0, 128.0)
    values = np.concatenate([powers * factor for factor in (1, 1.25, 1.5, 1.75)])
    values = values.astype(np.float32)
    (found,) = check("cast", values, to=F8E8M0, round_mode=round_mode)
    wanted = numpy_helper.to_float8e8m0(values, True, round_mode)
    np.testing.assert_array_equal(found.view(np.uint8), wanted.view(np.uint8))


def test_powers_of_two_out_of_range() -> None:
    values = np.array([0, np.inf, np.nan, 2.0**-127, 1.5 * 2.0**-127, 1e-40], np.float32)
    (up,) = check("cast", values, to=F8E8M0)
    (nearest,) = check("cast", values, to=F8E8M0, saturate=False, round_mode="nearest")
    assert up.view(np.uint8).tolist() == [0, 254, 255, 0, 1, 0]
    assert nearest.view(np.uint8).tolist() == [255, 255, 255, 0, 1, 255]


@pytest.mark.parametrize("name", ["i4", "u4", "i2", "u2"])
def test_integers_keep_the_low_bits(name: str) -> None:
    dtype = DTYPES[name]
    for source in (np.int8, np.uint8, np.int32, np.int64):
        values = np.arange(-20, 20).astype(source)
        (found,) = check("cast", values, to=dtype)
        np.testing.assert_array_equal(found, values.astype(dtype.numpy))
    (found,) = check("cast", np.array([1.9, -1.9, 7.5, -9.0], np.float32), to=dtype)
    np.testing.assert_array_equal(found, np.array([1, -1, 7, -9]).astype(dtype.numpy))


@pytest.mark.parametrize("source", [F64, F16, I32, I64, U8, BOOL], ids=str)
@pytest.mark.parametrize("to", STORED, ids=str)
def test_other_types_convert(source: DType, to: DType) -> None:
    values = np.array([1, 2, 1, 2], source.numpy)
    (found,) = check("cast", values, to=to)
    wanted = values.astype(np.float32).astype(to.numpy)
    np.testing.assert_array_equal(found.view(np.uint8), wanted.view(np.uint8))


@pytest.mark.parametrize("source", STORED, ids=str)
@pytest.mark.parametrize("to", [F16, I8, I64, *STORED], ids=str)
def test_storage_types_convert(source: DType, to: DType) -> None:
    ones = np.array([1, 1]).astype(source.numpy)
    (found,) = check("cast", ones, to=to)
    np.testing.assert_array_equal(found, np.array([1, 1]).astype(to.numpy))


def test_bits_keep_their_place() -> None:
    numbers = np.array([1.5, -0.0, np.inf], np.float32)
    (found,) = check("bitcast", numbers, to=U32)
    np.testing.assert_array_equal(found, numbers.view(np.uint32))
    (back,) = check("bitcast", found, to=F32)
    np.testing.assert_array_equal(back, numbers)
    (narrow,) = check("bitcast", codes(U4), to=I4)
    assert narrow.astype(int).tolist() == [*range(8), *range(-8, 0)]
    (truth,) = check("bitcast", np.array([True, False]), to=I8)
    assert truth.tolist() == [1, 0]
    (again,) = check("bitcast", truth, to=BOOL)
    assert again.tolist() == [True, False]


def test_bits_must_fit() -> None:
    message = refusal("bitcast", "f32[3]", to=U8)
    assert message == "DtypeError: bitcast: f32 takes 32 bits, u8 takes 8"


def test_storage_types_are_not_computed_with() -> None:
    message = refusal("add", "i4[3]", "i4[3]")
    assert message == "DtypeError: add: element type i4, expected number"
    message = refusal("equal", "f8e8m0[3]", "f8e8m0[3]")
    assert message == "DtypeError: equal: element type f8e8m0, expected comparable"
