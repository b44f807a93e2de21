"""Classifiers whose labels are strings, as converters of scikit-learn write them."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from mlc.importers.onnx.string_labels import with_numbered_labels
from tests.staged.hosts.agreement import assert_agrees, parse, run

LABELS = ["cat", "dog", "eel"]


def classifier(opset: int) -> onnx.ModelProto:
    nodes = [
        helper.make_node(
            "LinearClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
            coefficients=[0.5, -1.0, 1.5, 0.25, -0.75, 2.0], intercepts=[0.1, 0.2, -0.3],
            classlabels_strings=LABELS, post_transform="SOFTMAX",
        ),
        helper.make_node(
            "ZipMap", ["scores"], ["chances"], domain="ai.onnx.ml", classlabels_strings=LABELS
        ),
    ]  # fmt: skip
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    label = helper.make_tensor_value_info("label", TensorProto.STRING, ["n"])
    score = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    mapping = helper.make_map_type_proto(TensorProto.STRING, score)
    chances = helper.make_value_info("chances", helper.make_sequence_type_proto(mapping))
    graph = helper.make_graph(nodes, "g", [x], [label, chances])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize("opset", [1, 3])
def test_a_classifier(opset: int) -> None:
    model = classifier(opset)
    before = model.SerializeToString()
    x = np.random.default_rng(0).standard_normal((5, 2), np.float32)
    label, chances = run(model, {"x": x})
    session = onnxruntime.InferenceSession(before)
    expected, scores = session.run(None, {"x": x})
    assert label.tolist() == list(expected)
    for row, wanted in zip(chances, scores, strict=True):
        assert row == pytest.approx(wanted, rel=1e-5)
    assert model.SerializeToString() == before


def test_a_graph_without_strings_stays_itself() -> None:
    graph = parse("g (float[2] x) => (y) { y = Neg (x) }").graph
    assert with_numbered_labels(graph, 3) is graph


def test_categories_of_strings() -> None:
    model = parse("""
    g (string[2,3] x) => (y) {
      y = ai.onnx.ml.OneHotEncoder <cats_strings = ["a", "b"], zeros = 1> (x)
    }""")
    assert_agrees(model, {"x": np.array([["a", "b", "c"], ["b", "", "a"]], object)})


def test_columns_of_strings() -> None:
    model = parse("""
    g (float[4,2] x) => (y) {
      names = Constant <value_strings = ["a", "b"]> ()
      best = ArgMax <axis = 1, keepdims = 0> (x)
      y = ai.onnx.ml.ArrayFeatureExtractor (names, best)
    }""")
    assert_agrees(model, {"x": np.random.default_rng(1).standard_normal((4, 2), np.float32)})
