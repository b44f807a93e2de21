"""Accuracy, special values and vector lengths of the functions in the back end's table.

The reference computes in float64 for f32, and in extended precision for f64.
"""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from mlc.backends.llvm.machine import to_assembly
from mlc.backends.llvm.math import (
    FAST_MATH,
    MATH,
    MathFunction,
    emit_float_cast,
    emit_maximum,
    emit_minimum,
)
from mlc.backends.llvm.targets import resolve
from mlc.backends.llvm.text_builder import TextBuilder
from mlc.errors import DtypeError
from mlc.ir.dtype import BF16, BOOL, F16, F32, F64, I32, I64, U8, DType
from mlc.ir.functions import FUNCTIONS
from tests.backends.math_kernel import apply, loop_text, ulp_error

ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
TARGETS = ["host", "x86-64-v2"] if ON_X86 else ["host"]
"""With fused multiply-add and without."""

HAS_EXTENDED = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps
SAMPLES = 20_000
MATHEMATICAL = {name: each for name, each in FUNCTIONS.items() if not each.gives_stated}
ELEMENTWISE = [name for name, each in MATHEMATICAL.items() if not each.is_reduction]
REDUCTIONS = [name for name, each in FUNCTIONS.items() if each.is_reduction]
UNARY = [name for name in ELEMENTWISE if FUNCTIONS[name].arity == 1]

REFERENCES: dict[str, Callable[..., np.ndarray]] = {
    "erf": np.vectorize(math.erf, otypes=[np.longdouble]),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "pow": np.power,
}

# Ranges: "even" is uniform; "positive" and "wide" give powers of ten, the latter of both signs.
BOUNDS: list[tuple[str, tuple[str, float, float], float, float]] = [
    # function, range, largest error in ulp of f32 and of f64
    ("exp", ("even", -87.3, 88.7), 1.1, 1.1),
    ("log", ("positive", -37.9, 38.5), 0.9, 0.9),
    ("log", ("even", 0.5, 2.0), 0.9, 0.9),
    ("tanh", ("even", -10.0, 10.0), 2.5, 2.5),
    ("tanh", ("wide", -37.9, 1.5), 2.5, 2.5),
    ("erf", ("even", -4.5, 4.5), 2.8, 4.1),
    ("erf", ("wide", -37.9, 1.0), 2.8, 4.1),
    ("sigmoid", ("even", -86.0, 90.0), 2.4, 2.5),
    ("sin", ("even", -10.0, 10.0), 1.6, 1.6),
    ("sin", ("even", -1e5, 1e5), 1.6, 2.5),
    ("sin", ("wide", -37.9, 1.0), 1.6, 1.6),
    ("cos", ("even", -10.0, 10.0), 1.6, 1.6),
    ("cos", ("even", -1e5, 1e5), 1.6, 2.5),
    ("tan", ("even", -10.0, 10.0), 3.7, 3.7),
    ("tan", ("even", -1e5, 1e5), 3.7, 4.1),
    ("asin", ("even", -1.0, 1.0), 2.0, 2.2),
    ("asin", ("wide", -37.5, 0.0), 2.0, 2.2),
    ("acos", ("even", -1.0, 1.0), 1.4, 1.4),
    ("atan", ("even", -5.0, 5.0), 1.3, 1.4),
    ("atan", ("wide", -37.5, 38.0), 1.3, 1.4),
    ("sinh", ("even", -89.4, 89.4), 1.6, 1.6),
    ("sinh", ("wide", -37.5, 0.5), 1.6, 1.6),
    ("cosh", ("even", -89.4, 89.4), 1.5, 1.5),
    ("asinh", ("even", -3.0, 3.0), 2.0, 2.0),
    ("asinh", ("wide", -37.5, 38.0), 2.0, 2.0),
    ("acosh", ("even", 1.0, 3.0), 3.2, 3.0),
    ("acosh", ("positive", 0.0, 38.0), 3.2, 3.0),
    ("atanh", ("even", -0.999, 0.999), 2.3, 2.3),
    ("atanh", ("wide", -37.5, 0.0), 2.3, 2.3),
]


