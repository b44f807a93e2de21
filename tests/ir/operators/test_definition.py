"""The table as a whole, and what `define` adds to every operator."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.errors import VerifyError
from mlc.ir.dtype import F32
from mlc.ir.operator import REQUIRED, Kind, Operator
from mlc.ir.operators import OPERATORS
from mlc.ir.operators.definition import (
    broadcast_dims,
    broadcasts_to,
    choice,
    define,
    flag,
    integers,
    reals,
    words,
)
from mlc.ir.stmt import Buffer, seq
from mlc.ir.types import TensorType


def scale_operator() -> Operator:
    """Multiplies by attributes; loops are not needed here."""
    return define(
        "scale",
        Kind.ELEMENTWISE,
        (1, 2),
        lambda inputs, attrs: (inputs[0],),
        lambda inputs, attrs: (inputs[0] * attrs["by"] + attrs["plus"],),
        lambda inputs, outputs, attrs, prefix: seq(()),
        by=REQUIRED,
        plus=1,
    )


def test_defaults_complete_the_attributes() -> None:
    (got,) = scale_operator().reference([np.array([1, 2])], {"by": 3})
    np.testing.assert_array_equal(got, [4, 7])
    assert dict(scale_operator().attributes) == {"by": REQUIRED, "plus": 1}


def test_scalars_of_references_become_arrays() -> None:
    (got,) = scale_operator().reference([np.float32(2)], {"by": 3})
    assert isinstance(got, np.ndarray)
    assert got.shape == ()


def test_missing_attributes_and_inputs_are_refused() -> None:
    operator, tensor = scale_operator(), TensorType((2,), F32)
    buffer = Buffer.dense("x", (2,), F32)
    with pytest.raises(VerifyError) as caught:
        operator.loops([buffer], [buffer], {}, "")
    assert str(caught.value) == "scale: attribute by is missing"
    with pytest.raises(VerifyError) as caught:
        operator.infer([tensor] * 3, {"by": 2})
    assert str(caught.value) == "scale: 3 inputs, expected 1 to 2"


def test_every_operator_is_listed_under_its_name() -> None:
    assert all(operator.name == name for name, operator in OPERATORS.items())
    assert {operator.kind for operator in OPERATORS.values()} == set(Kind)


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (integers, (1, 2.5), "attribute a must be a tuple of integers, not (1, 2.5)"),
        (reals, ("x",), "attribute a must be a tuple of numbers, not ('x',)"),
        (words, (1,), "attribute a must be a tuple of strings, not (1,)"),
        (flag, "yes", "attribute a must be a boolean, not 'yes'"),
    ],
)
def test_attributes_of_the_wrong_type(read: object, value: object, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        read({"a": value}, "a")
    assert str(caught.value) == message


def test_choice_names_the_choices() -> None:
    assert choice({"a": "x"}, "a", ("x", "y")) == "x"
    with pytest.raises(VerifyError) as caught:
        choice({"a": "z"}, "a", ("x", "y"))
    assert str(caught.value) == "attribute a must be one of x, y, not 'z'"


@pytest.mark.parametrize(
    ("a", "b"), [((2, 1), (3,)), ((), (4,)), ((1, 1), (1,)), ((5, 0), (1,)), ((2, 3), (2, 3))]
)
def test_broadcasting_agrees_with_numpy(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    want = np.broadcast_shapes(a, b)
    assert broadcast_dims([a, b]) == want
    assert broadcasts_to(a, want)
    assert broadcasts_to(b, a) == (want == a)
