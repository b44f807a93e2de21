"""max_pool and avg_pool."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlc.ir.affine import linear_form
from mlc.ir.expr import Select, Var
from mlc.ir.rewrite import loads_of, walk_exprs
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

entries = st.tuples(st.integers(1, 3), st.integers(1, 3))
pads = st.tuples(st.integers(0, 2), st.integers(0, 2))


@settings(max_examples=20)
@given(
    kernel=entries,
    strides=entries,
    before=pads,
    after=pads,
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    include=st.booleans(),
    seed=st.integers(0, 99),
)
def test_pooling_matches_onnxruntime(
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    before: tuple[int, ...],
    after: tuple[int, ...],
    dilations: tuple[int, ...],
    include: bool,
    seed: int,
) -> None:
    assume(all(p < k for side in (before, after) for p, k in zip(side, kernel, strict=True)))
    x = sample(np.random.default_rng(seed), (2, 3, 7, 6))
    attrs = {"strides": strides, "before": before, "after": after, "dilations": dilations}
    shared = {"kernel_shape": kernel, "strides": strides, "pads": (*before, *after)}
    (got,) = check("max_pool", x, kernel=kernel, **attrs)
    (peer,) = onnx_node("MaxPool", [x], dilations=dilations, **shared)
    np.testing.assert_array_equal(got, peer)
    (got,) = check("avg_pool", x, atol=1e-6, kernel=kernel, include_pad=include, **attrs)
    if include:
        # The peer is given the zeros: its releases before 1.24 count uneven padding wrongly.
        pairs = zip(before, after, strict=True)
        x, shared["pads"] = np.pad(x, ((0, 0), (0, 0), *pairs)), (0, 0, 0, 0)
    (peer,) = onnx_node("AveragePool", [x], opset=19, dilations=dilations, **shared)
    np.testing.assert_allclose(got, peer, rtol=1e-5, atol=1e-6)


def window(**given_attrs: Any) -> dict[str, Any]:
    zero, one = (0,), (1,)
    return {
        "kernel": (2,),
        "strides": one,
        "before": zero,
        "after": zero,
        "dilations": one,
    } | given_attrs


def test_max_pool_of_integers_and_nan() -> None:
    x = np.array([[[-5, -7, -6]]], np.int8)
    (got,) = check("max_pool", x, **window(before=(1,), after=(1,)))
    np.testing.assert_array_equal(got, [[[-5, -5, -6, -6]]])
    (got,) = check("max_pool", np.array([[[np.nan, 1, 2]]], np.float32), **window())
    np.testing.assert_array_equal(got, [[[np.nan, 2]]])


@pytest.mark.parametrize("op", ["max_pool", "avg_pool"])
def test_pooling_without_padding_is_affine(op: str) -> None:
    func = loops_of(op, [tensor_type("f32[1,4,9]")], **window(strides=(2,)))
    assert loop_names(func)[3:7] == ["p_i0", "p_i1", "p_i2", "p_r0"]
    assert not any(isinstance(expr, Select) for expr in walk_exprs(func.body))
    element = next(load for load in loads_of(func.body) if load.buffer.name == "x0")
    assert linear_form(element.index[2]).terms == {Var("p_i2"): 2, Var("p_r0"): 1}


def test_inference() -> None:
    attrs = window(kernel=(3, 3), strides=(2, 2), before=(1, 1), after=(1, 1), dilations=(1, 1))
    assert infer("max_pool", "f32[1,64,112,112]", **attrs) == "f32[1,64,56,56]"


def test_refusals() -> None:
    assert refusal("avg_pool", "i32[1,2,3]", **window()) == (
        "DtypeError: avg_pool: element type i32, expected float"
    )
    assert refusal("max_pool", "f32[1,2,3,3]", **window()) == (
        "ShapeError: max_pool: attribute kernel has 1 entries, expected 2"
    )
    assert refusal("max_pool", "f32[2,3]", **window()) == (
        "ShapeError: max_pool: input f32[2,3] needs at least 3 axes"
    )
    assert refusal("max_pool", "f32[1,2,1]", **window()) == (
        "ShapeError: max_pool: a window of 2 does not fit a padded dimension of 1"
    )