def samples(spread: tuple[str, float, float]) -> np.ndarray:
    kind, low, high = spread
    uniform = np.random.default_rng(7).uniform(low, high, SAMPLES)
    if kind == "even":
        return np.concatenate([uniform, np.linspace(low, high, SAMPLES)])
    powers = 10.0**uniform
    return powers if kind == "positive" else np.concatenate([powers, -powers])


def emit_named(name: str) -> Callable[..., str]:
    return MATH[name].emit


def check(
    name: str,
    args: list[np.ndarray],
    dtype: DType,
    target: str,
    bound: float,
    table: Mapping[str, MathFunction] = MATH,
) -> None:
    wide = np.float64 if dtype is F32 else np.longdouble
    reference = REFERENCES.get(name) or getattr(np, name)
    exact = np.asarray(reference(*(arg.astype(wide) for arg in args)), wide)
    found = apply(table[name].emit, args, dtype, target=target)
    error = ulp_error(found, exact)
    worst = int(np.argmax(error))
    assert error[worst] <= bound, f"{name}{[arg[worst] for arg in args]}: {error[worst]:.3f} ulp"


def test_every_function_of_the_ir_is_there() -> None:
    assert set(MATH) == set(MATHEMATICAL)
    assert {name: each.arity for name, each in MATH.items()} == {
        name: each.arity for name, each in MATHEMATICAL.items()
    }


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "spread", "bound", "_"), BOUNDS)
def test_error_in_f32(
    name: str, spread: tuple[str, float, float], bound: float, _: float, target: str
) -> None:
    check(name, [samples(spread).astype(np.float32)], F32, target, bound)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("name", "low", "high", "bound"),
    [("exp", -86.9, 88.7, 1.1), ("tanh", -12.0, 12.0, 5.0), ("erf", -5.0, 5.0, 6.0)],
)
def test_error_of_the_fast_versions(
    name: str, low: float, high: float, bound: float, target: str
) -> None:
    x = np.concatenate([samples(("even", low, high)), samples(("wide", -37.9, 0.0))])
    check(name, [x.astype(np.float32)], F32, target, bound, FAST_MATH)


@pytest.mark.skipif(not HAS_EXTENDED, reason="NumPy has no wider type than float64 here")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "spread", "_", "bound"), BOUNDS)
def test_error_in_f64(
    name: str, spread: tuple[str, float, float], _: float, bound: float, target: str
) -> None:
    check(name, [samples(spread)], F64, target, bound)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("dtype", "bound", "largest"), [(F32, 0.6, 87.0), (F64, 1.3, 700.0)])
def test_error_of_powers(dtype: DType, bound: float, largest: float, target: str) -> None:
    if dtype is F64 and not HAS_EXTENDED:
        pytest.skip("NumPy has no wider type than float64 here")
    random = np.random.default_rng(11)
    x = 10.0 ** random.uniform(-37, 38, SAMPLES)
    y = random.uniform(-largest, largest, SAMPLES) / np.log(x)  # results of every magnitude
    near_one = 1.0 + random.uniform(-1e-3, 1e-3, SAMPLES)
    bases = np.concatenate([x, near_one, random.uniform(0.1, 10.0, SAMPLES)])
    powers = np.concatenate([y, random.uniform(-1e4, 1e4, SAMPLES), random.uniform(-9, 9, SAMPLES)])
    check("pow", [bases.astype(dtype.numpy), powers.astype(dtype.numpy)], dtype, target, bound)


def special_values(dtype: DType) -> np.ndarray:
    values = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 1.5, -1.5, 80.0, -80.0]
    values += [math.inf, -math.inf, math.nan, -math.nan, 800.0, -800.0]
    if dtype in (F32, F64):
        info = np.finfo(dtype.numpy)
        for magnitude in (info.tiny, info.tiny / 4, info.smallest_subnormal, info.max):
            values += [float(magnitude), -float(magnitude)]
    return np.array(values).astype(dtype.numpy)


