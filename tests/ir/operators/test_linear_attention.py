"""linear_attention: loops against the reference, and both against attention without a softmax."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ir.operators.harness import check, infer, refusal


def _inputs(
    groups: int, steps: int, *, decay: tuple[int, int], beta: int, seed: int = 0
) -> list[np.ndarray]:
    """Two sequences, two states of 3 x 4; `decay` and `beta` tell the axes that vary."""
    rng = np.random.default_rng(seed)
    shapes = [(2, steps, 2 * groups, 3), (2, steps, 2, 3), (2, steps, 2, 4), (2, 2, 3, 4)]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    arrays += [rng.random((2, steps, *decay)), rng.random((2, steps, beta, 1))]
    return [array.astype(np.float32) for array in arrays]


@settings(max_examples=12, deadline=None)
@given(
    groups=st.integers(1, 3),
    steps=st.integers(0, 3),
    decay=st.sampled_from([(1, 1), (2, 1), (2, 3)]),
    beta=st.integers(1, 2),
    delta=st.booleans(),
)
def test_loops(groups: int, steps: int, decay: tuple[int, int], beta: int, delta: bool) -> None:
    inputs = _inputs(groups, steps, decay=decay, beta=beta)
    check("linear_attention", *inputs, atol=1e-5, rtol=1e-4, delta=delta)


def test_without_decay_it_is_causal_attention_without_a_softmax() -> None:
    query, key, value, state, decay, beta = _inputs(1, 5, decay=(1, 1), beta=1)
    inputs = (query, key, value, 0 * state, decay**0, beta**0)
    y, last = check("linear_attention", *inputs, atol=1e-5, rtol=1e-4)
    scores = np.einsum("bqhk,bthk->bhqt", query, key) * np.tri(5)
    np.testing.assert_allclose(y, np.einsum("bhqt,bthv->bqhv", scores, value), atol=1e-5)
    np.testing.assert_allclose(last, np.einsum("bthk,bthv->bhkv", key, value), atol=1e-5)


def test_delta_replaces_what_a_key_stood_for() -> None:
    """With keys of length one and beta one, the value that was written last is read again."""
    _, key, value, state, decay, beta = _inputs(1, 4, decay=(1, 1), beta=1)
    key = key / np.linalg.norm(key, axis=-1, keepdims=True)
    y, _ = check(
        "linear_attention", key, key, value, state, decay**0, beta**0, atol=1e-4, delta=True
    )
    np.testing.assert_allclose(y, value, atol=1e-5)


SHAPES = ("f32[2,5,4,3]", "f32[2,5,2,3]", "f32[2,5,2,4]", "f32[2,2,3,4]")


def test_types() -> None:
    types = infer("linear_attention", *SHAPES, "f32[1,1,1,1]", "f32[2,5,2,1]")
    assert types == "f32[2,5,4,4] f32[2,2,3,4]"


@pytest.mark.parametrize(
    ("message", "types"),
    [
        (
            "ShapeError: linear_attention: 3 query heads cannot share 2 states",
            ("f32[2,5,3,3]", *SHAPES[1:], "f32[1,1,1,1]", "f32[1,1,1,1]"),
        ),
        (
            "ShapeError: linear_attention: beta f32[2,5,2,3] should have the shape [2, 5, 2, 1]",
            (*SHAPES, "f32[1,1,1,1]", "f32[2,5,2,3]"),
        ),
        (
            "ShapeError: linear_attention: all inputs must have 4 axes",
            (*SHAPES, "f32[1]", "f32[1,1,1,1]"),
        ),
    ],
)
def test_refusals(message: str, types: tuple[str, ...]) -> None:
    assert refusal("linear_attention", *types) == message
