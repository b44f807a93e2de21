"""Unary, binary and ternary elementwise operators."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.dtype import BF16, BOOL, F16, F32, I32, U8
from mlc.ir.expr import Binary, Const, Select, Var
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.ir.rewrite import walk_exprs
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

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5, 0.5, 1e-3, 30, -30], np.float32)

ONNX_UNARY = {
    "neg": "Neg",
    "abs": "Abs",
    "sqrt": "Sqrt",
    "exp": "Exp",
    "log": "Log",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "erf": "Erf",
    "floor": "Floor",
    "ceil": "Ceil",
    "round": "Round",
    "sign": "Sign",
    "reciprocal": "Reciprocal",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "asin": "Asin",
    "acos": "Acos",
    "atan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "asinh": "Asinh",
    "acosh": "Acosh",
    "atanh": "Atanh",
    "relu": "Relu",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "leaky_relu": "LeakyRelu",
    "elu": "Elu",
    "hard_sigmoid": "HardSigmoid",
    "hard_swish": "HardSwish",
    "gelu": "Gelu",
    "isnan": "IsNaN",
    "isinf": "IsInf",
    "identity": "Identity",
}

BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "rem": np.fmod,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
}


@pytest.mark.parametrize("op", ONNX_UNARY)
def test_unary_matches_onnxruntime(op: str) -> None:
    x = np.random.default_rng(0).uniform(-4, 4, (5, 7)).astype(np.float32)
    (got,) = check(op, x, atol=1e-6)
    (peer,) = onnx_node(ONNX_UNARY[op], [x], opset=20)
    np.testing.assert_allclose(got.astype(np.float64), peer, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("op", ONNX_UNARY)
def test_unary_loops_agree_on_special_values(op: str) -> None:
    check(op, SPECIAL, atol=1e-6)


@pytest.mark.parametrize("op", ["relu", "clip", "sign", "leaky_relu", "elu", "gelu", "softplus"])
def test_nan_passes_through(op: str) -> None:
    (got,) = check(op, np.array([np.nan], np.float32))
    assert np.isnan(got[0])


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("leaky_relu", {"alpha": 0.3}),
        ("elu", {"alpha": 2.5}),
        ("hard_sigmoid", {"alpha": 0.4, "beta": 0.1}),
        ("gelu", {"approximate": "tanh"}),
        ("clip", {"min": -0.5, "max": 0.25}),
        ("clip", {"min": 0.0}),
        ("clip", {"max": 6.0}),
    ],
)
def test_unary_attributes(op: str, attrs: dict[str, float]) -> None:
    check(op, sample(np.random.default_rng(1), (4, 6)), atol=1e-6, **attrs)


def test_clip_gives_the_bounds() -> None:
    x = np.array([-3, -1, 0, 2, 9], np.float32)
    (got,) = check("clip", x, min=-1.0, max=2.0)
    np.testing.assert_array_equal(got, [-1, -1, 0, 2, 2])


@pytest.mark.parametrize(
    ("low", "high", "want"),
    [(-1.5, 2.5, [-1, -1, 0, 2, 2]), (-math.inf, 1e30, [-128, -1, 0, 2, 127])],
)
def test_clip_of_integers_rounds_bounds_inwards(low: float, high: float, want: list[int]) -> None:
    (got,) = check("clip", np.array([-128, -1, 0, 2, 127], np.int8), min=low, max=high)
    np.testing.assert_array_equal(got, want)


def test_clip_without_a_bound_does_nothing_for_it() -> None:
    func = loops_of("clip", [tensor_type("f32[4]")], min=0.0)
    assert [e.op for e in walk_exprs(func.body) if isinstance(e, Binary)] == ["max"]


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64"])
def test_bitwise_not(dtype: str) -> None:
    x = np.array([0, 1, 7, 100], dtype)
    (got,) = check("bitwise_not", x)
    np.testing.assert_array_equal(got, ~x)


@pytest.mark.parametrize("to", [F32, I32, U8, BOOL, F16, BF16])
def test_cast(to: object) -> None:
    x = np.array([-0.0, 0.5, 1.5, 2.75, 100.25], np.float32)
    (got,) = check("cast", x, to=to)
    np.testing.assert_array_equal(got, x.astype(to.numpy))


def test_half_precision_is_rounded_once() -> None:
    x = np.linspace(-3, 3, 50).astype(np.float16)
    (got,) = OPERATORS["gelu"].reference([x], {})
    (want,) = OPERATORS["gelu"].reference([x.astype(np.float64)], {})
    np.testing.assert_array_equal(got, want.astype(np.float16))


shapes = st.sampled_from(
    [((3, 4), (3, 4)), ((2, 1, 4), (3, 1)), ((5,), ()), ((1,), (2, 3)), ((0, 2), (2,))]
)


@settings(max_examples=60)
@given(
    op=st.sampled_from(sorted(BINARY)),
    dtype=st.sampled_from(["float32", "float64", "int32", "uint8", "int64"]),
    pair=shapes,
    seed=st.integers(0, 99),
)
def test_binary_broadcasts_as_numpy(
    op: str, dtype: str, pair: tuple[tuple[int, ...], tuple[int, ...]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = (sample(rng, shape, dtype) for shape in pair)
    if op == "rem":
        b = np.where(b == 0, b.dtype.type(3), b)
    (got,) = check(op, a, b)
    np.testing.assert_array_equal(got, BINARY[op](a, b))


@pytest.mark.parametrize("op", ["max", "min"])
def test_extrema_propagate_nan_of_either_side(op: str) -> None:
    a = np.array([np.nan, 1, 2], np.float32)
    (got,) = check(op, a, a[::-1].copy())
    np.testing.assert_array_equal(np.isnan(got), [True, False, True])


def test_integer_division_truncates() -> None:
    a, b = np.array([7, -7, 7, -7, 6], np.int32), np.array([2, 2, -2, -2, 3], np.int32)
    np.testing.assert_array_equal(check("div", a, b)[0], [3, -3, -3, 3, 2])
    np.testing.assert_array_equal(check("rem", a, b)[0], [1, -1, 1, -1, 0])
    np.testing.assert_array_equal(check("mod", a, b)[0], [1, 1, -1, -1, 0])


def test_float_remainders_take_the_sign_of_one_side() -> None:
    a = np.array([5.5, -5.5, 5.5, -5.5, 4, np.nan], np.float32)
    b = np.array([2, 2, -2, -2, 2, 1], np.float32)
    np.testing.assert_array_equal(check("mod", a, b)[0], np.mod(a, b))
    np.testing.assert_array_equal(check("rem", a, b)[0], np.fmod(a, b))


def test_division_of_floats_by_zero_is_not_an_error() -> None:
    a, b = np.array([1, -1, 0], np.float32), np.zeros(3, np.float32)
    np.testing.assert_array_equal(check("div", a, b)[0], [np.inf, -np.inf, np.nan])


def test_pow() -> None:
    a = np.array([2, 3, 0.5, 9], np.float32)
    np.testing.assert_allclose(check("pow", a, np.float32(0.5).reshape(()))[0], np.sqrt(a))
    np.testing.assert_array_equal(
        check("pow", np.array([2, -3], np.int64), np.array([10, 3], np.int64))[0], [1024, -27]
    )


@pytest.mark.parametrize("op", ["and", "or", "xor"])
def test_logic(op: str) -> None:
    a, b = np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 1], bool)
    (got,) = check(op, a, b)
    np.testing.assert_array_equal(got, getattr(np, f"logical_{op}")(a, b))
    ints = np.array([12, 10, 255, 0], np.uint8)
    check(f"bitwise_{op}", ints, ints[::-1].copy())


def test_shifts() -> None:
    a, b = np.array([1, 200, 255], np.uint8), np.array([3, 1, 7], np.uint8)
    np.testing.assert_array_equal(check("shift_left", a, b)[0], [8, 144, 128])
    np.testing.assert_array_equal(check("shift_right", a, b)[0], [0, 100, 1])


def test_prelu_and_select() -> None:
    x, slope = np.array([[-2, 2], [np.nan, -1]], np.float32), np.array([[0.5], [3]], np.float32)
    np.testing.assert_array_equal(check("prelu", x, slope)[0], [[-1, 2], [np.nan, -3]])
    (got,) = check("select", x > 0, x, np.float32(7).reshape(()))
    np.testing.assert_array_equal(got, [[7, 2], [7, 7]])


def test_one_nest_over_the_output() -> None:
    func = loops_of("add", [tensor_type("f32[2,1,4]"), tensor_type("f32[3,4]")])
    assert loop_names(func) == ["p_i0", "p_i1", "p_i2"]
    store = func.body.body.body.body
    assert store.value.left.index == (Var("p_i0"), Const(0), Var("p_i2"))
    assert store.value.right.index == (Var("p_i1"), Var("p_i2"))


def test_relu_is_one_maximum() -> None:
    func = loops_of("relu", [tensor_type("f32[4]")])
    assert func.body.body.value.op == "max"
    assert not any(isinstance(expr, Select) for expr in walk_exprs(func.body))


def test_every_unary_and_binary_is_of_the_elementwise_kind() -> None:
    assert all(OPERATORS[op].kind is Kind.ELEMENTWISE for op in (*ONNX_UNARY, *BINARY, "select"))


def test_symbolic_dimensions() -> None:
    assert infer("exp", "f32[n,3]") == "f32[n,3]"
    assert infer("add", "f32[n,3]", "f32[n,1]") == "f32[n,3]"
    assert infer("less", "f32[1,3]", "f32[n,3]") == "bool[n,3]"


@pytest.mark.parametrize(
    ("message", "op", "types"),
    [
        ("DtypeError: exp: element type i32, expected float", "exp", ["i32[2]"]),
        (
            "DtypeError: add: element type bool, expected number",
            "add",
            ["bool[2]"] * 2,
        ),
        ("DtypeError: and: element type f32, expected bool", "and", ["f32[2]"] * 2),
        (
            "DtypeError: shift_left: element type f32, expected integer",
            "shift_left",
            ["f32[2]"] * 2,
        ),
        ("DtypeError: add: inputs differ in element type: f32, i64", "add", ["f32[2]", "i64[2]"]),
        ("ShapeError: add: shapes [2,3] and [2] do not broadcast", "add", ["f32[2,3]", "f32[2]"]),
        ("ShapeError: mul: shapes [n] and [3] do not broadcast", "mul", ["f32[n]", "f32[3]"]),
        ("VerifyError: add: 1 inputs, expected 2", "add", ["f32[2]"]),
        (
            "DtypeError: select: the condition must be bool, not f32",
            "select",
            ["f32[2]", "f32[2]", "f32[2]"],
        ),
        ("VerifyError: cast: attribute to is missing", "cast", ["f32[2]"]),
    ],
)
def test_refusals(message: str, op: str, types: list[str]) -> None:
    assert refusal(op, *types) == message


def test_wrong_attributes_are_refused() -> None:
    assert refusal("cast", "f32[2]", to="f16") == (
        "VerifyError: cast: attribute to must be an element type, not 'f16'"
    )
