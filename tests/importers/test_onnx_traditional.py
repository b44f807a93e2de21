"""Counting of n-grams and looking labels up, compiled, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from mlc.errors import MlcError
from mlc.importers.onnx import import_model
from mlc.ir.interpret import run_graph

POOL = [5, 6, 7, 5, 6, 6, 5, 7, 7, 5, 6, 7]
COUNTS = [0, 3, 9]


def model_of(
    op_type: str, array: np.ndarray, attributes: dict[str, Any], domain: str = ""
) -> onnx.ModelProto:
    node = helper.make_node(op_type, ["x"], ["y"], domain=domain, **attributes)
    code = helper.np_dtype_to_tensor_dtype(array.dtype)
    x = helper.make_tensor_value_info("x", code, array.shape)
    y = onnx.ValueInfoProto(name="y")
    graph = helper.make_graph([node], "g", [x], [y])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 4)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def agree(model: onnx.ModelProto, array: np.ndarray) -> None:
    (found,) = run_graph(import_model(model), {"x": array}).values()
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (expected,) = session.run(None, {"x": array})
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
@pytest.mark.parametrize(("least", "most"), [(1, 1), (1, 3), (2, 2), (3, 3)])
@pytest.mark.parametrize("gaps", [0, 2])
@pytest.mark.parametrize("shape", [(7,), (3, 6), (1, 2)])
def test_ngrams(mode: str, least: int, most: int, gaps: int, shape: tuple[int, ...]) -> None:
    version = tuple(map(int, onnxruntime.__version__.split(".")[:2]))
    if mode != "TF" and version < (1, 24):
        pytest.skip("onnxruntime 1.23, the last for Python 3.10, reads the weights by column")
    array = np.random.default_rng(3).integers(4, 9, shape)
    attributes = {
        "mode": mode,
        "min_gram_length": least,
        "max_gram_length": most,
        "max_skip_count": gaps,
        "ngram_counts": COUNTS,
        "ngram_indexes": [3, 0, 1, 2, 6, 5, 4],
        "pool_int64s": POOL,
        "weights": [1.0, 10.0, 100.0, 0.5, 2.0, 3.0, 7.0],
    }
    agree(model_of("TfIdfVectorizer", array, attributes), array)


@pytest.mark.parametrize(
    ("keys", "values", "array"),
    [
        ({"keys_int64s": [3, -2, 9]}, {"values_floats": [1.5, 2.5, -1.0]}, [3, 4, -2, -3, 9, 10]),
        ({"keys_int64s": [3, 1 << 40]}, {"values_int64s": [7, 8]}, [3, 1 << 40, 0, -1, 2, 3]),
        ({"keys_floats": [0.5, np.nan]}, {"values_int64s": [7, 8]}, [0.5, np.nan, 1, 2, 0, np.inf]),
    ],
)
@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_labels(keys: Any, values: Any, array: Any, shape: tuple[int, ...]) -> None:
    dtype = np.int64 if "keys_int64s" in keys else np.float32
    numbers = np.array(array, dtype).reshape(shape)
    defaults = {"default_int64": -7, "default_float": -0.5}
    agree(model_of("LabelEncoder", numbers, {**keys, **values, **defaults}, "ai.onnx.ml"), numbers)


def test_label_tensors() -> None:
    attributes = {
        "keys_tensor": helper.make_tensor("keys", TensorProto.DOUBLE, [2], [0.1, 0.2]),
        "values_tensor": helper.make_tensor("values", TensorProto.DOUBLE, [2], [4.0, 5.0]),
        "default_tensor": helper.make_tensor("default", TensorProto.DOUBLE, [1], [6.0]),
    }
    array = np.array([0.2, 0.1, 0.3])
    model = model_of("LabelEncoder", array, attributes, "ai.onnx.ml")
    (found,) = run_graph(import_model(model), {"x": array}).values()
    assert found.tolist() == [5.0, 4.0, 6.0]


@pytest.mark.parametrize(
    ("op_type", "domain", "attributes", "message"),
    [
        (
            "LabelEncoder",
            "ai.onnx.ml",
            {"keys_int64s": [1, 2], "values_int64s": [1]},
            "LabelEncoder: 2 keys for 1 values",
        ),
        (
            "LabelEncoder",
            "ai.onnx.ml",
            {"keys_floats": [1.0], "values_int64s": [1]},
            "LabelEncoder: the keys are float32, the input is i64[3]",
        ),
        (
            "TfIdfVectorizer",
            "",
            {
                "mode": "TF",
                "min_gram_length": 1,
                "max_gram_length": 2,
                "max_skip_count": 0,
                "ngram_counts": [0, 2],
                "ngram_indexes": [0, 1],
                "pool_int64s": [1, 2, 3],
            },
            "TfIdfVectorizer: ngram_counts do not fit a pool of 3 items",
        ),
    ],
)
def test_refused(op_type: str, domain: str, attributes: dict[str, Any], message: str) -> None:
    model = model_of(op_type, np.array([1, 2, 3]), attributes, domain)
    with pytest.raises(MlcError) as caught:
        import_model(model)
    assert str(caught.value) == f"{message}\n  at: {op_type}:y"
