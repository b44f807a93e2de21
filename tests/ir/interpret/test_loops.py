from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlc.errors import VerifyError
from mlc.ir.dtype import BOOL, DTYPES, F32, F64, I8, I32, I64, U8, DType
from mlc.ir.expr import (
    Binary,
    Broadcast,
    Call,
    Cast,
    Const,
    Load,
    Ramp,
    Select,
    Shuffle,
    Unary,
    Var,
)
from mlc.ir.interpret import run_func, run_prepared
from mlc.ir.stmt import Alloc, Buffer, For, Func, If, Store, seq
from mlc.ir.text import parse_func
from tests.strategies import arguments_for, programs

COMPUTED = [dtype for dtype in DTYPES.values() if not dtype.is_storage]
NUMBERS = [dtype for dtype in COMPUTED if dtype.kind != "bool"]


def arrays(dtype: DType) -> st.SearchStrategy:
    if dtype.name == "bf16":
        return arrays(F32).map(lambda array: array.astype(ml_dtypes.bfloat16))
    return hnp.arrays(dtype.numpy, 8)


def comparable(array: np.ndarray) -> np.ndarray:
    """The same values in a type that NumPy's assertions know to have NaN."""
    return array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array


def both_ways(dtype: DType, result: DType, count: int, make) -> Func:
    """Write `make(elements…)` of `count` inputs to `s` one by one, and to `v` as one vector."""
    inputs = [Buffer.dense(f"x{n}", (8,), dtype) for n in range(count)]
    s, v = Buffer.dense("s", (8,), result), Buffer.dense("v", (8,), result)
    i, ramp = Var("i"), Ramp(Const(0), Const(1), 8)
    scalar = For("i", Const(8), "serial", Store(s, (i,), make(*[Load(x, (i,)) for x in inputs])))
    vector = Store(v, (ramp,), make(*[Load(x, (ramp,)) for x in inputs]))
    return Func("both", (*inputs, s, v), seq([scalar, vector]))


def run_both(dtype: DType, result: DType, values, make) -> np.ndarray:
    s, v = np.empty(8, result.numpy), np.empty(8, result.numpy)
    run_func(both_ways(dtype, result, len(values), make), [*values, s, v])
    np.testing.assert_array_equal(comparable(s), comparable(v))
    return s


OPERATORS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "lt": np.less,
    "ge": np.greater_equal,
    "ne": np.not_equal,
}


@pytest.mark.parametrize("op", OPERATORS)
@given(data=st.data())
def test_arithmetic_is_that_of_numpy(op: str, data) -> None:
    dtype = data.draw(st.sampled_from(NUMBERS))
    a, b = data.draw(arrays(dtype)), data.draw(arrays(dtype))
    with np.errstate(all="ignore"):
        expected = OPERATORS[op](a, b)
    result = BOOL if expected.dtype == np.bool_ else dtype
    got = run_both(dtype, result, [a, b], lambda x, y: Binary(op, x, y))
    np.testing.assert_array_equal(comparable(got), comparable(expected))


