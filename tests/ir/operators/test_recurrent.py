"""lstm_sequence, gru_sequence, rnn_sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.rewrite import walk
from mlc.ir.stmt import For
from tests.ir.operators.harness import check, infer, loops_of, refusal, sample, tensor_type
from tests.ir.operators.peer import onnx_node

ONNX_DIRECTION = {
    ("forward",): "forward",
    ("reverse",): "reverse",
    ("forward", "reverse"): "bidirectional",
}
STEPS, BATCH, WIDTH, UNITS = 4, 3, 2, 3
LENGTHS = np.array([4, 1, 3], np.int32)

directions_strategy = st.sampled_from(sorted(ONNX_DIRECTION))


@dataclass
class Layer:
    """Random parameters of a layer of `gates` gates."""

    gates: int
    directions: tuple[str, ...]

    def __post_init__(self) -> None:
        rng, count, width = np.random.default_rng(0), len(self.directions), self.gates * UNITS
        self.x = sample(rng, (STEPS, BATCH, WIDTH))
        self.w = sample(rng, (count, width, WIDTH))
        self.r = sample(rng, (count, width, UNITS))
        self.bias = sample(rng, (count, 2 * width))
        self.h0 = sample(rng, (count, BATCH, UNITS))
        self.c0 = sample(rng, (count, BATCH, UNITS))
        self.peepholes = sample(rng, (count, 3 * UNITS))

    def projection(self, recurrent_bias: bool) -> np.ndarray:
        """The input projection with the biases `[T,D,B,G*H]`."""
        width = self.gates * UNITS
        bias = self.bias[:, :width] + (self.bias[:, width:] if recurrent_bias else 0)
        product = np.einsum("tbw,dgw->tdbg", self.x, self.w) + bias[:, None]
        return product.astype(np.float32)

    @property
    def recurrent_bias(self) -> np.ndarray:
        return self.bias[:, self.gates * UNITS :].copy()


def compare(got: tuple[np.ndarray, ...], peer: list[np.ndarray]) -> None:
    for ours, theirs in zip(got, peer, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@settings(max_examples=12)
@given(directions_strategy, st.booleans(), st.booleans(), st.sampled_from([0.0, 0.7]))
def test_lstm_matches_onnxruntime(
    directions: tuple[str, ...], peepholes: bool, input_forget: bool, clip: float
) -> None:
    p = Layer(4, directions)
    extra = [p.peepholes] if peepholes else []
    got = check(
        "lstm_sequence",
        *(p.projection(True), p.r, p.h0, p.c0, LENGTHS, *extra),
        atol=1e-5,
        directions=directions,
        clip=clip,
        input_forget=input_forget,
    )
    peer = onnx_node(
        "LSTM",
        [p.x, p.w, p.r, p.bias, LENGTHS, p.h0, p.c0, *extra],
        3,
        hidden_size=UNITS,
        direction=ONNX_DIRECTION[directions],
        input_forget=int(input_forget),
        **({"clip": clip} if clip else {}),
    )
    compare(got, peer)


@settings(max_examples=12)
@given(directions_strategy, st.booleans(), st.sampled_from([0.0, 0.7]))
def test_gru_matches_onnxruntime(directions: tuple[str, ...], linear: bool, clip: float) -> None:
    p = Layer(3, directions)
    got = check(
        "gru_sequence",
        *(p.projection(False), p.r, p.recurrent_bias, p.h0, LENGTHS),
        atol=1e-5,
        directions=directions,
        clip=clip,
        linear_before_reset=linear,
    )
    peer = onnx_node(
        "GRU",
        [p.x, p.w, p.r, p.bias, LENGTHS, p.h0],
        2,
        hidden_size=UNITS,
        direction=ONNX_DIRECTION[directions],
        linear_before_reset=int(linear),
        **({"clip": clip} if clip else {}),
    )
    compare(got, peer)


@settings(max_examples=8)
@given(directions_strategy, st.sampled_from(["tanh", "relu", "sigmoid"]))
def test_rnn_matches_onnxruntime(directions: tuple[str, ...], activation: str) -> None:
    p = Layer(1, directions)
    names = (activation,) * len(directions)
    got = check(
        "rnn_sequence",
        *(p.projection(True), p.r, p.h0, LENGTHS),
        atol=1e-5,
        directions=directions,
        activations=names,
    )
    peer = onnx_node(
        "RNN",
        [p.x, p.w, p.r, p.bias, LENGTHS, p.h0],
        2,
        hidden_size=UNITS,
        direction=ONNX_DIRECTION[directions],
        activations=[name.capitalize() for name in names],
    )
    compare(got, peer)


def test_activations_are_per_direction() -> None:
    p = Layer(1, ("forward", "reverse"))
    inputs = (p.projection(True), p.r, p.h0, LENGTHS)
    both = {"directions": p.directions, "atol": 1e-5}
    y, _ = check("rnn_sequence", *inputs, activations=("relu", "tanh"), **both)
    relu, _ = check("rnn_sequence", *inputs, activations=("relu", "relu"), **both)
    tanh, _ = check("rnn_sequence", *inputs, activations=("tanh", "tanh"), **both)
    np.testing.assert_array_equal(y[:, 0], relu[:, 0])
    np.testing.assert_array_equal(y[:, 1], tanh[:, 1])


def test_wrong_lengths_stay_inside() -> None:
    p = Layer(1, ("reverse",))
    inputs = (p.projection(True), p.r, p.h0)
    wrong = check("rnn_sequence", *inputs, np.array([99, -5, 2]), directions=p.directions)
    right = check("rnn_sequence", *inputs, np.array([4, 0, 2]), directions=p.directions)
    np.testing.assert_array_equal(wrong[0], right[0])
    np.testing.assert_array_equal(wrong[1][0, 1], p.h0[0, 1])


def test_no_steps_give_the_first_state() -> None:
    h0 = np.ones((1, 2, 3), np.float32)
    y, last = check(
        "rnn_sequence", np.zeros((0, 1, 2, 3), "f4"), np.zeros((1, 3, 3), "f4"), h0, LENGTHS[:2]
    )
    assert y.shape == (0, 1, 2, 3)
    np.testing.assert_array_equal(last, h0)


def test_time_is_a_serial_loop_outside_the_gates() -> None:
    types = [tensor_type(t) for t in ("f32[5,1,2,6]", "f32[1,6,2]", "f32[1,6]", "f32[1,2,2]")]
    func = loops_of("gru_sequence", [*types, tensor_type("i32[2]")])
    (time,) = (part for part in walk(func.body) if isinstance(part, For) and part.var == "p_d0_t")
    inner = [part.var for part in walk(time) if isinstance(part, For)]
    assert inner[:4] == ["p_d0_t", "p_d0_previous_i0", "p_d0_previous_i1", "p_d0_gates_z0"]
    assert inner[-2:] == ["p_d0_i0", "p_d0_i1"]


LSTM = ["f32[5,1,2,12]", "f32[1,12,3]", "f32[1,2,3]", "f32[1,2,3]", "i32[2]"]


def test_inference() -> None:
    assert infer("lstm_sequence", *LSTM) == "f32[5,1,2,3] f32[1,2,3] f32[1,2,3]"


def replaced(position: int, text: str) -> list[str]:
    return [text if k == position else old for k, old in enumerate(LSTM)]


@pytest.mark.parametrize(
    ("message", "types", "attrs"),
    [
        (
            "ShapeError: lstm_sequence: gates f32[5,1,2,10] are not [T,D,B,4*H]",
            replaced(0, "f32[5,1,2,10]"),
            {},
        ),
        (
            "ShapeError: lstm_sequence: recurrence f32[1,12,4] should have the shape [1,12,3]",
            replaced(1, "f32[1,12,4]"),
            {},
        ),
        (
            "ShapeError: lstm_sequence: h0 f32[1,1,3] should have the shape [1,2,3]",
            replaced(2, "f32[1,1,3]"),
            {},
        ),
        (
            "ShapeError: lstm_sequence: lengths i32[3] should have the shape [2]",
            replaced(4, "i32[3]"),
            {},
        ),
        (
            "ShapeError: lstm_sequence: peepholes f32[1,8] should have the shape [1, 9]",
            [*LSTM, "f32[1,8]"],
            {},
        ),
        (
            "ShapeError: lstm_sequence: directions ('forward', 'reverse') do not fit 1 directions",
            LSTM,
            {"directions": ("forward", "reverse")},
        ),
        (
            "ShapeError: lstm_sequence: 1 activations, expected 3",
            LSTM,
            {"activations": ("tanh",)},
        ),
        (
            "DtypeError: lstm_sequence: inputs differ in element type: f32, f64, f32, f32",
            replaced(1, "f64[1,12,3]"),
            {},
        ),
    ],
)
def test_refusals(message: str, types: list[str], attrs: dict[str, Any]) -> None:
    assert refusal("lstm_sequence", *types, **attrs) == message


def test_an_unknown_activation_is_refused() -> None:
    types = ["f32[5,1,2,3]", "f32[1,3,3]", "f32[1,2,3]", "i32[2]"]
    assert refusal("rnn_sequence", *types, activations=("cos",)).startswith(
        "ShapeError: rnn_sequence: activation cos is not one of "
    )
