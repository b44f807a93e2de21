"""Operators whose meaning or form changed: older operator sets against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from mlc.importers.onnx import import_model
from mlc.ir.interpret import run_graph
from tests.importers.evaluate import assert_agrees, operators, parse, random_inputs

UNARY = [
    # opset, attributes and operator, input shape
    (7, "Softmax <axis = 1>", "2,3,4"),
    (7, "Softmax", "2,3,1,1"),
    (11, "Softmax <axis = 0>", "2,3"),
    (11, "Softmax <axis = -1>", "2,3,4"),
    (13, "Softmax", "2,3,4"),
    (13, "Softmax <axis = 1>", "2,3,4"),
    (11, "LogSoftmax <axis = 1>", "2,3,4"),
    (13, "LogSoftmax <axis = 0>", "2,3,4"),
    (11, "Hardmax <axis = 1>", "2,3,4"),
    (13, "Hardmax <axis = 1>", "2,3,4"),
    (7, "Clip <min = -0.5, max = 0.25>", "2,3"),
    (9, "Clip <min = 0.0>", "2,3"),
    (10, "Clip <max = 0.0>", "2,3"),
    (9, "Slice <starts = [1, -2], ends = [9, -1], axes = [1, 2]>", "2,3,4"),
    (9, "Slice <starts = [0, 1], ends = [1, 2]>", "2,3,4"),
    (10, "Pad <pads = [0, 1, 2, 0], value = 1.5>", "2,3"),
    (9, "Pad <mode = \"reflect\", pads = [1, 2, 0, 1]>", "2,3"),
    (9, "Pad <mode = \"edge\", pads = [1, 2, 0, 1]>", "2,3"),
    (9, "Pad <pads = [0, -1, 2, -1]>", "2,3"),
    (11, "Squeeze <axes = [0, -1]>", "1,3,1"),
    (11, "Squeeze", "1,3,1"),
    (13, "Squeeze", "1,3,1"),
    (11, "Unsqueeze <axes = [0, -1]>", "2,3"),
    (7, "ReduceSum <axes = [1], keepdims = 0>", "2,3,4"),
    (11, "ReduceSum", "2,3,4"),
    (13, "ReduceMean <axes = [-1, 0]>", "2,3,4"),
    (17, "ReduceL2 <axes = [1]>", "2,3,4"),
    (13, "ReduceLogSumExp <axes = [1], keepdims = 0>", "2,3,4"),
    (7, "ReduceMax <axes = [0]>", "2,3,4"),
    (7, "ArgMax <axis = 1, keepdims = 0>", "2,3,4"),
    (12, "ArgMin <axis = -1, select_last_index = 1>", "2,3,4"),
    (7, "Upsample <mode = \"nearest\", scales = [1.0, 1.0, 2.0, 3.0]>", "1,2,3,4"),
    (7, "Upsample <mode = \"linear\", scales = [1.0, 1.0, 2.0, 2.0]>", "1,2,3,4"),
    (7, "Dropout <ratio = 0.5>", "2,3"),
    (10, "Dropout", "2,3"),
    (7, "Flatten", "2,3,4"),
    (9, "Flatten <axis = 0>", "2,3,4"),
    (11, "Flatten <axis = -1>", "2,3,4"),
    (11, "Flatten <axis = 3>", "2,3,4"),
    (11, "DepthToSpace <blocksize = 2, mode = \"CRD\">", "1,8,2,3"),
    (9, "DepthToSpace <blocksize = 2>", "1,8,2,3"),
    (9, "SpaceToDepth <blocksize = 2>", "1,2,4,6"),
    (7, "LRN <size = 3>", "1,5,2,2"),
    (9, "MaxPool <kernel_shape = [2, 2]>", "1,2,5,5"),
    (9, "MaxPool <kernel_shape = [3], strides = [2], auto_pad = \"SAME_UPPER\">", "1,2,6"),
    (9, "MaxPool <kernel_shape = [4], strides = [2], auto_pad = \"SAME_LOWER\">", "1,2,7"),
    (10, "MaxPool <kernel_shape = [2], dilations = [2], ceil_mode = 1, strides = [2]>", "1,2,8"),
    (12, "MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]>", "1,2,7,8"),
    (12, "MaxPool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1>", "1,2,7,8"),
    (12, "MaxPool <kernel_shape = [2, 2, 2], strides = [2, 2, 2]>", "1,2,4,4,5"),
    (7, "AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]>", "1,2,5,5"),
    (7, "AveragePool <kernel_shape = [3], pads = [1, 1], count_include_pad = 1>", "1,2,5"),
    (11, "AveragePool <kernel_shape = [3], strides = [2], auto_pad = \"SAME_UPPER\">", "1,2,6"),
    (11, "AveragePool <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1>", "1,2,5,5"),
    (19, "AveragePool <kernel_shape = [2], dilations = [2]>", "1,2,7"),
    (7, "GlobalAveragePool", "2,3,4,5"),
    (7, "GlobalMaxPool", "2,3,4,5"),
    (11, "LpPool <kernel_shape = [2], p = 3>", "1,2,6"),
    (18, "LpPool <kernel_shape = [3], strides = [2], ceil_mode = 1, pads = [1, 0]>", "1,2,7"),
    (7, "GlobalLpPool <p = 1>", "1,2,3,4"),
    (9, "MeanVarianceNormalization", "2,3,4,5"),
    (13, "MeanVarianceNormalization <axes = [1]>", "2,3"),
    (7, "LpNormalization <axis = 1, p = 1>", "2,3,4"),
    (7, "Selu", "2,3"),
    (12, "Celu <alpha = 2.0>", "2,3"),
    (10, "ThresholdedRelu <alpha = 0.5>", "2,3"),
    (9, "Shrink <bias = 0.5, lambd = 0.75>", "2,3"),
    (18, "Mish", "2,3"),
    (20, "Gelu <approximate = \"tanh\">", "2,3"),
    (14, "HardSwish", "2,3"),
    (7, "HardSigmoid <alpha = 0.3>", "2,3"),
    (14, "Trilu", "3,4"),
    (9, "EyeLike <k = 1>", "3,4"),
    (7, "Cast <to = 7>", "2,3"),
    (19, "IsInf <detect_negative = 0>", "2,3"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("opset", "operator", "shape"), UNARY, ids=[f"{row[1]}-{row[0]}" for row in UNARY]
)
def test_one_input(opset: int, operator: str, shape: str) -> None:
    types = {"Cast": "int64", "IsInf": "bool", "ArgMa": "int64", "ArgMi": "int64"}
    kind = next((t for name, t in types.items() if operator.startswith(name)), "float")
    assert_agrees(parse(_one_input(operator, shape, kind), opset))


def _one_input(operator: str, shape: str, kind: str) -> str:
    name, _, attributes = operator.partition(" ")
    return f"g (float[{shape}] x) => ({kind} y) {{ y = {name} {attributes} (x) }}"


CONSTANTS = [
    # opset, nodes that read x, its shape
    (10, ("s = Constant <value = int64[1] {1}> () e = Constant <value = int64[1] {9}> ()"
         "a = Constant <value = int64[1] {-1}> () y = Slice(x, s, e, a)"), "2,3,4"),
    (13, ("s = Constant <value_ints = [3, 0]> () e = Constant <value_ints = [-9, 9]> ()"
         "a = Constant <value_ints = [2, 1]> () t = Constant <value_ints = [-2, 2]> ()"
         "y = Slice(x, s, e, a, t)"), "2,3,4"),
    (11, ("p = Constant <value = int64[4] {0, 1, 2, 0}> () v = Constant <value = float {2}> ()"
         "y = Pad(x, p, v)"), "2,3"),
    (18, ("p = Constant <value_ints = [1, 2]> () v = Constant <value_float = 0.5> ()"
         "a = Constant <value_ints = [-1]> () y = Pad(x, p, v, a)"), "2,3"),
    (19, "p = Constant <value_ints = [1, 2, 0, 1]> () y = Pad <mode = \"wrap\"> (x, p)", "2,3"),
    (13, "a = Constant <value_ints = [0, -1]> () y = Unsqueeze(x, a)", "2,3"),
    (13, "a = Constant <value_ints = [0]> () y = Squeeze(x, a)", "1,3,1"),
    (13, "a = Constant <value_ints = [1]> () y = ReduceSum <keepdims = 0> (x, a)", "2,3,4"),
    (13, ("a = Constant <value = int64[0] {}> ()"
         "y = ReduceSum <noop_with_empty_axes = 1> (x, a)"), "2,3"),
    (18, "a = Constant <value_ints = [-1]> () y = ReduceMean(x, a)", "2,3,4"),
    (18, "a = Constant <value_ints = [0, 2]> () y = ReduceL1(x, a)", "2,3,4"),
    (11, ("l = Constant <value = float {-0.5}> () h = Constant <value = float {0.5}> ()"
         "y = Clip(x, l, h)"), "2,3"),
    (9, ("s = Constant <value = float[4] {1, 1, 2, 2}> ()"
        "y = Upsample <mode = \"nearest\"> (x, s)"), "1,2,3,4"),
    (10, ("s = Constant <value = float[4] {1, 1, 2, 1.5}> ()"
         "y = Resize <mode = \"linear\"> (x, s)"), "1,2,3,4"),
    (11, ("r = Constant <value = float[0] {}> () s = Constant <value = float[4] {1, 1, 2, 2}> ()"
         "y = Resize <mode = \"nearest\", nearest_mode = \"floor\","
         "coordinate_transformation_mode = \"asymmetric\"> (x, r, s)"), "1,2,3,4"),
    (13, ("s = Constant <value_ints = [1, 2, 5, 7]> ()"
         "y = Resize <mode = \"linear\", coordinate_transformation_mode = \"align_corners\">"
         "(x, , , s)"), "1,2,3,4"),
    (13, ("s = Constant <value_ints = [1, 2, 5, 7]> ()"
         "y = Resize <mode = \"cubic\"> (x, , , s)"), "1,2,3,4"),
    (19, ("s = Constant <value_ints = [6, 4]> ()"
         "y = Resize <mode = \"linear\", axes = [2, 3],"
         "coordinate_transformation_mode = \"pytorch_half_pixel\"> (x, , , s)"), "1,2,3,4"),
    (7, "s = Constant <value = int64[3] {0, -1, 2}> () y = Reshape(x, s)", "2,3,4"),
    (8, "s = Constant <value = int64[3] {2, 1, 3}> () y = Expand(x, s)", "3,1"),
    (7, "r = Constant <value = int64[2] {2, 3}> () y = Tile(x, r)", "2,3"),
    (11, ("a = Constant <value = int64 {-1}> ()"
         "y = CumSum <exclusive = 1, reverse = 1> (x, a)"), "2,4"),
    (7, "e = Constant <value = float {2}> () y = Pow(x, e)", "2,3"),
    (12, "e = Constant <value_int = 3> () y = Pow(x, e)", "2,3"),
    (7, "i = Constant <value = int64[2] {2, 0}> () y = Gather <axis = 1> (x, i)", "2,3"),
    (13, "i = Constant <value = int64[2,2] {-1, 0, 1, 1}> () y = Gather(x, i)", "3,2"),
    (13, ("i = Constant <value = int64[2,2] {-1, 0, 1, 1}> ()"
         "y = GatherElements <axis = 1> (x, i)"), "2,2"),
    (13, "i = Constant <value = int64[2,1] {1, 0}> () y = GatherND <batch_dims = 1> (x, i)", "2,3"),
    (9, ("i = Constant <value = int64[1,2] {1, 0}> () u = Constant <value = float[1,2] {5, 6}> ()"
        "y = Scatter(x, i, u)"), "3,2"),
    (16, ("i = Constant <value = int64[1,2] {1, 0}> () u = Constant <value = float[1,2] {5, 6}> ()"
         "y = ScatterElements <axis = 1, reduction = \"add\"> (x, i, u)"), "3,2"),
    (13, ("i = Constant <value = int64[2,1] {2, 0}> ()"
         "u = Constant <value = float[2,2] {5, 6, 7, 8}> () y = ScatterND(x, i, u)"), "3,2"),
    (9, "c = Constant <value = bool[3] {1, 0, 1}> () y = Compress <axis = 0> (x, c)", "3,2"),
    (7, "a, b = Split <axis = 1, split = [1, 2]> (x) y = Concat <axis = 1> (b, a)", "2,3"),
    (11, "a, b = Split <axis = -1> (x) y = Sub(b, a)", "2,4"),
    (13, ("s = Constant <value_ints = [1, 2]> ()"
         "a, b = Split <axis = 1> (x, s) y = Concat <axis = 1> (b, a)"), "2,3"),
    (18, "a, b = Split <axis = 1, num_outputs = 2> (x) y = Concat <axis = 1> (b, a)", "2,5"),
    (9, "s = Shape(x) y0 = ConstantOfShape <value = float[1] {3}> (s) y = Mul(x, y0)", "2,3"),
    (15, ("s = Shape <start = 1, end = -1> (x) z = Size(x) f = Cast <to = 1> (s)"
         "g = Cast <to = 1> (z) h = Mul(f, g) y = Mul(x, h)"), "2,3,4"),
    (8, "y = Sum(x, x, x)", "2,3"),
    (8, "z = Neg(x) y = Mean(x, z, x)", "2,3"),
    (8, "z = Neg(x) y = Max(x, z)", "2,3"),
    (12, "z = Neg(x) w = Abs(x) y = Min(x, z, w)", "2,3"),
    (10, "z = Abs(x) y = Mod <fmod = 1> (x, z)", "2,3"),
    (9, "z = Neg(x) c = Greater(x, z) y = Where(c, x, z)", "2,3"),
    (12, "y = Einsum <equation = \"ij->ji\"> (x)", "2,3"),
    (12, "y = Einsum <equation = \"bij,bkj->bik\"> (x, x)", "2,3,4"),
    (12, "y = Einsum <equation = \"...ij,...jk\"> (x, x)", "2,3,3"),
    (12, "y = Einsum <equation = \"i,j->ij\"> (x, x)", "3"),
    (12, "y = Einsum <equation = \"ij,jk,kl->il\"> (x, x, x)", "3,3"),
    (12, "y = Einsum <equation = \"abcd,aefd->abecf\"> (x, x)", "2,3,4,5"),
    (12, "y = Einsum <equation = \"ii->i\"> (x)", "3,3"),
    (12, "y = Einsum <equation = \"iji->j\"> (x)", "3,4,3"),
    (12, "y = Einsum <equation = \"iiij->ij\"> (x)", "3,3,3,4"),
    (12, "y = Einsum <equation = \"ii\"> (x)", "4,4"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("opset", "nodes", "shape"),
    CONSTANTS,
    ids=[f"{row[1].rsplit('y = ')[-1][:40]}-{row[0]}" for row in CONSTANTS],
)
def test_constant_operands(opset: int, nodes: str, shape: str) -> None:
    assert_agrees(parse(f"g (float[{shape}] x) => (float y) {{ {nodes} }}", opset))


SEVERAL = [
    # opset, nodes, inputs
    (
        7,
        "y = BatchNormalization <epsilon = 0.1> (x, s, b, m, v2) ",
        "float[2,3,4] x, float[3] s, float[3] b, float[3] m, float[3] v",
    ),
    (
        15,
        "y = BatchNormalization(x, s, b, m, v2)",
        "float[2,3,4,5] x, float[3] s, float[3] b, float[3] m, float[3] v",
    ),
]


@pytest.mark.parametrize(("opset", "nodes", "inputs"), SEVERAL)
def test_batch_normalization(opset: int, nodes: str, inputs: str) -> None:
    assert_agrees(parse(f"g ({inputs}) => (float y) {{ v2 = Abs(v) {nodes} }}", opset))


INPUTS = [
    (7, "y = Gemm <alpha = 0.5, beta = 2.0, transB = 1> (a, b, c)",
     "float[2,3] a, float[4,3] b, float[4] c"),
    (11, "y = Gemm <transA = 1> (a, b)", "float[3,2] a, float[3,4] b"),
    (9, "y = MatMul(a, b)", "float[3] a, float[2,3,4] b"),
    (9, "y = MatMul(a, b)", "float[2,3,4] a, float[4] b"),
    (9, "y = MatMul(a, b)", "float[4] a, float[4] b"),
    (13, "y = MatMul(a, b)", "float[2,1,3,4] a, float[5,4,2] b"),
    (7, "y = Conv <pads = [1, 0, 0, 1], strides = [2, 1]> (x, w, b)",
     "float[2,3,6,5] x, float[4,3,3,2] w, float[4] b"),
    (11, "y = Conv <group = 2, dilations = [2]> (x, w)", "float[1,4,9] x, float[6,2,3] w"),
    (11, "y = Conv <auto_pad = \"SAME_UPPER\", strides = [2, 2]> (x, w)",
     "float[1,2,7,6] x, float[3,2,3,2] w"),
    (11, "y = Conv <auto_pad = \"SAME_LOWER\"> (x, w)", "float[1,2,7] x, float[3,2,4] w"),
    (11, "y = Conv <auto_pad = \"VALID\"> (x, w)", "float[1,2,4,4,4] x, float[3,2,2,3,1] w"),
    (11, "y = ConvTranspose <strides = [2], pads = [1, 0], output_padding = [1]> (x, w, b)",
     "float[1,3,5] x, float[3,2,3] w, float[2] b"),
    (11, "y = ConvTranspose <group = 2, strides = [2, 2], dilations = [1, 2]> (x, w)",
     "float[1,4,3,3] x, float[4,2,3,2] w"),
    (11, "y = ConvTranspose <auto_pad = \"SAME_UPPER\", strides = [2, 3]> (x, w)",
     "float[1,2,3,3] x, float[2,2,3,4] w"),
    (11, "y = ConvTranspose <auto_pad = \"SAME_LOWER\", strides = [2]> (x, w)",
     "float[1,2,4] x, float[2,2,5] w"),
    (11, "y = ConvTranspose <output_shape = [8], strides = [2]> (x, w)",
     "float[1,2,4] x, float[2,2,3] w"),
    (7, "y = PRelu(x, s)", "float[2,3,4] x, float[3,1] s"),
    (7, "y = InstanceNormalization <epsilon = 0.1> (x, s, b)",
     "float[2,3,4,5] x, float[3] s, float[3] b"),
    (17, "y, m, d = LayerNormalization <axis = 1> (x, s, b)",
     "float[2,3,4] x, float[3,4] s, float[3,4] b"),
    (17, "y = LayerNormalization(x, s)", "float[2,3,4] x, float[4] s"),
    (21, "y = GroupNormalization <num_groups = 2> (x, s, b)",
     "float[2,4,3] x, float[4] s, float[4] b"),
    (7, "y = Add(a, b)", "float[2,3] a, float[3] b"),
    (7, "y = Div(a, b)", "float[2,1,3] a, float[4,1] b"),
    (7, "c = Greater(a, b) y = Cast <to = 1> (c)", "float[2,3] a, float[3] b"),
    (12, "c = LessOrEqual(a, b) y = Cast <to = 1> (c)", "float[2,3] a, float[3] b"),
    (7, "c = Xor(a, b) y = Cast <to = 1> (c)", "bool[2,3] a, bool[3] b"),
    (11, "c = Equal(a, b) y = Cast <to = 1> (c)", "int64[2,3] a, int64[3] b"),
    (11, ("d = Constant <value = int64 {4}> () v = Constant <value = float[2] {-1, 2}> ()"
         "y = OneHot <axis = 0> (i, d, v)"), "int64[2,3] i"),
    (15, "y = CastLike(a, b)", "int64[3] a, float b"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("opset", "nodes", "inputs"), INPUTS, ids=[f"{row[1][:60]}-{row[0]}" for row in INPUTS]
)
def test_several_inputs(opset: int, nodes: str, inputs: str) -> None:
    outputs = "float y, float m, float d" if "y, m, d" in nodes else "float y"
    assert_agrees(parse(f"g ({inputs}) => ({outputs}) {{ {nodes} }}", opset))


MICROSOFT = [
    ("y = com.microsoft.Gelu(x)", "float[2,3] x"),
    ("y = com.microsoft.FastGelu(x, b)", "float[2,3] x, float[3] b"),
    ("y = com.microsoft.BiasGelu(x, b)", "float[2,3] x, float[3] b"),
    ("y = com.microsoft.QuickGelu(x)", "float[2,3] x"),
    ("y = com.microsoft.FusedMatMul <transA = 1, alpha = 0.5> (a, b)",
     "float[2,4,3] a, float[2,4,5] b"),
    ("y, , , s = com.microsoft.SkipLayerNormalization <epsilon = 0.01> (x, k, g, b, c)",
     "float[2,3,4] x, float[2,3,4] k, float[4] g, float[4] b, float[4] c"),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "inputs"), MICROSOFT, ids=[row[0][:40] for row in MICROSOFT])
def test_microsoft(nodes: str, inputs: str) -> None:
    outputs = "float y, float s" if ", s =" in nodes else "float y"
    model = parse(f"g ({inputs}) => ({outputs}) {{ {nodes} }}", domains=[("com.microsoft", 1)])
    assert_agrees(model)


RECURRENT = [
    # operator, attributes, gates, directions, extra inputs
    ("LSTM", "", 4, 1),
    ("LSTM", "direction = \"reverse\"", 4, 1),
    ("LSTM", "direction = \"bidirectional\"", 4, 2),
    ("LSTM", "clip = 0.2", 4, 1),
    ("LSTM", "activations = [\"Sigmoid\", \"Relu\", \"Tanh\"]", 4, 1),
    ("GRU", "", 3, 1),
    ("GRU", "direction = \"bidirectional\", linear_before_reset = 1", 3, 2),
    ("GRU", "direction = \"reverse\"", 3, 1),
    ("RNN", "", 1, 1),
    ("RNN", "direction = \"bidirectional\", activations = [\"Relu\", \"Tanh\"]", 1, 2),
]  # fmt: skip
STEPS, BATCH, DEPTH, HIDDEN = 5, 3, 4, 6


@pytest.mark.parametrize(("operator", "attributes", "gates", "directions"), RECURRENT)
@pytest.mark.parametrize("full", [False, True], ids=["plain", "all-inputs"])
def test_recurrent(operator: str, attributes: str, gates: int, directions: int, full: bool) -> None:
    wide, state = gates * HIDDEN, f"float[{directions},{BATCH},{HIDDEN}]"
    inputs = [
        f"float[{STEPS},{BATCH},{DEPTH}] x",
        f"float[{directions},{wide},{DEPTH}] w",
        f"float[{directions},{wide},{HIDDEN}] r",
    ]
    names = "x, w, r"
    if full:
        inputs += [f"float[{directions},{2 * wide}] b", f"{state} h"]
        names += ", b, lengths, h"
        if operator == "LSTM":
            inputs += [f"{state} c", f"float[{directions},{3 * HIDDEN}] p"]
            names += ", c, p"
    outputs = ["y", "yh", *(["yc"] if operator == "LSTM" else [])]
    separator = ", " if attributes else ""
    model = parse(
        f"g ({', '.join(inputs)}) => ({', '.join(f'float {name}' for name in outputs)}) {{"
        f" {', '.join(outputs)} = {operator} <hidden_size = {HIDDEN}{separator}{attributes}>"
        f" ({names}) }}",
        14,
    )
    lengths = np.array([5, 2, 3], np.int32)
    model.graph.initializer.append(numpy_helper.from_array(lengths, "lengths"))
    assert_agrees(model)


def test_recurrent_with_the_batch_first() -> None:
    """onnxruntime lacks this layout: compare with the usual one between transposes."""
    model = parse(
        """g (float[3,5,4] x, float[1,24,4] w, float[1,24,6] r, float[3,1,6] h, float[3,1,6] c)
        => (float[3,5,1,6] y, float[3,1,6] yh, float[3,1,6] yc)
        { y, yh, yc = LSTM <hidden_size = 6, layout = 1> (x, w, r, , , h, c) }""",
        14,
    )
    usual = parse(
        """g (float[3,5,4] x, float[1,24,4] w, float[1,24,6] r, float[3,1,6] h, float[3,1,6] c)
        => (float[3,5,1,6] y, float[3,1,6] yh, float[3,1,6] yc) {
            xt = Transpose <perm = [1, 0, 2]> (x)
            ht = Transpose <perm = [1, 0, 2]> (h)
            ct = Transpose <perm = [1, 0, 2]> (c)
            yt, yht, yct = LSTM <hidden_size = 6> (xt, w, r, , , ht, ct)
            y = Transpose <perm = [2, 0, 1, 3]> (yt)
            yh = Transpose <perm = [1, 0, 2]> (yht)
            yc = Transpose <perm = [1, 0, 2]> (yct)
        }""",
        14,
    )
    first, second = import_model(model), assert_agrees(usual)
    feeds = random_inputs(second)
    results = [list(run_graph(graph, feeds).values()) for graph in (first, second)]
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_one_operator_per_layer() -> None:
    """What the passes rely on: no helper nodes where attributes say nothing."""
    graph = import_model(
        parse("g (float[2,3] x) => (float[2,3] y) { a = Clip(x) b = Sum(a) y = Selu(b) }")
    )
    assert operators(graph) == ["elu", "mul"]
