"""The oracle agrees with the operators' NumPy references, and tells right from wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.autotune.measure import oracle
from mlc.autotune.measure.arguments import random_arguments
from mlc.autotune.measure.oracle import difference, expected_results, widened
from mlc.autotune.task import plain_func
from mlc.ir.dtype import BF16, F16, F32, F64, I32
from mlc.ir.operators import OPERATORS
from mlc.ir.rewrite import stores_of
from mlc.ir.stmt import Func
from mlc.ir.text import parse_func, print_func
from tests.autotune.kernels import PLAIN
from tests.backends.grouping import lowered
from tests.strategies.operators import operator_cases

Array = np.ndarray[Any, np.dtype[Any]]
_OPERATORS = ("conv", "matmul", "softmax", "cast", "gather", "max_pool", "div", "concat")


def judged(data: st.DataObject, op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = data.draw(lowered(operator_cases(op)))
    monkeypatch.setattr(oracle, "random_arguments", lambda func, seed: kernel.inputs)
    found = expected_results(print_func(plain_func(kernel.group.func)), 0)
    dtypes = {buffer.name: buffer.dtype for buffer in kernel.group.func.params}
    assert len(found) == len(kernel.case.expected)
    for number, wanted in enumerate(kernel.case.expected):
        name = f"out{number}"
        wide = wanted.astype(np.float64) if dtypes[name].is_float else wanted
        rounded = found[name].astype(wanted.dtype)
        assert difference(rounded, wide, dtypes[name], exact=True) is None


@pytest.mark.parametrize("op", _OPERATORS)
@settings(max_examples=3, derandomize=True)
@given(data=st.data())
def test_operators(op: str, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        judged(data, op, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=10)
@given(data=st.data())
def test_every_operator(op: str, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        judged(data, op, monkeypatch)


def test_against_numpy() -> None:
    found = expected_results(print_func(PLAIN), 3)
    given = random_arguments(PLAIN, 3)
    wanted = np.exp(given["in0"].astype(np.float64)) * given["in1"].astype(np.float64)
    assert list(found) == ["out0"]
    assert found["out0"].dtype == np.float64
    np.testing.assert_allclose(found["out0"], wanted, 1e-14)


def test_floats_that_become_integers_are_not_widened() -> None:
    func = parse_func("""
func kernel(in0: f32[64], out0: i32[64], out1: f32[64]) {
  for i in 64 {
    out0[i] = cast<i32>(floor(in0[i] * 16777216.0:f32 + 0.5:f32))
    out1[i] = in0[i]
  }
}""")
    found = expected_results(print_func(func), 0)
    given = random_arguments(func, 0)["in0"]
    scaled = given * np.float32(2**24) + np.float32(0.5)
    np.testing.assert_array_equal(found["out0"], np.floor(scaled).astype(np.int32))
    assert found["out1"].dtype == np.float64
    np.testing.assert_array_equal(found["out1"], given)


def test_widening_changes_nothing_but_types() -> None:
    wide = widened(PLAIN)
    assert {buffer.dtype for buffer in wide.params} == {F64}
    assert print_func(wide).replace("f64", "f32") == print_func(PLAIN)
    assert widened(wide) == wide


ONES = np.ones(4)


@pytest.mark.parametrize(
    ("found", "expected", "message"),
    [
        (ONES, ONES, None),
        (ONES * [1, 1, 1, 1 + 2e-6], ONES, None),
        (
            ONES * [1, 1, 1, 1 + 1e-4],
            ONES,
            "1 of 4 elements are off, by up to 0.0001 where 7.63e-06 is allowed",
        ),
        (ONES * [1, 0, 0, 1], ONES * [1, 1e-9, 0, 1], None),
        (ONES * np.nan, ONES, "4 of 4 elements are off, by up to inf where 7.63e-06 is allowed"),
        (ONES * np.nan, ONES * np.nan, None),
        (ONES * np.inf, ONES * np.inf, None),
        (ONES, ONES * np.inf, "4 of 4 elements are off, by up to inf where 0 is allowed"),
    ],
)
def test_differences(found: Array, expected: Array, message: str | None) -> None:
    assert difference(found.astype(np.float32), expected, F32, exact=True) == message


def test_whole_numbers_must_be_equal() -> None:
    expected = np.arange(6, dtype=np.int32)
    assert difference(expected, expected, I32, exact=False) is None
    assert difference(expected + 1, expected, I32, exact=False) == "6 of 6 elements differ"


def test_winograd_may_round_more_than_plain_sums() -> None:
    found, wanted = (ONES * (1 + 5e-5)).astype(np.float32), ONES
    assert difference(found, wanted, F32, exact=False) is None
    assert difference(found, wanted, F32, exact=True) is not None


@pytest.mark.parametrize("dtype", [F16, BF16, F64])
def test_the_narrower_the_type_the_more_it_may_be_off(dtype: Any) -> None:
    step = float(2.0 ** {"f16": -10, "bf16": -7, "f64": -52}[dtype.name])
    found = (ONES * (1 + 32 * step)).astype(dtype.numpy)
    assert difference(found, ONES, dtype, exact=True) is None
    assert difference((ONES * (1 + 128 * step)).astype(dtype.numpy), ONES, dtype, True) is not None


GATHER = parse_func("""
func kernel(in0: f32[7,4], in1: i64[5], in2: bool[5], out0: f32[5,4]) {
  for i in 5 {
    for j in 4 {
      out0[i, j] = select(in2[i], in0[in1[i], j], 0.0:f32)
    }
  }
}""")


def test_integers_are_valid_indices() -> None:
    made = random_arguments(GATHER, 0)
    assert set(made) == {"in0", "in1", "in2"} == {b.name for b in GATHER.params} - _written(GATHER)
    assert made["in1"].dtype == np.int64
    assert made["in1"].min() >= 1
    assert made["in1"].max() <= 6
    assert made["in2"].dtype == np.bool_
    assert -1 <= made["in0"].min() < 0 < made["in0"].max() < 1


def test_the_only_valid_index_is_zero() -> None:
    text = print_func(GATHER).replace("[7,4]", "[1,4]")
    assert not random_arguments(parse_func(text), 0)["in1"].any()


def test_arguments_depend_on_the_seed_alone() -> None:
    first, again, other = (random_arguments(PLAIN, seed) for seed in (0, 0, 1))
    renamed = random_arguments(replace(PLAIN, name="other"), 0)
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
        np.testing.assert_array_equal(array, renamed[name])
        assert (array != other[name]).any()


def _written(func: Func) -> set[str]:
    return {store.buffer.name for store in stores_of(func.body)}
