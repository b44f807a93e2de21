"""softmax and log_softmax."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc.ir.rewrite import walk
from mlc.ir.stmt import Alloc
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


@given(st.integers(0, 2), st.sampled_from([(2, 3, 4), (1, 1, 1), (2, 0, 3)]), st.integers(0, 9))
def test_softmax_matches_onnxruntime(axis: int, shape: tuple[int, ...], seed: int) -> None:
    x = 5 * sample(np.random.default_rng(seed), shape)
    (got,) = check("softmax", x, atol=1e-7, axis=axis)
    (log,) = check("log_softmax", x, atol=1e-5, axis=axis)
    if x.size:
        np.testing.assert_allclose(got, onnx_node("Softmax", [x], axis=axis)[0], atol=1e-6)
        np.testing.assert_allclose(log, onnx_node("LogSoftmax", [x], axis=axis)[0], atol=1e-5)


def test_large_values_do_not_overflow() -> None:
    x = np.array([[1000, 1000], [-1000, 0], [np.nan, 1], [-np.inf, 3]], np.float32)
    (got,) = check("softmax", x, axis=1)
    np.testing.assert_array_equal(got, [[0.5, 0.5], [0, 1], [np.nan, np.nan], [0, 1]])
    check("log_softmax", x, axis=1)


def test_nests_run_row_by_row() -> None:
    func = loops_of("softmax", [tensor_type("f32[2,3]")], axis=1)
    assert loop_names(func) == [
        *("p_max_z0", "p_max_i0", "p_max_r0"),
        *("p_exp_i0", "p_exp_i1"),
        *("p_sum_z0", "p_sum_i0", "p_sum_r0"),
        "p_inverse_i0",
        *("p_i0", "p_i1"),
    ]
    temporaries = [part.buffer for part in walk(func.body) if isinstance(part, Alloc)]
    assert [(b.name, b.shape) for b in temporaries] == [
        ("p_max", (2,)),
        ("p_powers", (2, 3)),
        ("p_sum", (2,)),
    ]


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_inference(op: str) -> None:
    assert infer(op, "f32[n,3]", axis=1) == "f32[n,3]"
    assert refusal(op, "f32[2,3]", axis=2) == (
        f"ShapeError: {op}: axis 2 is not an axis of a tensor of rank 2"
    )
    assert refusal(op, "i32[2,3]", axis=1) == (
        f"DtypeError: {op}: element type i32, expected float"
    )
