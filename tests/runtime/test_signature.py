from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from mlc.errors import DtypeError, MlcError, ShapeError
from mlc.ir.dtype import DTYPES
from mlc.runtime.signature import Port, check_unique_names, numpy_dtype, parse_port


@pytest.mark.parametrize("name", DTYPES)
def test_every_element_type_of_the_compiler_has_the_same_numpy_dtype(name: str) -> None:
    assert numpy_dtype(name) == DTYPES[name].numpy


def test_bfloat16_comes_from_ml_dtypes() -> None:
    assert numpy_dtype("bf16") == np.dtype(ml_dtypes.bfloat16)


def test_an_unknown_element_type_is_refused() -> None:
    with pytest.raises(DtypeError) as caught:
        Port("x", "f31", (2,))
    assert str(caught.value) == "unknown element type 'f31'"


def test_a_port_knows_its_size_and_prints() -> None:
    port = Port("x", "f64", (2, 3))
    assert port.nbytes == 48
    assert str(port) == "x: f64[2,3]"
    assert Port("s", "i8", ()).nbytes == 1
    assert Port("e", "f32", (0, 1 << 40)).nbytes == 0


def test_plain_data_round_trips() -> None:
    port = Port("naïve/0:1", "u16", (1, 0, 7))
    assert parse_port(port.to_json()) == port


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, -1), "negative size in shape (2, -1)\n  at: port 'x'"),
        ((1,) * 33, "33 axes, at most 32 work\n  at: port 'x'"),
        ((1 << 60,), f"shape ({1 << 60},) takes {1 << 62} bytes\n  at: port 'x'"),
    ],
)
def test_impossible_shapes_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Port("x", "f32", shape)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"name": "x", "dtype": "f32"},
        {"name": 3, "dtype": "f32", "shape": []},
        {"name": "x", "dtype": "f32", "shape": [1.0]},
        {"name": "x", "dtype": "f32", "shape": [True]},
        {"name": "x", "dtype": "f32", "shape": "12"},
    ],
)
def test_what_is_no_port_is_refused(data: object) -> None:
    with pytest.raises(MlcError) as caught:
        parse_port(data)
    assert str(caught.value) == f"not a port: {data!r}"


def test_names_are_unique() -> None:
    ports = [Port("a", "f32", ()), Port("b", "f32", ())]
    assert check_unique_names(ports, "input") == {"a": 0, "b": 1}
    with pytest.raises(MlcError) as caught:
        check_unique_names([*ports, ports[0]], "input")
    assert str(caught.value) == "two inputs are named 'a'"
