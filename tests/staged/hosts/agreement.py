"""What the tests of host steps share: models in ONNX's text form, run here and by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime

import mlc

OPSETS = '"": 17, "ai.onnx.ml": 3'


def parse(text: str, opsets: str = OPSETS) -> onnx.ModelProto:
    """A model from a graph in ONNX's text form."""
    model: onnx.ModelProto = onnx.parser.parse_model(
        f"<ir_version: 8, opset_import: [{opsets}]>\n{text}"
    )
    return model


def run(model: onnx.ModelProto, feeds: Mapping[str, Any]) -> list[Any]:
    """What mlc makes of it."""
    with mlc.compile(model, num_threads=1, cache=False) as module:
        return list(module.run(feeds).values())


def assert_agrees(model: onnx.ModelProto, feeds: Mapping[str, Any]) -> list[Any]:
    """Compare every output with onnxruntime's; gives them."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = session.run(None, dict(feeds))
    found = run(model, feeds)
    for left, right in zip(found, expected, strict=True):
        assert_same(left, right)
    return found


def assert_same(found: Any, expected: Any) -> None:
    """Equal kinds, dtypes, shapes and elements; floats within a few units in the last place."""
    if isinstance(expected, list):
        assert isinstance(found, list)
        for left, right in zip(found, expected, strict=True):
            assert_same(left, right)
        return
    if not isinstance(expected, np.ndarray):
        assert found == expected
        return
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    else:
        assert found.tolist() == expected.tolist()
