"""Which models and shapes the public API refuses: each by its full message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mlc
from mlc.api import compile_only
from mlc.importers.onnx import import_model
from mlc.ir.dtype import F32
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.types import TensorType
from tests.importers.evaluate import parse
from tests.refusals import RELU, compile_refused

OPEN = "g (float[N,3] x, float[N,M] w) => (float[N,3] y) { [threshold] y = Relu(x) }"


def test_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.onnx"
    assert compile_refused(mlc.ModelError, path) == (
        f"cannot read '{path}': No such file or directory"
    )


def test_a_folder(tmp_path: Path) -> None:
    assert compile_refused(mlc.ModelError, tmp_path) == (
        f"'{tmp_path}' is a folder, not a model\n  hint: give the path of the .onnx file"
    )


@pytest.mark.parametrize("model", [3, None, [1], {}], ids=repr)
def test_no_model_at_all(model: object) -> None:
    with pytest.raises(mlc.ModelError) as caught:
        mlc.compile(model, cache=False)  # type: ignore[arg-type]
    kind = type(model).__name__
    assert str(caught.value) == f"a model is a path, bytes or an onnx.ModelProto, not {kind}"


def test_a_corrupt_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\xff" * 100)
    assert compile_refused(mlc.ModelError, path) == (
        f"'{path}' is not an ONNX model, or it is cut short\n  hint: fetch or export the file again"
    )


def test_a_file_cut_short_anywhere(tmp_path: Path) -> None:
    model = parse("g (float[2,3] x) => (float[2,40] y) { y = MatMul(x, w) }")
    weights = np.ones((3, 40), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    data = model.SerializeToString()
    path = tmp_path / "model.onnx"
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(mlc.MlcError):
            mlc.compile(path, cache=False)


def test_all_that_is_unsupported_at_once() -> None:
    model = parse(
        """g (float[2,3] x) => (float[2,3] y, float[2,3] z) {
            [first] a = acme.Fancy(x)
            [second] y = Det2(a)
            [third] z = Relu(x)
            [fourth] b, z2 = Dropped(z)
        }""",
        domains=[("acme", 3)],
    )
    model.graph.output.append(helper.make_tensor_value_info("z2", TensorProto.FLOAT, None))
    assert compile_refused(mlc.UnsupportedError, model) == (
        "3 nodes of the model are not supported\n"
        "  - first: acme.Fancy (opset 3; f32[2,3]): no such operator\n"
        "  - second: Det2 (opset 17; ?): no such operator\n"
        "  - fourth: Dropped (opset 17; f32[2,3]): no such operator"
    )


def test_types_that_do_not_fit_name_the_node() -> None:
    model = parse("g (float[2,3] x, double[2,3] w) => (float[2,3] y) { [sum] y = Add(x, w) }")
    message = compile_refused(mlc.DtypeError, model)
    assert message.endswith("\n  at: sum")
    model = parse("g (float[2,3] x, float[4,5] w) => (float[2,5] y) { [product] y = MatMul(x, w) }")
    message = compile_refused(mlc.ShapeError, model)
    assert message.endswith("\n  at: product")


@pytest.mark.parametrize(
    ("shape", "size"),
    [((10**6, 10**6, 10**6), 4 * 10**18), ((2**63 - 1, 4), 16 * (2**63 - 1))],
    ids=["large", "beyond 64 bits"],
)
def test_huge_inputs(shape: tuple[int, ...], size: int) -> None:
    dims = ",".join(map(str, shape))
    model = parse(f"g (float[{dims}] x) => (float[{dims}] y) {{ y = Relu(x) }}")
    assert compile_refused(mlc.ModelError, model) == (
        f"input 'x' is too large: f32[{dims}] takes {size} bytes"
    )


def test_huge_results_of_small_inputs() -> None:
    model = parse(
        """g (float[10000000,1] x, float[1,100000000] w) => (float[1,1] y) {
            [product] z = MatMul(x, w)
            y = ReduceSum(z)
        }"""
    )
    assert compile_refused(mlc.ModelError, model) == (
        "the result of matmul is too large: f32[10000000,100000000] takes 4000000000000000 bytes\n"
        "  at: product"
    )


def test_open_shapes_that_nobody_gives() -> None:
    model = parse(OPEN)
    with pytest.raises(mlc.ShapeError) as caught:
        compile_only(model, "host", shapes={"x": (2, 3)})
    assert str(caught.value) == (
        "input 'w' has the open shape f32[2,M]\n  hint: give its shape: shapes={'w': (…)}"
    )
    assert compile_refused(mlc.ShapeError, import_model(model)) == (
        "input 'x' has the open shape f32[N,3]\n  hint: give its shape: shapes={'x': (…)}"
    )


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"z": (2, 3)}, "shapes names 'z', which is no input\n  hint: inputs: 'x', 'w'"),
        ({"x": (2,)}, "shapes gives input 'x' 1 dimensions, the model 2"),
        (
            {"x": (2, 4)},
            "shapes gives input 'x' the shape (2, 4), but the model fixes axis 1 to 3",
        ),
        (
            {"x": (2, 3), "w": (5, 1)},
            "shapes gives input 'w' the shape (5, 1), but N is 2 elsewhere",
        ),
        ({"x": (-2, 3)}, "shapes gives input 'x' the dimension -2"),
        ({"x": (2.5, 3)}, "shapes gives input 'x' the dimension 2.5"),
        ({"x": 4}, "shapes gives input 'x' 4, which is no shape"),
        ({"x": "2,3"}, "shapes gives input 'x' '2,3', which is no shape"),
        ([("x", (2, 3))], "shapes is no mapping\n  hint: give shapes={'name': (1, 3, …)}"),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit(shapes: Any, message: str) -> None:
    assert compile_refused(mlc.InputError, parse(OPEN), shapes=shapes) == message


def test_shapes_for_a_graph() -> None:
    graph = import_model(parse(RELU))
    assert compile_refused(mlc.InputError, graph, shapes={"x": (2, 3)}) == (
        "shapes= is for ONNX models: a Graph's inputs have their types"
    )


def test_a_graph_that_breaks_the_rules() -> None:
    loc = ("threshold",)
    x, y = Value("x", TensorType((2,), F32)), Value("y", TensorType((3,), F32), loc)
    graph = Graph("wrong", (x,), (y,), (Node("relu", (x,), (y,), {}, loc),))
    assert compile_refused(mlc.VerifyError, graph) == (
        "wrong: relu gives f32[2], 'y' is f32[3]\n"
        "  at: threshold\n"
        "  1 | graph wrong(%x: f32[2]) -> (%y) {\n"
        '  2 |   %y: f32[3] = relu(%x) loc("threshold")\n'
        "    |       ^\n"
        "  3 | }"
    )


def test_external_weights_stay_in_the_folder_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\0" * 48)
    model = parse("g (float[2,3] x) => (float[2,4] y) { [product] y = MatMul(x, w) }")
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    model.graph.initializer.append(tensor)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    message = compile_refused(mlc.ModelError, folder / "model.onnx")
    assert "secret" in message.splitlines()[0]
