"""Quantisation and products of integers: against onnxruntime, and against exact arithmetic."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import mlc
from mlc.errors import MlcError
from mlc.importers.onnx import import_model
from mlc.importers.onnx.tensors import DTYPES
from mlc.ir.interpret import run_graph
from tests.importers.evaluate import assert_agrees, parse
from tests.importers.one_node import node_model

INT8 = (np.int8, np.uint8)


def computed(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """What compiled code gives; the interpreter must give the same."""
    (interpreted,) = run_graph(import_model(model), feeds).values()
    (found,) = mlc.compile(model, cache=False).run(feeds).values()
    np.testing.assert_array_equal(found, interpreted)
    assert found.dtype == interpreted.dtype
    return np.asarray(found)


def sample(dtype: type, *shape: int, seed: int = 0) -> np.ndarray:
    """Integers of the whole range of a type."""
    limits = np.iinfo(dtype)
    random = np.random.default_rng(seed)
    return random.integers(limits.min, limits.max + 1, shape).astype(dtype)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize("shape", ["", "3"])
def test_there_and_back_again(kind: str, shape: str) -> None:
    numbers = "{0.02, 0.5, 0.1}" if shape else "{0.02}"
    zeros = "{3, 1, 7}" if shape else "{3}"
    size = f"[{shape}]" if shape else ""
    assert_agrees(
        parse(f"""g (float[2,3,4] x) => (float[2,3,4] y)
          <float{size} s = {numbers}, {kind}{size} z = {zeros}>
          {{ q = QuantizeLinear(x, s, z)  y = DequantizeLinear(q, s, z) }}""")
    )


@pytest.mark.parametrize("code", [TensorProto.INT4, TensorProto.UINT4, TensorProto.INT8])
def test_blocks(code: int) -> None:
    dtype = DTYPES[code].numpy
    x = (np.arange(14, dtype=np.int32).reshape(2, 7) % 4).astype(dtype)
    scale = np.array([[1, 0.5, 4], [2, 3, 0.25]], np.float32)
    zero = np.array([[1, 0, 2], [3, 1, 1]]).astype(dtype)
    model, feeds = node_model("DequantizeLinear", [x, scale, zero], axis=1, block_size=3)
    wide, offset = (np.repeat(array, 3, axis=1)[:, :7] for array in (scale, zero))
    wanted = (x.astype(np.float32) - offset.astype(np.float32)) * wide
    np.testing.assert_array_equal(computed(model, feeds), wanted)


def test_saturation_and_ties() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, 1e9, -1e9, np.inf, -np.inf], np.float32)
    model, feeds = node_model("QuantizeLinear", [x, np.float32(1), np.int8(10)])
    assert computed(model, feeds).tolist() == [10, 12, 12, 10, 127, -128, 127, -128]


@pytest.mark.parametrize("x", [[0, 0], [1, 5], [-3, -1], [-1, 2]])
def test_dynamic_range_contains_zero(x: list[float]) -> None:
    numbers = np.array(x, np.float32)
    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"])
    outputs = [("y", TensorProto.UINT8), ("s", TensorProto.FLOAT), ("z", TensorProto.UINT8)]
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info(name, code, None) for name, code in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found = mlc.compile(model, cache=False).run({"x": numbers})
    back = (found["y"].astype(np.float32) - found["z"].astype(np.float32)) * found["s"]
    np.testing.assert_allclose(back, numbers, atol=float(found["s"]) * 0.51)


@pytest.mark.parametrize("left", INT8)
@pytest.mark.parametrize("right", INT8)
def test_matmul_integer_is_exact(left: type, right: type) -> None:
    a, b = sample(left, 2, 5, 300), sample(right, 300, 33, seed=1)
    a_zero, b_zero = sample(left, 5), sample(right, 33, seed=2)
    model, feeds = node_model("MatMulInteger", [a, b, a_zero, b_zero])
    wide = a.astype(np.int64) - a_zero.astype(np.int64)[:, np.newaxis]
    wanted = wide @ (b.astype(np.int64) - b_zero.astype(np.int64))
    np.testing.assert_array_equal(computed(model, feeds), wanted)


def exact_conv(x: np.ndarray, w: np.ndarray, groups: int, stride: int, pad: int) -> np.ndarray:
    """A grouped two-dimensional convolution of integers."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    views = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    views = views[:, :, ::stride, ::stride]
    views = views.reshape(x.shape[0], groups, w.shape[1], *views.shape[2:])
    filters = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    found = np.einsum("ngchwij,gocij->ngohw", views, filters)
    return found.reshape(x.shape[0], w.shape[0], *found.shape[3:])


