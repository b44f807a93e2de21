"""Broken models and bad requests: each gives one clear error, here by its full message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlc.errors import DtypeError, InputError, MlcError, ModelError, ShapeError, UnsupportedError
from mlc.importers.onnx import import_model
from mlc.importers.onnx.demand import NeedsValue
from tests.importers.evaluate import parse

RELU = "g (float[2] x) => (float[2] y) { y = Relu(x) }"


def message(error: type[MlcError], model: object, **options: object) -> str:
    with pytest.raises(error) as caught:
        import_model(model, **options)  # type: ignore[arg-type]
    assert type(caught.value) is error
    return str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.onnx"
    assert message(ModelError, path) == f"cannot read '{path}': No such file or directory"


def test_folder(tmp_path: Path) -> None:
    assert message(ModelError, tmp_path) == (
        f"'{tmp_path}' is a folder, not a model\n  hint: give the path of the .onnx file"
    )


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.write_bytes(b"")
    assert message(ModelError, path) == f"'{path}' is empty"


@pytest.mark.parametrize("data", [b"not a model", b"\x00" * 64, b"\xff" * 64, b"PK\x03\x04 zip"])
def test_other_bytes(data: bytes) -> None:
    assert message(ModelError, data) == (
        "the model is not an ONNX model, or it is cut short\n  hint: fetch or export the file again"
    )


def test_cut_short_anywhere() -> None:
    weights = numpy_helper.from_array(np.zeros((4, 4), np.float32), "w")
    model = parse("g (float[2,4] x, float[4,4] w) => (float[2,4] y) { y = MatMul(x, w) }")
    model.graph.initializer.append(weights)
    data = model.SerializeToString()
    assert import_model(data).outputs
    for length in range(len(data)):
        with pytest.raises(MlcError):
            import_model(data[:length])


def test_no_graph() -> None:
    model = onnx.ModelProto(ir_version=8, opset_import=[helper.make_opsetid("", 17)])
    assert message(ModelError, model) == "the model has no graph"


def test_not_a_model_at_all() -> None:
    assert message(ModelError, 3) == "a model is a path, bytes or an onnx.ModelProto, not int"


@pytest.mark.parametrize(
    ("version", "hint"),
    [
        (0, "export the model again with a supported operator set"),
        (onnx.defs.onnx_opset_version() + 1, "install a newer onnx"),
    ],
)
def test_operator_set_out_of_range(version: int, hint: str) -> None:
    newest = onnx.defs.onnx_opset_version()
    assert message(UnsupportedError, parse(RELU, version)) == (
        f"the model uses ONNX operator set {version}; 1 to {newest} are supported\n  hint: {hint}"
    )


def test_no_operator_set() -> None:
    model = parse(RELU)
    del model.opset_import[:]
    assert message(ModelError, model) == (
        "the model does not say which version of the ONNX operators it uses"
    )


def test_everything_unsupported_at_once() -> None:
    model = parse(
        """g (float[2,3] x, float c) => (float[2,3] y, int64[n] z) {
            [first] a = acme.Fancy(x)
            b = Relu(a)
            y = Det2(b, , c)
            z, i = Missing <sorted = 1> (x)
        }""",
        domains=[("acme", 3)],
    )
    assert message(UnsupportedError, model) == (
        "3 nodes of the model are not supported\n"
        "  - first: acme.Fancy (opset 3; f32[2,3]): no such operator\n"
        "  - Det2:y: Det2 (opset 17; ?, -, f32[]): no such operator\n"
        "  - Missing:z: Missing (opset 17; f32[2,3]): no such operator"
    )


def test_unsupported_use_of_a_known_operator() -> None:
    model = parse(
        "g (float[1,2,4] x, float[2] s) => (float[1,2,4] y)"
        "{ y = BatchNormalization <spatial = 0> (x, s, s, s, s) }",
        opset=8,
    )
    assert message(UnsupportedError, model) == (
        "1 node of the model is not supported\n"
        "  - BatchNormalization:y: BatchNormalization "
        "(opset 8; f32[1,2,4], f32[2], f32[2], f32[2], f32[2]): spatial = 0 is not supported"
    )


def test_domain_that_is_not_imported() -> None:
    assert message(
        UnsupportedError, parse("g (float[2] x) => (float[2] y) { y = com.microsoft.Gelu(x) }")
    ) == (
        "1 node of the model is not supported\n"
        "  - Gelu:y: com.microsoft.Gelu (opset 0; f32[2]): "
        "the model does not import the operator's domain"
    )


def test_unsupported_element_types() -> None:
    assert message(UnsupportedError, parse("g (string[2] x) => (string[2] y) { y = Relu(x) }")) == (
        "input 'x' has element type string, which is not supported"
    )
    model = parse(RELU)
    model.graph.node[0].input[0] = "w"
    model.graph.initializer.append(helper.make_tensor("w", TensorProto.COMPLEX64, [1], [1j]))
    assert message(UnsupportedError, model) == (
        "1 node of the model is not supported\n"
        "  - Relu:y: Relu (opset 17; ?): "
        "tensor 'w' has element type complex64, which is not supported"
    )


def test_shapes_that_do_not_fit_name_the_node() -> None:
    model = parse("g (float[2,3] x, float[4] b) => (float[2,3] y) { [bias] y = Add(x, b) }")
    assert message(ShapeError, model) == ("add: shapes [2,3] and [4] do not broadcast\n  at: bias")


def test_types_that_do_not_fit_name_the_node() -> None:
    model = parse("g (float[2] x, int64[2] b) => (float[2] y) { y = Add(x, b) }")
    assert message(DtypeError, model) == (
        "add: inputs differ in element type: f32, i64\n  at: Add:y"
    )


def test_declared_output_contradicts() -> None:
    model = parse("g (float[2] x) => (int64[2] y) { y = Relu(x) }")
    assert message(ModelError, model) == "output 'y' is declared as i64, but is f32"


def test_shape_from_data() -> None:
    model = parse("g (float[4] x, int64[2] s) => (float[a,b] y) { y = Reshape(x, s) }")
    assert message(NeedsValue, model) == (
        "Reshape: the shape must be known at import, not computed from data\n  at: Reshape:y"
    )


def test_shape_that_the_caller_can_fix() -> None:
    model = parse(
        """g (float[batch,3,height,8] x) => (float[a,b] y)
        { s = Constant <value_ints = [-1, 24]> () y = Reshape(x, s) }"""
    )
    assert message(ShapeError, model) == (
        "reshape: shape (batch * height, 24) must be numbers\n"
        "  at: Reshape:y\n"
        "  hint: give shapes={'x': (batch, 3, height, 8)} with numbers for batch, height"
    )


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"z": (1,)}, "shapes names 'z', which is no input\n  hint: inputs: 'x', 'y'"),
        ({"x": (1, 2)}, "shapes gives input 'x' 2 dimensions, the model 3"),
        (
            {"x": (1, 2, 5)},
            "shapes gives input 'x' the shape (1, 2, 5), but the model fixes axis 2 to 4",
        ),
        ({"x": (1, -2, 4)}, "shapes gives input 'x' the dimension -2"),
        ({"x": (1, 1.5, 4)}, "shapes gives input 'x' the dimension 1.5"),
        (
            {"x": (2, 2, 4), "y": (3,)},
            "shapes gives input 'y' the shape (3), but n is 2 elsewhere",
        ),
    ],
)
def test_bad_shapes(shapes: dict[str, tuple[int, ...]], expected: str) -> None:
    model = parse("g (float[n,m,4] x, float[n] y) => (float[n,m,4] z) { z = Relu(x) }")
    assert message(InputError, model, shapes=shapes) == expected


def test_input_without_shape() -> None:
    model = parse(RELU)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert message(ShapeError, model) == (
        "input 'x' has no shape in the model\n  hint: give shapes={'x': (…)}"
    )
    assert import_model(model, {"x": (5,)}).outputs[0].type.shape == (5,)


def test_input_that_is_no_tensor() -> None:
    model = parse(RELU)
    sequence = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [2])
    model.graph.input[0].CopyFrom(sequence)
    assert message(UnsupportedError, model) == "input 'x' is not a tensor but sequence"


def test_cycle() -> None:
    model = parse("g (float[2] x) => (float[2] y) { [p] a = Add(x, y) [q] y = Relu(a) }")
    assert message(ModelError, model) == "the nodes form a cycle\n  at: p, q"


def test_name_that_nothing_writes() -> None:
    model = parse("g (float[2] x) => (float[2] y) { y = Add(x, w) }")
    assert message(ModelError, model) == "'w' is read, but nothing writes it\n  at: Add:y"


def test_name_written_twice() -> None:
    model = parse("g (float[2] x) => (float[2] y) { y = Relu(x) y = Abs(x) }")
    assert message(ModelError, model) == "'y' is written more than once\n  at: Abs:y"


def test_output_that_nothing_writes() -> None:
    model = parse("g (float[2] x) => (float[2] z) { y = Relu(x) }")
    assert message(ModelError, model) == "output 'z' is written by no node"


def test_no_outputs() -> None:
    model = parse(RELU)
    del model.graph.output[:]
    assert message(ModelError, model) == "the model has no outputs"


def _huge_initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[1 << 40, 1 << 40])


def _lying_initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(
        name="w", data_type=TensorProto.FLOAT, dims=[1000, 1000], raw_data=b"1234"
    )


def _lying_field(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(
        name="w", data_type=TensorProto.FLOAT, dims=[1000, 1000], float_data=[1.0, 2.0]
    )


def _negative_dimension(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[-2])


def _no_element_type(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(name="w", dims=[2])


def _strange_element_type(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(name="w", data_type=99, dims=[2])


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            _huge_initializer,
            (
                "tensor 'w' is too large: f32[1099511627776,1099511627776] takes "
                f"{4 << 80} bytes\n  at: Add:y"
            ),
        ),
        (_lying_initializer, "tensor 'w': f32[1000,1000] takes 4000000 bytes, not 4"),
        (_lying_field, "tensor 'w': f32[1000,1000] has 1000000 elements, the file holds 2"),
        (_negative_dimension, "tensor 'w' has a negative dimension: [-2]"),
        (_no_element_type, "tensor 'w' has no element type"),
        (
            _strange_element_type,
            "tensor 'w' has element type number 99, which ONNX does not define",
        ),
    ],
)
def test_broken_initializers(spoil: Callable[[onnx.ModelProto], None], expected: str) -> None:
    model = parse("g (float[2] x) => (float[2] y) { y = Add(x, w) }")
    spoil(model)
    assert message(ModelError, model).removesuffix("\n  at: Add:y") == expected.removesuffix(
        "\n  at: Add:y"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            (
                "g () => (float[a] y) { s = Constant <value_ints = [1048576, 1048576, 4]> ()"
                " y = ConstantOfShape(s) }"
            ),
            (
                "ConstantOfShape: the result is too large: "
                "f32[1048576,1048576,4] takes 17592186044416 bytes\n  at: ConstantOfShape:y"
            ),
        ),
        (
            "g (float[1048576,1] x, float[1,1048576] z) => (float[a,b] y) { y = Add(x, z) }",
            (
                "the result of add is too large: "
                "f32[1048576,1048576] takes 4398046511104 bytes\n  at: Add:y"
            ),
        ),
        (
            "g (float[4194304,4194304] x) => (float[a,b] y) { y = Relu(x) }",
            "input 'x' is too large: f32[4194304,4194304] takes 70368744177664 bytes",
        ),
    ],
)
def test_huge_tensors(text: str, expected: str) -> None:
    assert message(ModelError, parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y = Relu(x, x)", "Relu: 2 inputs, expected 1"),
        ("y = Add(x)", "Add: 1 inputs, expected 2"),
        ("y = Relu <speed = 3> (x)", "Relu: attribute speed is unknown in operator set 17"),
        ("y = Transpose <perm = [0, 0]> (x)",
         "Transpose: perm [0, 0] does not permute the axes of f32[2,3]"),
        ("y = Concat <axis = 2> (x, x)", "axis 2 is not an axis of a tensor of rank 2"),
        ("y = Concat (x, x)", "Concat: attribute axis is missing"),
        ("y = Concat <axis = 1.5> (x, x)", "Concat: attribute axis must be an integer"),
        ("y = Flatten <axis = 3> (x)", "axis 3 is not an axis of a tensor of rank 2"),
        ("s = Constant <value_ints = [5, -1]> () y = Reshape(x, s)",
         "Reshape: [2,3] does not fit [5,-1]"),
        ("s = Constant <value_ints = [-1, -1]> () y = Reshape(x, s)",
         "Reshape: [-1,-1] has more than one -1"),
        ("s = Constant <value_ints = [0, 0, 0]> () y = Reshape(x, s)",
         "Reshape: dimension 2 copies one that [2,3] lacks"),
        ("y, z = Split <axis = 1> (x)",
         "Split: axis 1 of f32[2,3] does not split into 2 equal parts"),
        ("s = Constant <value_ints = [0]> () y = Squeeze(x, s)",
         "Squeeze: axis 0 of f32[2,3] is not 1"),
        ("y = Einsum <equation = \"ij,jk->ik\"> (x)",
         "Einsum: 'ij,jk->ik' has 2 terms for 1 inputs"),
        ("y = MaxPool <kernel_shape = [2]> (x)", "MaxPool: input f32[2,3] has no spatial axes"),
        ("y = Constant <value_int = 1, value_float = 2.0> ()",
         "Constant: 2 attributes, expected 1"),
    ],
)  # fmt: skip
def test_broken_nodes(text: str, expected: str) -> None:
    model = parse("g (float[2,3] x) => (float[a,b] y) { [spoilt] " + text + " }")
    for node in model.graph.node:
        node.name = "spoilt"
    assert message(ModelError, model) == f"{expected}\n  at: spoilt"


def test_random_corruption_never_escapes_the_family() -> None:
    weights = numpy_helper.from_array(np.ones((4, 2, 3, 3), np.float32), "w")
    model = parse(
        """g (float[1,2,8,8] x, float[4,2,3,3] w) => (float[1,n] z) {
            y = Conv <pads = [1,1,1,1], strides = [2,2]> (x, w)
            s = Constant <value_ints = [0, -1]> ()
            z = Reshape(y, s)
        }"""
    )
    model.graph.initializer.append(weights)
    data = model.SerializeToString()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        spoilt = bytearray(data)
        for position in random.integers(0, len(data), 3):
            spoilt[position] = random.integers(0, 256)
        try:
            import_model(bytes(spoilt))
        except MlcError:
            refused += 1
    assert refused > 50