@pytest.mark.parametrize("dtype", [I8, I32, I64, U8], ids=str)
@given(data=st.data())
def test_integer_division_and_remainders(dtype: DType, data) -> None:
    a, b = data.draw(arrays(dtype)), data.draw(arrays(dtype))
    b[b == 0] = 1
    exact = [(int(x), int(y)) for x, y in zip(a, b, strict=True)]

    def check(op: str, function) -> None:
        # Out-of-range quotients (the least number by −1) wrap around.
        expected = np.array([function(x, y) for x, y in exact], object).astype(np.int64)
        got = run_both(dtype, dtype, [a, b], lambda x, y: Binary(op, x, y))
        np.testing.assert_array_equal(got, expected.astype(dtype.numpy))

    def wrapped(value: int) -> int:
        return (value + 2**63) % 2**64 - 2**63

    check("floordiv", lambda x, y: wrapped(x // y))
    check("mod", lambda x, y: x % y)
    check("div", lambda x, y: wrapped(int(np.sign(x) * np.sign(y)) * (abs(x) // abs(y))))
    check("rem", lambda x, y: int(np.sign(x)) * (abs(x) % abs(y)))


@pytest.mark.parametrize("source", COMPUTED, ids=str)
@pytest.mark.parametrize("target", COMPUTED, ids=str)
def test_casts(source: DType, target: DType) -> None:
    values = np.array([0, 1, 2, 3, 100, 7, 0, 1]).astype(source.numpy)
    got = run_both(source, target, [values], lambda x: Cast(x, target))
    np.testing.assert_array_equal(got, values.astype(target.numpy))


def test_casts_truncate_and_wrap() -> None:
    values = np.array([1.9, -1.9, 0.5, -0.5, 3, 0, 127, -128], np.float32)
    got = run_both(F32, I8, [values], lambda x: Cast(x, I8))
    np.testing.assert_array_equal(got, [1, -1, 0, 0, 3, 0, 127, -128])
    wide = np.array([128, 255, 256, -1, -129, 0, 1, 300], np.int32)
    got = run_both(I32, I8, [wide], lambda x: Cast(x, I8))
    np.testing.assert_array_equal(got, [-128, -1, 0, -1, 127, 0, 1, 44])


@given(arrays(F32), arrays(F32))
def test_shuffles_selects_and_reductions(a, b) -> None:
    x, y = Buffer.dense("x", (8,), F32), Buffer.dense("y", (8,), F32)
    all_lanes = Ramp(Const(0), Const(1), 8)
    picked = Shuffle((Load(x, (all_lanes,)), Load(y, (all_lanes,))), (15, 0, 8, 7, 1, 9, 2, 10))
    larger = Binary("lt", Load(x, (all_lanes,)), Load(y, (all_lanes,)))
    out, most = Buffer.dense("out", (2, 8), F32), Buffer.dense("most", (), F32)
    body = seq(
        [
            Store(out, (Const(0), all_lanes), picked),
            Store(
                out,
                (Const(1), all_lanes),
                Select(larger, Load(y, (all_lanes,)), Broadcast(Const(2.0, F32), 8)),
            ),
            Store(most, (), Call("reduce_max", (Load(x, (all_lanes,)),), F32)),
        ]
    )
    arrays = {"x": a, "y": b, "out": np.empty((2, 8), np.float32), "most": np.empty((), np.float32)}
    run_func(Func("f", (x, y, out, most), body), arrays)
    np.testing.assert_array_equal(
        arrays["out"][0], np.concatenate([a, b])[[15, 0, 8, 7, 1, 9, 2, 10]]
    )
    np.testing.assert_array_equal(arrays["out"][1], np.where(a < b, b, np.float32(2)))
    np.testing.assert_array_equal(arrays["most"], a.max())


def test_every_operation_rounds_to_its_type() -> None:
    a, b = np.float32(16777216), np.float32(1)
    values = [np.full(8, a), np.full(8, b)]
    got = run_both(
        F32, F32, values, lambda x, y: Binary("sub", Binary("add", Binary("add", x, y), y), x)
    )
    np.testing.assert_array_equal(got, np.zeros(8))
    got = run_both(
        F64,
        F64,
        [v.astype(np.float64) for v in values],
        lambda x, y: Binary("sub", Binary("add", x, y), x),
    )
    np.testing.assert_array_equal(got, np.ones(8))


def test_unary_operators() -> None:
    values = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, np.inf, np.nan], np.float32)
    for op, reference in {
        "round": np.rint,
        "floor": np.floor,
        "trunc": np.trunc,
        "abs": np.abs,
    }.items():
        got = run_both(F32, F32, [values], lambda x, op=op: Unary(op, x))
        np.testing.assert_array_equal(got, reference(values))


MATMUL = """
func matmul(a: f32[3,5] strides[1,3], b: f32[5,2], c: f32[3,2] strides[4,2]) {
  for z0 in 3 { for z1 in 2 { c[z0, z1] = 0.0:f32 } }
  for parallel i in 3 { for vector j in 2 { for k in 5 { c[i, j] = c[i, j] + a[i, k] * b[k, j] } } }
}"""


def test_strided_arrays_are_written_in_place() -> None:
    func = parse_func(MATMUL)
    arrays = arguments_for(func)
    run_func(func, arrays)
    np.testing.assert_array_equal(arrays["c"], arrays["a"] @ arrays["b"])
    assert arrays["c"].strides == (16, 8)


def test_scalar_select_reads_only_the_arm_taken() -> None:
    func = parse_func(
        "func f(x: f32[4], y: f32[6]) { for i in 6 { y[i] = select(i < 4, x[i], -1.0:f32) } }"
    )
    y = np.empty(6, np.float32)
    run_func(func, [np.arange(4, dtype=np.float32), y])
    np.testing.assert_array_equal(y, [0, 1, 2, 3, -1, -1])


def test_allocations_start_undefined_each_time() -> None:
    t, y, i = Buffer.dense("t", (), F32, "stack"), Buffer.dense("y", (3,), F32), Var("i")
    write = If(Binary("eq", i, Const(1)), Store(t, (), Const(5.0, F32)))
    func = Func(
        "f", (y,), For("i", Const(3), "serial", Alloc(t, seq([write, Store(y, (i,), Load(t, ()))])))
    )
    out = np.zeros(3, np.float32)
    run_func(func, [out])
    np.testing.assert_array_equal(out, [np.nan, 5, np.nan])


def test_prefetches_do_nothing_wherever_they_point() -> None:
    x = np.arange(4, dtype=np.float32)
    run_func(parse_func("func f(x: f32[4]) { for i in 9 { prefetch x[i * 1000 - 1] } }"), [x])
    np.testing.assert_array_equal(x, np.arange(4))


def test_prepare_functions_run_first() -> None:
    func = parse_func(
        """
        func f(packed: f32[2,2] constant, y: f32[2,2]) {
          prepare pack(w: f32[2,2] constant, packed: f32[2,2] constant) {
            for p in 2 { for q in 2 { packed[q, p] = w[p, q] } }
          }
          for i in 2 { for j in 2 { y[i, j] = packed[i, j] } }
        }"""
    )
    w, y = np.arange(4, dtype=np.float32).reshape(2, 2), np.empty((2, 2), np.float32)
    run_prepared(func, {"w": w, "y": y})
    np.testing.assert_array_equal(y, w.T)


@given(programs(), st.integers(0, 3))
def test_programs_run_and_define_all_of_their_result(func: Func, seed: int) -> None:
    arrays = arguments_for(func, seed)
    if arrays["y"].dtype == np.float32:
        arrays["y"].fill(np.nan)
    run_func(func, arrays)
    assert not np.isnan(arrays["y"]).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "func f(x: f32[2,4]) { for i in 2 { for j in 5 { x[i, j] = 0.0:f32 } } }",
            "store to 'x' at [0, 4] is outside its shape [2, 4]\n  at: iteration i = 0, j = 4",
        ),
        (
            "func f(x: f32[4]) { for i in 4 { x[i] = x[i - 1] } }",
            "load of 'x' at [-1] is outside its shape [4]\n  at: iteration i = 0",
        ),
        (
            "func f(x: f32[4]) { x[ramp(1, 1, 4)] = broadcast(0.0:f32, 4) }",
            "store to 'x' at [[1 2 3 4]] is outside its shape [4]",
        ),
        (
            "func f(x: f32[2,2,2]) { x[0, -1, 0] = 0.0:f32 }",
            "store to 'x' at [0, -1, 0] is outside its shape [2, 2, 2]",
        ),
        ("func f(x: i32[4]) { for i in 4 { x[i] = 1:i32 // x[i] } }", "integer division by zero"),
        (
            "func f(x: f32[4]) { x[i] = 0.0:f32 }",
            "variable 'i' is used outside the loop that binds it",
        ),
    ],
)
def test_refused(text: str, message: str) -> None:
    func = parse_func(text)
    arrays = [np.zeros(buffer.shape, buffer.dtype.numpy) for buffer in func.params]
    with pytest.raises(VerifyError) as caught:
        run_func(func, arrays)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "matmul takes 3 arrays, 0 were given"),
        ({}, "matmul needs an array for 'a'"),
        (
            [np.zeros((3, 4), np.float32)] * 3,
            "'a' of matmul is f32[3, 5], the array given is float32[3, 4]",
        ),
    ],
)
def test_arguments_that_do_not_fit(arguments, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        run_func(parse_func(MATMUL), arguments)
    assert str(caught.value) == message
