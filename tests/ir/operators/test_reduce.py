"""Reductions, arg_max and arg_min, cumsum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.build import variables
from mlc.ir.operators.reduce import join_axes
from tests.ir.operators.harness import (
    check,
    infer,
    loop_names,
    loops_of,
    refusal,
    sample,
    tensor_type,
)

axes_strategy = st.sets(st.integers(0, 2)).map(lambda axes: tuple(sorted(axes)))


@settings(max_examples=60)
@given(
    op=st.sampled_from(["sum", "prod", "max", "min", "mean"]),
    axes=axes_strategy,
    keepdims=st.booleans(),
    dtype=st.sampled_from(["float32", "int32", "int64"]),
    seed=st.integers(0, 99),
)
def test_reductions(op: str, axes: tuple[int, ...], keepdims: bool, dtype: str, seed: int) -> None:
    x = sample(np.random.default_rng(seed), (2, 3, 4), dtype)
    (got,) = check(f"reduce_{op}", x, atol=1e-5, axes=axes, keepdims=keepdims)
    options = {"axis": axes, "keepdims": keepdims}
    if dtype == "float32":
        want = getattr(np, op)(x.astype(np.float64), **options)
    elif op == "prod":
        want = np.prod(x, dtype=x.dtype, **options)
    else:
        want = np.trunc(getattr(np, op)(x.astype(np.float64), **options))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_integers_wrap_in_their_own_type() -> None:
    (got,) = check("reduce_sum", np.full(300, 100, np.int8), axes=(0,))
    assert got == np.int8(30000 % 256 - 256 * (30000 % 256 > 127))


@pytest.mark.parametrize("op", ["max", "min"])
def test_extrema_propagate_nan_and_infinity(op: str) -> None:
    x = np.array([[1, np.nan, 2], [np.inf, -np.inf, 0]], np.float32)
    (got,) = check(f"reduce_{op}", x, axes=(1,))
    np.testing.assert_array_equal(got, getattr(np, op)(x, axis=1))


def test_sums_of_nothing() -> None:
    x = np.zeros((2, 0), np.float32)
    np.testing.assert_array_equal(check("reduce_sum", x, axes=(1,))[0], [0, 0])
    np.testing.assert_array_equal(check("reduce_prod", x, axes=(1,))[0], [1, 1])


def test_nests_of_a_reduction() -> None:
    func = loops_of("reduce_mean", [tensor_type("f32[2,3,4]")], axes=(1,), keepdims=False)
    first = ["p_z0", "p_z1"]
    assert loop_names(func) == [*first, "p_i0", "p_i1", "p_r0", "p_f0", "p_f1"]


def test_join_axes_with_and_without_kept_dimensions() -> None:
    i, r = variables("i", 3), variables("r", 2)
    assert join_axes(i, r, (0, 2), True) == (r[0], i[1], r[1])
    assert join_axes(i[:1], r, (0, 2), False) == (r[0], i[0], r[1])


@settings(max_examples=60)
@given(
    op=st.sampled_from(["arg_max", "arg_min"]),
    axis=st.integers(0, 2),
    keepdims=st.booleans(),
    last=st.booleans(),
    dtype=st.sampled_from(["float32", "int8"]),
    seed=st.integers(0, 99),
)
def test_arg_extrema_with_ties(
    op: str, axis: int, keepdims: bool, last: bool, dtype: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 2, (3, 4, 3)).astype(dtype)
    (got,) = check(op, x, axis=axis, keepdims=keepdims, last=last)
    best = (np.max if op == "arg_max" else np.min)(x, axis=axis, keepdims=True)
    position = np.arange(x.shape[axis]).reshape([-1 if k == axis else 1 for k in range(3)])
    if last:
        want = np.max(np.where(x == best, position, -1), axis=axis, keepdims=keepdims)
    else:
        want = np.min(np.where(x == best, position, 99), axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("last", "want"), [(False, 1), (True, 3)])
@pytest.mark.parametrize("op", ["arg_max", "arg_min"])
def test_arg_extrema_prefer_nan(op: str, last: bool, want: int) -> None:
    x = np.array([5, np.nan, 7, np.nan, -9], np.float32)
    assert check(op, x, axis=0, keepdims=False, last=last)[0] == want


@pytest.mark.parametrize(("op", "value"), [("arg_max", -np.inf), ("arg_min", np.inf)])
def test_arg_extrema_of_what_the_search_starts_from(op: str, value: float) -> None:
    x = np.full(3, value, np.float32)
    assert check(op, x, axis=0, last=False)[0] == 0
    assert check(op, x, axis=0, last=True)[0] == 2


@settings(max_examples=40)
@given(
    axis=st.integers(0, 2),
    exclusive=st.booleans(),
    reverse=st.booleans(),
    shape=st.sampled_from([(2, 3, 4), (1, 1, 1), (2, 0, 3)]),
    dtype=st.sampled_from(["float32", "int64"]),
)
def test_cumsum(
    axis: int, exclusive: bool, reverse: bool, shape: tuple[int, ...], dtype: str
) -> None:
    x = sample(np.random.default_rng(0), shape, dtype)
    (got,) = check("cumsum", x, atol=1e-6, axis=axis, exclusive=exclusive, reverse=reverse)
    turned = np.flip(x, axis) if reverse else x
    total = np.cumsum(turned.astype(np.float64), axis) - (turned if exclusive else 0)
    want = np.flip(total, axis) if reverse else total
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@settings(max_examples=20)
@given(
    axis=st.integers(0, 1),
    exclusive=st.booleans(),
    reverse=st.booleans(),
    dtype=st.sampled_from(["float32", "int32"]),
)
def test_cumprod(axis: int, exclusive: bool, reverse: bool, dtype: str) -> None:
    x = sample(np.random.default_rng(0), (3, 4), dtype)
    (got,) = check("cumprod", x, axis=axis, exclusive=exclusive, reverse=reverse)
    lines = np.moveaxis(x, axis, -1)
    want = np.ones(lines.shape)
    for place in range(lines.shape[-1]):
        before = slice(0, place) if exclusive else slice(0, place + 1)
        behind = slice(place + 1, None) if exclusive else slice(place, None)
        want[..., place] = lines[..., behind if reverse else before].prod(axis=-1)
    np.testing.assert_allclose(np.moveaxis(got, axis, -1), want, rtol=1e-5)


def test_symbolic_dimensions() -> None:
    assert infer("reduce_sum", "f32[n,3,m]", axes=(1,), keepdims=True) == "f32[n,1,m]"
    assert infer("reduce_max", "f32[n,3,m]", axes=(0, 1)) == "f32[m]"
    assert infer("arg_max", "f32[n,3]", axis=0) == "i64[1,3]"


@pytest.mark.parametrize(
    ("message", "op", "type_", "attrs"),
    [
        (
            "ShapeError: reduce_sum: axes (0, 2) are not axes of a tensor of rank 2",
            "reduce_sum",
            "f32[2,3]",
            {"axes": (0, 2)},
        ),
        (
            "ShapeError: reduce_sum: axes (0, 0) are not axes of a tensor of rank 2",
            "reduce_sum",
            "f32[2,3]",
            {"axes": (0, 0)},
        ),
        (
            "ShapeError: reduce_max: f32[2,0] has no elements along axes (1,)",
            "reduce_max",
            "f32[2,0]",
            {"axes": (1,)},
        ),
        (
            "ShapeError: arg_max: f32[2,0] has no elements along axis 1",
            "arg_max",
            "f32[2,0]",
            {"axis": 1},
        ),
        (
            "DtypeError: reduce_sum: element type bool, expected number",
            "reduce_sum",
            "bool[2]",
            {"axes": (0,)},
        ),
        ("ShapeError: cumsum: the dimension n must be known", "cumsum", "f32[n]", {"axis": 0}),
    ],
)
def test_refusals(message: str, op: str, type_: str, attrs: dict[str, object]) -> None:
    assert refusal(op, type_, **attrs) == message
