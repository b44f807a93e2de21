"""The forms that operators had before operator set 7: what is an input now was an attribute."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from mlc.errors import ModelError
from mlc.importers.onnx import import_model
from mlc.ir.interpret import run_graph

RNG = np.random.default_rng(0)
IMAGE = RNG.standard_normal((2, 3, 4, 5)).astype(np.float32)


def run(
    op_type: str, opset: int, *inputs: np.ndarray, fixed: int = 0, **attributes: object
) -> np.ndarray:
    """The output of one node; the last `fixed` inputs are initializers."""
    names = [f"x{k}" for k in range(len(inputs))]
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in zip(names, inputs, strict=True)
    ]
    given = len(inputs) - fixed
    initializers = [
        helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape, a.reshape(-1))
        for name, a in list(zip(names, inputs, strict=True))[given:]
    ]
    node = helper.make_node(op_type, names, ["y"], **attributes)
    output = helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)
    output.ClearField("type")
    graph = helper.make_graph([node], "early", infos[:given], [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    feeds = dict(zip(names[:given], inputs, strict=False))
    (result,) = run_graph(import_model(model), feeds).values()
    return result


@pytest.mark.parametrize(
    ("op_type", "function"),
    [("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.divide)],
)
@pytest.mark.parametrize(("shape", "axis"), [((3,), 1), ((3, 4), 1), ((4, 5), -2), ((2,), 0)])
def test_axis_places_the_second_input(
    op_type: str, function: np.ufunc, shape: tuple[int, ...], axis: int
) -> None:
    second = RNG.standard_normal(shape).astype(np.float32)
    got = run(op_type, 6, IMAGE, second, broadcast=1, axis=axis)
    behind = IMAGE.ndim - axis % IMAGE.ndim - second.ndim
    wanted = function(IMAGE, second.reshape(*shape, *[1] * behind))
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_without_axis_the_last_axes_meet() -> None:
    second = RNG.standard_normal((4, 5)).astype(np.float32)
    np.testing.assert_array_equal(run("Greater", 6, IMAGE, second, broadcast=1), second < IMAGE)
    np.testing.assert_array_equal(run("Less", 1, IMAGE, IMAGE), IMAGE < IMAGE)


def test_slopes_belong_to_channels() -> None:
    slope = np.array([0.5, 2, -1], np.float32)
    wanted = np.where(IMAGE < 0, IMAGE * slope[:, None, None], IMAGE)
    np.testing.assert_allclose(run("PRelu", 6, IMAGE, slope), wanted, rtol=1e-6)
    one = np.array([0.25], np.float32)
    wanted = np.where(IMAGE < 0, IMAGE * one, IMAGE)
    np.testing.assert_allclose(run("PRelu", 1, IMAGE, one), wanted, rtol=1e-6)


def test_shapes_and_types_are_attributes() -> None:
    np.testing.assert_array_equal(
        run("Reshape", 1, IMAGE, shape=[0, -1, 10]), IMAGE.reshape(2, 6, 10)
    )
    np.testing.assert_array_equal(run("Cast", 1, IMAGE, to="INT32"), IMAGE.astype(np.int32))
    padded = np.pad(IMAGE, [(0, 0), (0, 0), (1, 0), (2, 1)], constant_values=1.5)
    pads = [0, 0, 1, 2, 0, 0, 0, 1]
    np.testing.assert_array_equal(run("Pad", 1, IMAGE, paddings=pads, value=1.5), padded)


def test_tile_takes_one_axis() -> None:
    count, axis = np.array(3, np.int64), np.array(1, np.int64)
    got = run("Tile", 1, IMAGE, count, axis, fixed=2)
    np.testing.assert_array_equal(got, np.tile(IMAGE, (1, 3, 1, 1)))


def test_defaults_of_their_time() -> None:
    np.testing.assert_array_equal(run("Concat", 1, IMAGE, IMAGE), np.concatenate([IMAGE] * 2, 1))
    with pytest.raises(ModelError, match="attribute axis is missing"):
        run("Concat", 4, IMAGE, IMAGE)
    wanted = (np.abs(IMAGE) ** 3).sum((2, 3), keepdims=True) ** (1 / 3)
    np.testing.assert_allclose(run("GlobalLpPool", 1, IMAGE, p=3.0), wanted, rtol=1e-5)


def test_upsample_names_height_and_width() -> None:
    got = run("Upsample", 1, IMAGE, height_scale=2.0, width_scale=3.0, mode="nearest")
    np.testing.assert_array_equal(got, IMAGE.repeat(2, axis=2).repeat(3, axis=3))


def test_an_unknown_element_type() -> None:
    with pytest.raises(ModelError) as caught:
        run("Cast", 1, IMAGE, to="FLOAT7")
    assert caught.value.message == "Cast: there is no element type 'FLOAT7'"
