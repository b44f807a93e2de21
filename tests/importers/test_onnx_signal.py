"""Fourier transforms, frames of signals and mel weights, against NumPy's and ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.errors import ModelError
from tests.importers.one_node import reference_node, run_node

RNG = np.random.default_rng(0)
LENGTHS = [1, 2, 9, 30, 257, 300, 509, 1031, 1100]
"""Direct, split, primes of one product, and primes that become a convolution."""


def paired(array: np.ndarray) -> np.ndarray:
    return np.stack([array.real, array.imag], axis=-1)


def random_complex(*shape: int) -> np.ndarray:
    return np.asarray(RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("inverse", [False, True])
def test_complex_transforms(length: int, inverse: bool) -> None:
    x = random_complex(2, length)
    (got,) = run_node("DFT", [paired(x)], inverse=int(inverse))
    np.testing.assert_allclose(got, paired((np.fft.ifft if inverse else np.fft.fft)(x)), atol=1e-9)


@pytest.mark.parametrize("length", [2, 9, 30, 300, 1031])
def test_real_transforms_have_one_side(length: int) -> None:
    x = RNG.standard_normal((2, length))
    (got,) = run_node("DFT", [x[..., None]], onesided=1)
    spectrum = np.fft.rfft(x)
    np.testing.assert_allclose(got, paired(spectrum), atol=1e-9)
    given = [paired(spectrum), np.array(length)]
    (back,) = run_node("DFT", given, fixed=[1], onesided=1, inverse=1)
    np.testing.assert_allclose(back[..., 0], x, atol=1e-9)


@pytest.mark.parametrize("length", [3, 5, 8])
def test_signals_are_cut_or_filled_up(length: int) -> None:
    x = RNG.standard_normal((5, 2, 4))
    given = [x[..., None], np.array(length), np.array(0)]
    (got,) = run_node("DFT", given, fixed=[1, 2])
    np.testing.assert_allclose(got, paired(np.fft.fft(x, n=length, axis=0)), atol=1e-9)


def test_the_axis_was_an_attribute() -> None:
    x = RNG.standard_normal((5, 2, 4))
    for axis in (0, 1, -2):
        (got,) = run_node("DFT", [x[..., None]], opset=17, axis=axis)
        wanted = np.fft.fft(x, axis=axis if axis >= 0 else axis + 1)
        np.testing.assert_allclose(got, paired(wanted), atol=1e-9)


def test_narrow_types_are_rounded_once() -> None:
    x = RNG.standard_normal((1, 12, 1)).astype(np.float32)
    (got,) = run_node("DFT", [x])
    wanted = paired(np.fft.fft(x[..., 0].astype(np.float64))).astype(np.float32)
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-12)
    assert got.dtype == np.float32


@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize(("step", "length"), [(4, 8), (3, 16), (20, 5)])
def test_frames(step: int, length: int, onesided: int) -> None:
    x = RNG.standard_normal((2, 40, 1))
    window = RNG.random(length)
    given = [x, np.array(step), window, np.array(length)]
    (got,) = run_node("STFT", given, fixed=[1, 3], onesided=onesided)
    (wanted,) = reference_node("STFT", given, fixed=[1, 3], onesided=onesided)
    np.testing.assert_allclose(got, wanted, atol=1e-9)


@pytest.mark.parametrize("edges", [(0.0, 4000.0), (300.0, 3500.0)])
def test_mel_weights(edges: tuple[float, float]) -> None:
    given = [np.array(part) for part in (12, 64, 8000)]
    given += [np.array(edge, np.float32) for edge in edges]
    (got,) = run_node("MelWeightMatrix", given, fixed=range(5))
    (wanted,) = reference_node("MelWeightMatrix", given, fixed=range(5))
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("message", "op_type", "inputs"),
    [
        (
            "DFT: axis 2 of f64[2,4,1] holds the parts of numbers",
            "DFT",
            [np.zeros((2, 4, 1)), None, np.array(2)],
        ),
        (
            "DFT: the last axis of f64[2,4,3] is neither 1 nor 2",
            "DFT",
            [np.zeros((2, 4, 3))],
        ),
        ("DFT: a transform of 0 points", "DFT", [np.zeros((2, 4, 1)), np.array(0)]),
        (
            "STFT: frames of 9, 2 apart, do not fit f64[1,8,1]",
            "STFT",
            [np.zeros((1, 8, 1)), np.array(2), None, np.array(9)],
        ),
    ],
)
def test_refusals(message: str, op_type: str, inputs: list[np.ndarray | None]) -> None:
    fixed = [k for k, array in enumerate(inputs) if k and array is not None]
    with pytest.raises(ModelError) as caught:
        run_node(op_type, inputs, fixed=fixed)
    assert caught.value.message == message
