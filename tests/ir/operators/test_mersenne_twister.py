"""mersenne_twister: loops against NumPy's generator, over more than one renewal of its state."""

from __future__ import annotations

import pytest

from tests.ir.operators.harness import check, infer, refusal


@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (2, 3, 4), (25, 27)])
@pytest.mark.parametrize("seed", [0, 12345, -1])
def test_loops(shape: tuple[int, ...], seed: int) -> None:
    check("mersenne_twister", shape=shape, seed=seed, rtol=0)


def test_types_and_refusals() -> None:
    assert infer("mersenne_twister", shape=(2, 3), seed=0) == "f64[2,3]"
    assert refusal("mersenne_twister", shape=(-1,), seed=0) == (
        "ShapeError: mersenne_twister: shape (-1,) is negative"
    )
