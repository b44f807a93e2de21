"""A small network that several tests compile, and what it must compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

import mlc
from mlc.importers.onnx import import_model
from mlc.ir.interpret import run_graph
from tests.importers.evaluate import parse

Array = np.ndarray[Any, Any]

NETWORK = """
network (float[1,3,9,9] image) => (float[1,5] probabilities, float[1,8] features) {
    [convolution] c = Conv <pads = [1, 1, 1, 1]> (image, filters)
    [threshold] r = Relu(c)
    [average] a = GlobalAveragePool(r)
    [flatten] features = Flatten(a)
    [dense] d = Gemm(features, weights, bias)
    [normalise] probabilities = Softmax(d)
}
"""
RNG = np.random.default_rng(0)
WEIGHTS = {
    "filters": RNG.standard_normal((8, 3, 3, 3), np.float32),
    "weights": RNG.standard_normal((8, 5), np.float32),
    "bias": RNG.standard_normal(5, np.float32),
}
IMAGE = RNG.standard_normal((1, 3, 9, 9), np.float32)
NODES = {"convolution", "threshold", "average", "flatten", "dense", "normalise"}


def network(**changed: Array) -> onnx.ModelProto:
    model = parse(NETWORK)
    for name, array in {**WEIGHTS, **changed}.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model


def expected(image: Array = IMAGE) -> dict[str, Array]:
    return run_graph(import_model(network()), {"image": image})


def compiled(model: Any = None, **options: Any) -> mlc.Module:
    options = {"num_threads": 1, "cache": False, **options}
    return mlc.compile(network() if model is None else model, **options)


def assert_right(module: mlc.Module, image: Array = IMAGE) -> None:
    results = module.run({"image": image})
    wanted = expected(image)
    assert list(results) == list(wanted)
    for name, array in wanted.items():
        np.testing.assert_allclose(results[name], array, rtol=1e-5, atol=1e-6)
