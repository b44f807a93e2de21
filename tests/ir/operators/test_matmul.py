"""matmul."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.affine import linear_form
from mlc.ir.expr import Const, Var
from mlc.ir.rewrite import loads_of
from tests.ir.operators.harness import (
    check,
    infer,
    loop_names,
    loops_of,
    refusal,
    sample,
    tensor_type,
)

batches = st.sampled_from(
    [((), ()), ((2,), ()), ((), (2,)), ((3, 1), (2,)), ((1,), (4,)), ((0,), ())]
)


@settings(max_examples=40)
@given(
    batch=batches,
    sizes=st.tuples(st.integers(1, 4), st.integers(0, 4), st.integers(1, 4)),
    transpose_a=st.booleans(),
    transpose_b=st.booleans(),
    dtype=st.sampled_from(["float32", "float64", "int32"]),
)
def test_matmul(
    batch: tuple[tuple[int, ...], tuple[int, ...]],
    sizes: tuple[int, int, int],
    transpose_a: bool,
    transpose_b: bool,
    dtype: str,
) -> None:
    rng, (m, k, n) = np.random.default_rng(0), sizes
    a, b = sample(rng, (*batch[0], m, k), dtype), sample(rng, (*batch[1], k, n), dtype)
    (got,) = check(
        "matmul",
        a.swapaxes(-1, -2).copy() if transpose_a else a,
        b.swapaxes(-1, -2).copy() if transpose_b else b,
        atol=1e-5,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
    )
    np.testing.assert_allclose(got, a @ b, rtol=1e-5, atol=1e-5)


def test_loops_and_indices() -> None:
    types = [tensor_type("f32[1,3,4]"), tensor_type("f32[2,5,4]")]
    func = loops_of("matmul", types, transpose_b=True)
    assert loop_names(func) == ["p_z0", "p_z1", "p_z2", "p_i0", "p_i1", "p_i2", "p_r0"]
    _, left, right = loads_of(func.body)
    assert left.index == (Const(0), Var("p_i1"), Var("p_r0"))
    assert right.index == (Var("p_i0"), Var("p_i2"), Var("p_r0"))
    assert all(len(linear_form(part).terms) <= 1 for load in (left, right) for part in load.index)


def test_reference_rounds_once() -> None:
    a = np.full((1, 4096), 0.1, np.float32)
    (got,) = check("matmul", a, a.T.copy(), rtol=1e-4)
    assert got.dtype == np.float32


def test_symbolic_dimensions() -> None:
    assert infer("matmul", "f32[n,4]", "f32[4,5]") == "f32[n,5]"
    assert infer("matmul", "f32[b,k,n]", "f32[k,5]", transpose_a=True) == "f32[b,n,5]"


@pytest.mark.parametrize(
    ("message", "types"),
    [
        (
            "ShapeError: matmul: f32[2,3] and f32[4,5] contract dimensions 3 and 4",
            ["f32[2,3]", "f32[4,5]"],
        ),
        ("ShapeError: matmul: input f32[3] needs at least 2 axes", ["f32[3]", "f32[3,5]"]),
        (
            "ShapeError: matmul: shapes [2] and [3] do not broadcast",
            ["f32[2,4,3]", "f32[3,3,5]"],
        ),
        (
            "DtypeError: matmul: inputs differ in element type: f32, f64",
            ["f32[2,3]", "f64[3,5]"],
        ),
        ("DtypeError: matmul: element type bool, expected number", ["bool[2,3]", "bool[3,5]"]),
    ],
)
def test_refusals(message: str, types: list[str]) -> None:
    assert refusal("matmul", *types) == message
