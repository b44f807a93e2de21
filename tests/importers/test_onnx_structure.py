"""The structure of models: order, names, inputs, outputs, constants, subgraphs, functions."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlc.importers.onnx import SurveyRow, import_model, supported_operators, survey
from mlc.importers.onnx.tensors import DTYPES, array_from_onnx
from mlc.importers.onnx.weights import WeightFiles
from mlc.ir.dtype import BF16, BOOL, F16, I64
from mlc.ir.expr import Var
from mlc.ir.interpret import run_graph
from mlc.ir.verify import verify_graph
from tests.importers.evaluate import assert_agrees, operators, parse


def test_unsorted_nodes() -> None:
    model = parse(
        """g (float[2,3] x) => (float[2,3] d) {
            d = Exp(c)  b = Abs(x)  c = Neg(b)
        }"""
    )
    graph = import_model(model)
    assert operators(graph) == ["abs", "neg", "exp"]
    feeds = {"x": np.float32([[1, -2, 3], [0, 1, -1]])}
    np.testing.assert_allclose(run_graph(graph, feeds)["d"], np.exp(-np.abs(feeds["x"])), rtol=1e-6)


def test_nodes_that_no_output_needs_are_left_out() -> None:
    model = parse("g (float[2] x) => (float[2] y) { y = Relu(x) z = NoSuchOperator(x) }")
    assert operators(import_model(model)) == ["relu"]


def test_names_and_locations() -> None:
    model = parse(
        """g (float[1,2,4,4] x, float[3,2,1,1] w, float[3] b) => (float[1,3,4,4] y) {
            [first] c = Conv(x, w, b)
            y = Relu(c)
        }"""
    )
    graph = import_model(model)
    assert graph.name == "g"
    assert [(node.op, node.output.name, node.loc) for node in graph.nodes] == [
        ("conv", "c.conv", ("first",)),
        ("reshape", "c.reshape", ("first",)),
        ("add", "c", ("first",)),
        ("relu", "y", ("Relu:y",)),
    ]
    assert [value.name for value in graph.inputs] == ["x", "w", "b"]


def test_initializers_that_are_inputs_too() -> None:
    model = parse("g (float[2] x, float[2] w) => (float[2] y) { y = Add(x, w) }")
    model.graph.initializer.append(numpy_helper.from_array(np.float32([3, 4]), "w"))
    graph = import_model(model)
    assert [value.name for value in graph.inputs] == ["x"]
    assert [(value.name, array.tolist()) for value, array in graph.constants.items()] == [
        ("w", [3.0, 4.0])
    ]


def test_initializers_and_constant_nodes_give_one_graph() -> None:
    by_node = parse(
        "g (float[2] x) => (float[2] y) { w = Constant <value = float[2] {3, 4}> () y = Mul(x, w) }"
    )
    by_initializer = parse("g (float[2] x) => (float[2] y) { y = Mul(x, w) }")
    by_initializer.graph.initializer.append(numpy_helper.from_array(np.float32([3, 4]), "w"))
    first, second = import_model(by_node), import_model(by_initializer)
    assert operators(first) == operators(second) == ["mul"]
    for graph in (first, second):
        assert [array.tolist() for array in graph.constants.values()] == [[3.0, 4.0]]
        assert [value.name for value in graph.constants] == ["w"]


def test_outputs_of_every_origin() -> None:
    """An input, a constant, one value twice, and an alias of a value."""
    model = parse(
        """g (float[2] x) => (float[2] x2, float[2] c, float[2] y, float[2] z, float[2] c2) {
            x2 = Identity(x)
            c = Constant <value = float[2] {5, 6}> ()
            c2 = Identity(c)
            y = Relu(x)
            z = Identity(y)
        }"""
    )
    assert_agrees(model)


def test_input_that_is_an_output() -> None:
    model = parse("g (float[2] x) => (float[2] x) { y = Relu(x) }")
    graph = import_model(model)
    verify_graph(graph)
    assert [value.name for value in graph.inputs] == ["x"]
    assert graph.outputs == graph.inputs


def test_one_output_named_twice() -> None:
    model = parse("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    model.graph.output.append(model.graph.output[0])
    graph = import_model(model)
    assert operators(graph) == ["relu", "identity"]
    assert len(graph.outputs) == 2


def test_optional_inputs_left_out() -> None:
    assert_agrees(parse("g (float[2,3] x, float m) => (float[2,3] y) { y = Clip(x, , m) }"))


def test_foreign_domains_that_nothing_uses() -> None:
    model = parse("g (float[2] x) => (float[2] y) { y = Relu(x) }", domains=[("acme", 9)])
    assert operators(import_model(model)) == ["relu"]


def test_default_domain_spelled_out() -> None:
    model = parse("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    model.graph.node[0].domain = "ai.onnx"
    model.opset_import[0].domain = "ai.onnx"
    assert operators(import_model(model)) == ["relu"]


def test_local_functions_are_inlined() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17, "local": 1]>
        g (float[2] x) => (float[2] y) { y = local.square(x) }
        <domain: "local", opset_import: ["": 17]>
        square (a) => (b) { b = Mul(a, a) }"""
    )
    assert operators(import_model(model)) == ["mul"]


