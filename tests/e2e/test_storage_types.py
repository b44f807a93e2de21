"""Compiled code reads, moves and converts the narrow types that are only stored."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import mlc
from mlc.errors import InputError
from mlc.importers.onnx.tensors import DTYPES

STORED = sorted(code for code, dtype in DTYPES.items() if dtype.is_storage)
FLOATS = [code for code in STORED if TensorProto.DataType.Name(code).startswith("FLOAT8E")]
FLOATS = [code for code in FLOATS if code != TensorProto.FLOAT8E8M0]


def model(nodes: list[object], source: int, result: int, shape: list[int]) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", source, shape)],
        [helper.make_tensor_value_info("y", result, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)])


def codes(code: int) -> np.ndarray:
    dtype = DTYPES[code]
    return np.arange(1 << dtype.bits, dtype=np.uint8).view(dtype.numpy)


@pytest.mark.parametrize("code", STORED, ids=TensorProto.DataType.Name)
def test_moved_and_widened(code: int) -> None:
    values = codes(code).reshape(2, -1)
    turned = helper.make_node("Transpose", ["x"], ["t"])
    widened = helper.make_node("Cast", ["t"], ["y"], to=TensorProto.FLOAT)
    compiled = mlc.compile(
        model([turned, widened], code, TensorProto.FLOAT, list(values.shape)), cache=False
    )
    np.testing.assert_array_equal(compiled(values), values.T.astype(np.float32))


@pytest.mark.parametrize("code", FLOATS, ids=TensorProto.DataType.Name)
@pytest.mark.parametrize("saturate", [0, 1])
def test_rounded(code: int, saturate: int) -> None:
    random = np.random.default_rng(0)
    values = random.standard_normal(999) * np.exp(random.uniform(-14, 14, 999))
    values = np.append(values, [np.nan, np.inf, -np.inf, -0.0]).astype(np.float32)
    node = helper.make_node("Cast", ["x"], ["y"], to=code, saturate=saturate)
    compiled = mlc.compile(model([node], TensorProto.FLOAT, code, [len(values)]), cache=False)
    dtype = DTYPES[code].numpy
    with np.errstate(over="ignore"):
        plain = values.astype(dtype)
    wanted = numpy_helper.saturate_cast(values, dtype) if saturate else plain
    np.testing.assert_array_equal(compiled(values).astype(np.float32), wanted.astype(np.float32))


def test_bits_above_a_narrow_element_do_not_count() -> None:
    dirty = np.array([0xF1, 0x7F, 0x08], np.uint8).view(DTYPES[TensorProto.INT4].numpy)
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT32)
    compiled = mlc.compile(model([node], TensorProto.INT4, TensorProto.INT32, [3]), cache=False)
    np.testing.assert_array_equal(compiled(dirty), [1, -1, -8])


def test_packed_weights() -> None:
    weights = np.arange(-8, 7).astype(DTYPES[TensorProto.INT4].numpy)
    nodes = [
        helper.make_node("Cast", ["w"], ["v"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "v"], ["y"]),
    ]
    built = model(nodes, TensorProto.FLOAT, TensorProto.FLOAT, [15])
    built.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    found = mlc.compile(built, cache=False)(np.ones(15, np.float32))
    np.testing.assert_array_equal(found, np.arange(-7, 8))


class OtherArray:
    """Of another package: narrow types do not go through DLPack, but it converts itself."""

    def __init__(self, values: np.ndarray, *, converts: bool = True) -> None:
        self.values, self.converts = values, converts

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __dlpack__(self, **options: object) -> object:
        raise BufferError("float8 is not a type of DLPack")

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        if not self.converts:
            raise TypeError("float8 is not a type of NumPy")
        return self.values


def test_arrays_of_other_packages() -> None:
    code = TensorProto.FLOAT8E5M2
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    compiled = mlc.compile(model([node], code, TensorProto.FLOAT, [256]), cache=False)
    wanted = codes(code).astype(np.float32)
    np.testing.assert_array_equal(compiled(OtherArray(codes(code))), wanted)
    with pytest.raises(InputError) as caught:
        compiled(OtherArray(codes(code), converts=False))
    assert str(caught.value) == (
        "input 'x': NumPy cannot read this OtherArray: float8 is not a type of NumPy"
    )


def test_bytes_are_not_taken_for_narrow_elements() -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    compiled = mlc.compile(model([node], TensorProto.INT4, TensorProto.INT4, [3]), cache=False)
    with pytest.raises(InputError) as caught:
        compiled(np.zeros(3, np.uint8))
    assert caught.value.message == "input 'x': dtype uint8, expected int4"
