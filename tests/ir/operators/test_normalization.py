"""layer_norm, rms_norm, lrn, batch_norm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_layer_norm_matches_onnxruntime(axis: int) -> None:
    x = 3 + 2 * sample(RNG, (2, 3, 4))
    scale, bias = sample(RNG, x.shape[axis:]), sample(RNG, x.shape[axis:])
    (got,) = check("layer_norm", x, scale, bias, atol=1e-5, axis=axis, epsilon=1e-3)
    (peer,) = onnx_node("LayerNormalization", [x, scale, bias], axis=axis, epsilon=1e-3)
    np.testing.assert_allclose(got, peer, rtol=1e-4, atol=1e-5)


def test_layer_norm_keeps_its_digits_when_the_mean_is_large() -> None:
    x = (1000 + np.arange(8) / 8).astype(np.float32).reshape(1, 8)
    (got,) = check("layer_norm", x, np.ones(8, "f4"), np.zeros(8, "f4"), axis=1, rtol=1e-4)
    assert abs(float(np.mean(got**2)) - 1) < 1e-3


def test_layer_norm_parameters_broadcast() -> None:
    x, scale = sample(RNG, (2, 3, 4)), sample(RNG, (3, 1))
    (got,) = check("layer_norm", x, scale, np.zeros(1, "f4"), atol=1e-5, axis=1)
    (wide,) = check("layer_norm", x, np.tile(scale, 4), np.zeros((3, 4), "f4"), atol=1e-5, axis=1)
    np.testing.assert_array_equal(got, wide)


def test_nests_of_layer_norm() -> None:
    types = [tensor_type(text) for text in ("f32[2,3]", "f32[3]", "f32[3]")]
    func = loops_of("layer_norm", types, axis=1)
    assert loop_names(func) == [
        *("p_mean_z0", "p_mean_i0", "p_mean_r0", "p_mean_f0"),
        *("p_variance_z0", "p_variance_i0", "p_variance_r0", "p_variance_f0"),
        "p_inverse_i0",
        *("p_i0", "p_i1"),
    ]


@pytest.mark.parametrize("axis", [1, 2])
def test_rms_norm(axis: int) -> None:
    x = sample(RNG, (2, 3, 4))
    scale = sample(RNG, x.shape[axis:])
    (got,) = check("rms_norm", x, scale, atol=1e-5, axis=axis, epsilon=1e-2)
    axes = tuple(range(axis, 3))
    want = x / np.sqrt(np.mean(x**2, axis=axes, keepdims=True) + 1e-2) * scale
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@settings(max_examples=20)
@given(st.integers(1, 7), st.integers(1, 5))
def test_lrn_matches_onnxruntime(size: int, channels: int) -> None:
    x = sample(RNG, (2, channels, 2, 3))
    attrs = {"size": size, "alpha": 0.3, "beta": 0.6, "bias": 1.5}
    (got,) = check("lrn", x, atol=1e-6, **attrs)
    if size % 2:  # onnxruntime has odd sizes only
        np.testing.assert_allclose(got, onnx_node("LRN", [x], **attrs)[0], rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 2, 2)])
def test_batch_norm_matches_onnxruntime(shape: tuple[int, ...]) -> None:
    x, (scale, bias, mean) = sample(RNG, shape), (sample(RNG, (3,)) for _ in range(3))
    variance = np.abs(sample(RNG, (3,)))
    (got,) = check("batch_norm", x, scale, bias, mean, variance, atol=1e-5, epsilon=1e-2)
    (peer,) = onnx_node("BatchNormalization", [x, scale, bias, mean, variance], epsilon=1e-2)
    np.testing.assert_allclose(got, peer, rtol=1e-4, atol=1e-5)


def test_symbolic_dimensions() -> None:
    assert infer("layer_norm", "f32[n,m,4]", "f32[4]", "f32[4]", axis=2) == "f32[n,m,4]"
    assert infer("batch_norm", "f32[n,3,h]", *["f32[3]"] * 4) == "f32[n,3,h]"


@pytest.mark.parametrize(
    ("message", "op", "types", "attrs"),
    [
        (
            "ShapeError: layer_norm: f32[3] does not fit f32[2,4] from axis 1 on",
            "layer_norm",
            ["f32[2,4]", "f32[4]", "f32[3]"],
            None,
        ),
        (
            "ShapeError: layer_norm: the dimension n must be known",
            "layer_norm",
            ["f32[2,n]", "f32[n]", "f32[n]"],
            None,
        ),
        ("VerifyError: layer_norm: 2 inputs, expected 3", "layer_norm", ["f32[2,4]"] * 2, None),
        (
            "ShapeError: batch_norm: f32[4] does not fit the channels of f32[2,3]",
            "batch_norm",
            ["f32[2,3]", "f32[3]", "f32[4]", "f32[3]", "f32[3]"],
            {},
        ),
        ("ShapeError: lrn: size 0 must be positive", "lrn", ["f32[2,3]"], {"size": 0}),
    ],
)
def test_refusals(message: str, op: str, types: list[str], attrs: dict[str, object] | None) -> None:
    assert refusal(op, *types, **({"axis": 1} if attrs is None else attrs)) == message