def test_constant_branches_are_taken() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17]>
        g (float[2,1] x) => (float[a] y) {
            s = Shape(x)
            one = Constant <value_ints = [1]> ()
            last = Constant <value_int = 1> ()
            size = Gather(s, last)
            is_one = Equal(size, one)
            y = If (is_one) <
                then_branch = t () => (float[a] r) { r = Squeeze(x, one) },
                else_branch = e () => (float[a,b] q) { q = NoSuchOperator(x) }
            >
        }"""
    )
    graph = import_model(model)
    assert operators(graph) == ["reshape"]
    assert graph.outputs[0].type.shape == (2,)


def test_survey_tells_of_every_node() -> None:
    model = parse(
        """g (float[2,3] x) => (float[2,3] y) {
            [a] a = Relu(x) [b] b = acme.Fancy(a) [c] y = Add(b, x)
        }""",
        domains=[("acme", 3)],
    )
    assert survey(model) == [
        SurveyRow("a", "Relu", "", 17, ("f32[2,3]",), True),
        SurveyRow("b", "Fancy", "acme", 3, ("f32[2,3]",), False, "no such operator"),
        SurveyRow("c", "Add", "", 17, ("?", "f32[2,3]"), True),
    ]


def test_survey_without_shapes() -> None:
    model = parse(
        """g (float[n,2,4,4] x, float[3,2,1,1] w) => (float[n,3,4,4] y)
        { c = Conv(x, w) r = Relu(c) y = Det2(r) }"""
    )
    assert [(row.op, row.supported) for row in survey(model)] == [
        ("Conv", True),
        ("Relu", True),
        ("Det2", False),
    ]
    assert survey(model)[0].reason == "conv: the shape of f32[n,2,4,4] must be known"


def test_supported_operators_are_of_onnx() -> None:
    names = supported_operators()
    assert names == sorted(set(names))
    for domain, name in names:
        if domain == "" and name != "SimplifiedLayerNormalization":
            assert onnx.defs.get_schema(name, onnx.defs.onnx_opset_version(), "").name == name


@pytest.mark.parametrize("code", sorted(DTYPES), ids=lambda code: str(DTYPES[code]))
@pytest.mark.parametrize("raw", [True, False])
def test_every_element_type(code: int, raw: bool) -> None:
    dtype = DTYPES[code]
    numbers = [0, 1, 1] if dtype is BOOL else [2, 1, 1] if dtype.is_storage else [0, 1, 100]
    if dtype.is_float or dtype.kind == "int":
        numbers[2] = -numbers[2]
    expected = np.array(numbers).astype(dtype.numpy)
    if raw:
        tensor = numpy_helper.from_array(expected, "t")
    else:
        tensor = helper.make_tensor("t", code, [3], expected)
    found = array_from_onnx(tensor, WeightFiles(None))
    assert found.dtype == dtype.numpy
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, numpy_helper.to_array(tensor))


@pytest.mark.parametrize("dtype", [F16, BF16], ids=str)
def test_half_precision_keeps_every_bit(dtype: object) -> None:
    code = TensorProto.FLOAT16 if dtype is F16 else TensorProto.BFLOAT16
    bits = np.arange(0, 1 << 16, 7, dtype=np.uint16)
    tensor = TensorProto(name="t", data_type=code, dims=[len(bits)], int32_data=bits.tolist())
    found = array_from_onnx(tensor, WeightFiles(None))
    np.testing.assert_array_equal(found.view(np.uint16), bits)


def test_a_large_constant_is_not_evaluated() -> None:
    model = parse(
        """g () => (float[n] y) {
            s = Constant <value_ints = [100000]> ()
            c = ConstantOfShape <value = float[1] {2}> (s)
            y = Sqrt(c)
        }"""
    )
    graph = import_model(model)
    assert operators(graph) == ["sqrt"]
    assert [array.shape for array in graph.constants.values()] == [(100000,)]


BERT_EMBEDDING = """g (int64[batch,length] ids, float[10,4] table) => (float[batch,length,4] y) {
    s = Shape(ids)
    one = Constant <value_int = 1> ()
    zero = Constant <value_int = 0> ()
    axes = Constant <value_ints = [0]> ()
    length = Gather(s, one)
    positions = Range(zero, length, one)
    row = Unsqueeze(positions, axes)
    full = Expand(row, s)
    words = Gather(table, ids)
    places = Gather(table, full)
    y = Add(words, places)
}"""


def test_shape_arithmetic_folds_away() -> None:
    graph = import_model(parse(BERT_EMBEDDING), {"ids": (2, 3)})
    assert operators(graph) == ["gather", "gather", "add"]
    assert [array.tolist() for array in graph.constants.values()] == [[[0, 1, 2], [0, 1, 2]]]


def test_heads_split_with_sizes_known_in_part() -> None:
    """A dimension of 1 beside symbols: what is computed from both folds when they are given."""
    model = parse(
        """g (float[batch,length,12] x) => (float[a,b,c,d] y) {
            s = Shape(x)
            i0 = Constant <value_int = 0> () i1 = Constant <value_int = 1> ()
            a0 = Constant <value_ints = [0]> ()
            n = Gather(s, i0) l = Gather(s, i1)
            n1 = Unsqueeze(n, a0) l1 = Unsqueeze(l, a0)
            h = Constant <value_ints = [3]> () e = Constant <value_ints = [-1]> ()
            target = Concat <axis = 0> (n1, l1, h, e)
            split = Reshape(x, target)
            y = Transpose <perm = [0, 2, 1, 3]> (split)
        }"""
    )
    graph = import_model(model, {"x": (2, 5, 12)})
    assert operators(graph) == ["reshape", "transpose"]
    assert graph.outputs[0].type.shape == (2, 3, 5, 4)


def test_symbols_stay_where_nothing_needs_numbers() -> None:
    model = parse(
        """g (float[batch,3,8] x, float[8,4] w) => (float[batch,3,4] y)
        { c = MatMul(x, w) y = Relu(c) }"""
    )
    assert import_model(model).outputs[0].type.shape == (Var("batch"), 3, 4)


def test_symbols_are_bound_everywhere() -> None:
    model = parse("g (float[n,4] a, float[n,4] b) => (float[n,4] y) { y = Add(a, b) }")
    graph = import_model(model, {"a": (7, 4)})
    assert [value.type.shape for value in (*graph.inputs, *graph.outputs)] == [(7, 4)] * 3
    graph = import_model(model, {"a": ("rows", 4)})
    assert graph.outputs[0].type.shape == (Var("rows"), 4)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("dim_value", -1, Var("x_0")),
        ("dim_value", 0, 0),
        ("dim_param", "-1", Var("x_0")),
        ("dim_param", "?", Var("x_0")),
        ("dim_param", "", Var("x_0")),
        ("dim_param", "6", 6),
        ("dim_param", "batch size.0", Var("batch_size_0")),
        ("dim_param", "2n", Var("d2n")),
    ],
)
def test_dimensions_as_exporters_write_them(field: str, value: object, expected: object) -> None:
    model = parse("g (float[n,2] x) => (float[n,2] y) { y = Relu(x) }")
    dim = model.graph.input[0].type.tensor_type.shape.dim[0]
    dim.Clear()
    setattr(dim, field, value)
    assert import_model(model).inputs[0].type.shape == (expected, 2)
    assert import_model(model, {"x": (6, 2)}).inputs[0].type.shape == (6, 2)


def test_scalar_inputs_and_integers() -> None:
    model = parse("g (int64 a, int64[2] b) => (int64[2] y) { y = Div(b, a) }")
    graph = import_model(model)
    assert graph.inputs[0].type.dtype is I64
    feeds = {"a": np.array(2), "b": np.array([-7, 7])}
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    np.testing.assert_array_equal(run_graph(graph, feeds)["y"], expected[0])
