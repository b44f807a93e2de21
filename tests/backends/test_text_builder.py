"""Names, constants and declarations of LLVM IR text; LLVM itself judges what they mean."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlc.backends.llvm.text_builder import (
    TextBuilder,
    constant,
    memory_type_name,
    type_name,
    type_suffix,
)
from mlc.ir.dtype import BF16, BOOL, F16, F32, F64, I8, I32, I64, U16, DType
from tests.backends.math_kernel import Emit, apply


@pytest.mark.parametrize(
    ("dtype", "lanes", "name"),
    [
        (F64, 1, "double"),
        (F32, 8, "<8 x float>"),
        (F16, 3, "<3 x half>"),
        (BF16, 1, "bfloat"),
        (U16, 4, "<4 x i16>"),
        (BOOL, 4, "<4 x i1>"),
    ],
)
def test_types_in_registers(dtype: DType, lanes: int, name: str) -> None:
    assert type_name(dtype, lanes) == name


def test_a_bool_in_memory_is_a_byte() -> None:
    assert memory_type_name(BOOL, 4) == "<4 x i8>"
    assert memory_type_name(F32, 4) == type_name(F32, 4)


def test_suffixes_of_intrinsics() -> None:
    assert [type_suffix(F32, 8), type_suffix(F64), type_suffix(I8, 2)] == ["v8f32", "f64", "v2i8"]


def emit_constant(value: float) -> Emit:
    def emit(builder: TextBuilder, args: list[str], dtype: DType, lanes: int) -> str:
        text = constant(value, dtype, lanes)
        mask = type_name(BOOL, lanes)
        on = constant(True, BOOL, lanes)
        kind = type_name(dtype, lanes)
        return builder.op(f"select {mask} {on}, {kind} {text}, {kind} {args[0]}")

    return emit


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("dtype", [F64, F32, F16, BF16], ids=str)
@pytest.mark.parametrize("value", [0.1, -0.0, 0.0, 1e-7, -3.5, 1e300, math.inf, math.nan])
def test_float_constants_are_rounded_as_numpy_rounds(
    value: float, dtype: DType, lanes: int
) -> None:
    found = apply(emit_constant(value), [np.zeros(4, dtype.numpy)], dtype, lanes)
    with np.errstate(over="ignore"):
        expected = np.full(4, value).astype(dtype.numpy)
    np.testing.assert_array_equal(found.view(np.uint8), expected.view(np.uint8))


@pytest.mark.parametrize(("dtype", "value"), [(I32, -7), (I64, 2**62), (U16, 65535)])
def test_integer_constants(dtype: DType, value: int) -> None:
    found = apply(emit_constant(value), [np.zeros(4, dtype.numpy)], dtype, 4)
    assert found.tolist() == [value] * 4


def test_names_are_fresh_and_declarations_appear_once() -> None:
    shared: dict[str, None] = {}
    first, second = TextBuilder(shared), TextBuilder(shared)
    names = [builder.intrinsic("llvm.fabs", F32, 4, "%x") for builder in (first, first, second)]
    assert names[0] != names[1]
    assert list(shared) == ["<4 x float> @llvm.fabs.v4f32(<4 x float>)"]
    assert first.declare_lines() == "declare <4 x float> @llvm.fabs.v4f32(<4 x float>)"


def test_splat_of_a_value() -> None:
    def emit(builder: TextBuilder, args: list[str], dtype: DType, lanes: int) -> str:
        first = builder.op(f"extractelement {type_name(dtype, lanes)} {args[0]}, i32 2")
        return builder.splat(first, dtype, lanes)

    found = apply(emit, [np.arange(4, dtype=np.float32)], F32, 4)
    assert found.tolist() == [2.0] * 4