def assert_same(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Equal, zeros and infinities with their sign, or close."""
    a, b = found.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        close = np.abs(a - b) <= tolerance * np.abs(b)
    same = (a == b) & (np.signbit(a) == np.signbit(b))
    assert np.all(same | close | (np.isnan(a) & np.isnan(b)))


@pytest.mark.parametrize("dtype", [F64, F32, F16, BF16], ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_special_values_are_those_of_numpy(name: str, dtype: DType) -> None:
    check_special_values(name, dtype, MATH)


@pytest.mark.parametrize("dtype", [F64, F32, F16, BF16], ids=str)
@pytest.mark.parametrize("name", ["exp", "tanh", "erf"])
def test_special_values_of_the_fast_versions(name: str, dtype: DType) -> None:
    check_special_values(name, dtype, FAST_MATH)


def check_special_values(name: str, dtype: DType, table: Mapping[str, MathFunction]) -> None:
    x = special_values(dtype)
    if name in ("sin", "cos", "tan"):
        x = x[~(np.isfinite(x) & (np.abs(x.astype(np.float64)) > 1e5))]
    with np.errstate(all="ignore"):
        expected = FUNCTIONS[name].reference(x)
    result = BOOL if FUNCTIONS[name].gives_bool else dtype
    found = apply(table[name].emit, [x], dtype, result=result)
    if result is BOOL:
        np.testing.assert_array_equal(found, expected)
    else:
        assert_same(found, expected, {64: 1e-15, 32: 5e-7, 16: 2.0**-8}[dtype.bits])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_special_powers_are_those_of_numpy(dtype: DType, target: str) -> None:
    large = [2.0**24 + 1, 2.0**30, -(2.0**31), 1e30, -1e30, 2.0**53 - 1]
    values = np.concatenate([special_values(dtype), np.array(large).astype(dtype.numpy)])
    bases, powers = (grid.ravel().copy() for grid in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.power(bases, powers)
    found = apply(emit_named("pow"), [bases, powers], dtype, target=target)
    assert_same(found, expected, 3e-6 if dtype is F32 else 1e-14)


def test_denormal_results_and_arguments_are_kept() -> None:
    x = np.linspace(-104, -87, 1000).astype(np.float32)
    found = apply(emit_named("exp"), [x], F32)
    smallest = float(np.finfo(np.float32).smallest_subnormal)
    assert np.max(np.abs(found.astype(np.float64) - np.exp(x.astype(np.float64)))) <= smallest
    tiny = np.arange(1, 1000, dtype=np.uint32).view(np.float32)
    error = ulp_error(apply(emit_named("log"), [tiny], F32), np.log(tiny.astype(np.float64)))
    assert np.max(error) <= 1.0


def test_sine_of_huge_numbers_stays_bounded() -> None:
    x = (10.0 ** np.random.default_rng(3).uniform(5, 38, SAMPLES)).astype(np.float32)
    for name in ("sin", "cos"):
        assert np.all(np.abs(apply(emit_named(name), [x], F32)) <= 1.0)


@pytest.mark.parametrize("lanes", [1, 3, 16])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_any_number_of_lanes_gives_the_same(name: str, lanes: int) -> None:
    x = np.random.default_rng(5).uniform(0.1, 0.9, 48).astype(np.float32)
    args = [x, x[::-1].copy()][: FUNCTIONS[name].arity]
    result = BOOL if FUNCTIONS[name].gives_bool else F32
    found = apply(emit_named(name), args, F32, lanes, result)
    expected = apply(emit_named(name), args, F32, 8, result)
    np.testing.assert_allclose(found.astype(np.float64), expected, rtol=3e-7)


@pytest.mark.parametrize("dtype", [F32, F64, F16, BF16, I32, I64, U8], ids=str)
@pytest.mark.parametrize("lanes", [1, 3, 8, 16])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str, lanes: int, dtype: DType) -> None:
    random = np.random.default_rng(9)
    vector = (random.integers(1, 4, lanes) * 0.5).astype(dtype.numpy)
    if dtype.is_integer:
        vector = random.integers(1, 3, lanes).astype(dtype.numpy)
    found = reduce_once(name, vector, dtype)
    wide = FUNCTIONS[name].reference(vector.astype(np.float64))
    expected = np.asarray(wide, np.int64).astype(dtype.numpy) if dtype.is_integer else wide
    assert float(found) == pytest.approx(float(expected), rel=2.0**-8 if dtype.bits == 16 else 1e-6)


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("name", ["reduce_max", "reduce_min"])
def test_reductions_keep_nan_at_any_place(name: str, place: int) -> None:
    vector = np.arange(5, dtype=np.float32)
    vector[place] = np.nan
    assert np.isnan(reduce_once(name, vector, F32))


def reduce_once(name: str, vector: np.ndarray, dtype: DType) -> float:
    """The reduction of one vector: the scalar is stored in the first of `lanes` places."""
    lanes = vector.size

    def emit(builder: TextBuilder, args: list[str], dtype: DType, lanes: int) -> str:
        return builder.splat(MATH[name].emit(builder, args, dtype, lanes), dtype, lanes)

    return float(apply(emit, [vector], dtype, lanes)[0])


@pytest.mark.parametrize("lanes", [1, 3, 8])
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
@pytest.mark.parametrize(
    ("emit", "reference"), [(emit_maximum, "maximum"), (emit_minimum, "minimum")]
)
def test_extrema_keep_nan_of_either_side(
    emit: Callable[..., str], reference: str, dtype: DType, lanes: int
) -> None:
    values = np.array([-math.inf, -1.0, 0.0, 2.5, math.inf, math.nan], dtype.numpy)
    a, b = (grid.ravel().copy() for grid in np.meshgrid(values, values))

    def emit_general(builder: TextBuilder, args: list[str], dtype: DType, lanes: int) -> str:
        return emit(builder, *args, dtype, lanes)

    def emit_right_is_number(
        builder: TextBuilder, args: list[str], dtype: DType, lanes: int
    ) -> str:
        return emit(builder, *args, dtype, lanes, b_is_not_nan=True)

    expected = getattr(np, reference)(a, b)
    np.testing.assert_array_equal(apply(emit_general, [a, b], dtype, lanes), expected)
    number = ~np.isnan(b)
    found = apply(emit_right_is_number, [a[number], b[number]], dtype, lanes)
    np.testing.assert_array_equal(found, expected[number])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [F16, BF16], ids=str)
def test_narrow_floats_convert_as_numpy(dtype: DType, target: str) -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype.numpy)
    wide = apply(cast_to(dtype, F32), [every], dtype, 8, F32, target)
    expected = every.astype(np.float32)
    np.testing.assert_array_equal(wide, expected)
    np.testing.assert_array_equal(np.signbit(wide), np.signbit(expected))

    bits = expected.view(np.uint32)
    rounding = [bits + offset for offset in (0, 0x1000, 0x1001, 0x0FFF, 0x8000, 0x8001, 0x7FFF)]
    numbers = np.concatenate(rounding).view(np.float32)
    with np.errstate(all="ignore"):
        expected = numbers.astype(dtype.numpy).astype(np.float32)
    narrow = apply(cast_to(F32, dtype), [numbers], F32, 8, dtype, target)
    np.testing.assert_array_equal(narrow.astype(np.float32), expected)


def cast_to(source: DType, target: DType) -> Callable[..., str]:
    def emit(builder: TextBuilder, args: list[str], dtype: DType, lanes: int) -> str:
        return emit_float_cast(builder, args[0], source, target, lanes)

    return emit


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [F16, BF16], ids=str)
def test_arithmetic_on_narrow_floats_needs_no_library(dtype: DType, target: str) -> None:
    def emit(builder: TextBuilder, args: list[str], dtype: DType, lanes: int) -> str:
        text = f"<{lanes} x {'half' if dtype is F16 else 'bfloat'}>"
        return builder.op(f"fadd {text} {args[0]}, {args[0]}")

    x = np.linspace(-50, 50, 64).astype(dtype.numpy)
    np.testing.assert_array_equal(apply(emit, [x], dtype, 8, target=target), x + x)


def test_functions_refuse_integers() -> None:
    with pytest.raises(DtypeError) as caught:
        MATH["exp"].emit(TextBuilder(), ["%x"], I32, 8)
    assert str(caught.value) == "exp is not defined for i32"


@pytest.mark.parametrize("target", ["x86-64-v2", "x86-64-v3", "aarch64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_no_library_is_called(name: str, target: str) -> None:
    function = FUNCTIONS[name]
    result = BOOL if function.gives_bool else F32
    text = loop_text(emit_named(name), function.arity, F32, 5, result)
    assembly = to_assembly(text, resolve(target))
    calls = [line for line in assembly.splitlines() if re.search(r"^\s+(call\w*|bl|blr)\s", line)]
    assert calls == []