@pytest.mark.parametrize("data", INT8)
@pytest.mark.parametrize("weights", INT8)
@pytest.mark.parametrize("groups", [1, 2])
def test_conv_integer_pads_with_the_zero_point(data: type, weights: type, groups: int) -> None:
    x, w = sample(data, 2, 8, 9, 7), sample(weights, 6, 8 // groups, 3, 3, seed=1)
    x_zero, w_zero = sample(data, 1)[0], sample(weights, 6, seed=3)
    model, feeds = node_model(
        "ConvInteger",
        [x, w, np.array(x_zero), w_zero],
        fixed=(1, 2, 3),
        pads=[1, 1, 1, 1],
        strides=[2, 2],
        group=groups,
    )
    wide = x.astype(np.int64) - int(x_zero)
    filters = w.astype(np.int64) - w_zero.astype(np.int64).reshape(6, 1, 1, 1)
    wanted = exact_conv(wide, filters, groups, 2, 1)
    np.testing.assert_array_equal(computed(model, feeds), wanted)


@pytest.mark.parametrize("weights", INT8)
@pytest.mark.parametrize("groups", [1, 4])
def test_qlinear_conv(weights: type, groups: int) -> None:
    x, w = sample(np.uint8, 1, 4, 6, 6), sample(weights, 8, 4 // groups, 3, 3, seed=1)
    w_scale = np.linspace(0.001, 0.01, 8).astype(np.float32)
    bias = np.arange(-4000, 4000, 1000, dtype=np.int32)
    x_scale, y_scale, w_zero = np.float32(0.02), np.float32(0.05), sample(weights, 8, seed=4)
    arrays = [
        x, x_scale, np.uint8(100), w, w_scale, w_zero, y_scale, np.uint8(120), bias
    ]  # fmt: skip
    model, feeds = node_model(
        "QLinearConv",
        [np.array(array) for array in arrays],
        fixed=tuple(range(1, 9)),
        pads=[1, 1, 1, 1],
        group=groups,
    )
    filters = w.astype(np.int64) - w_zero.astype(np.int64).reshape(8, 1, 1, 1)
    total = exact_conv(x.astype(np.int64) - 100, filters, groups, 1, 1)
    total += bias.reshape(8, 1, 1)
    factor = x_scale * w_scale / y_scale
    wanted = np.rint(total.astype(np.float32) * factor.reshape(8, 1, 1)) + 120
    np.testing.assert_array_equal(computed(model, feeds), np.clip(wanted, 0, 255))


def test_many_channels_are_exact_too() -> None:
    """Where products of floats would be computed by Winograd's algorithm."""
    x, w = sample(np.uint8, 1, 32, 12, 12), sample(np.int8, 32, 32, 3, 3, seed=1)
    model, feeds = node_model("ConvInteger", [x, w, np.array(120, np.uint8)], fixed=(1, 2))
    wanted = exact_conv(x.astype(np.int64) - 120, w.astype(np.int64), 1, 1, 0)
    np.testing.assert_array_equal(computed(model, feeds), wanted)


def test_qlinear_matmul_of_rows_and_columns() -> None:
    a, b = sample(np.int8, 3, 40), sample(np.int8, 40, 5, seed=1)
    a_scale = np.array([0.01, 0.02, 0.03], np.float32)
    b_scale = np.array([0.5, 0.1, 0.2, 0.3, 0.4], np.float32)
    a_zero, b_zero = sample(np.int8, 3, seed=2), sample(np.int8, 5, seed=3)
    y_scale, y_zero = np.float32(10), np.int8(-3)
    arrays = [a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero]
    model, feeds = node_model("QLinearMatMul", [np.array(array) for array in arrays], opset=21)
    left = a.astype(np.int64) - a_zero.astype(np.int64)[:, np.newaxis]
    total = (left @ (b.astype(np.int64) - b_zero)).astype(np.float32)
    factor = a_scale[:, np.newaxis] * b_scale / y_scale
    wanted = np.clip(np.rint(total * factor) - 3, -128, 127)
    np.testing.assert_array_equal(computed(model, feeds), wanted)


@pytest.mark.parametrize(
    ("arrays", "attributes", "message"),
    [
        (
            [np.zeros((2, 7), np.float32), np.ones((2, 2), np.float32)],
            {"axis": 1, "block_size": 3},
            "QuantizeLinear: f32[2,2] has no blocks of 3 of [2, 7]",
        ),
        (
            [np.zeros((2, 7), np.float32), np.ones((2, 7), np.float32)],
            {},
            "QuantizeLinear: f32[2,7] is neither one number nor a vector",
        ),
        (
            [np.zeros(3, np.float32), np.float32(1)],
            {"output_dtype": TensorProto.INT64},
            "QuantizeLinear: i64 is not a type to quantize to",
        ),
    ],
)
def test_refused(arrays: list[np.ndarray], attributes: dict[str, object], message: str) -> None:
    model, _ = node_model("QuantizeLinear", list(map(np.asarray, arrays)), **attributes)
    with pytest.raises(MlcError) as caught:
        import_model(model)
    assert caught.value.message == message
