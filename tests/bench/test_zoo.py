"""The zoo gives the same model at every call, and none whose layers could hide a mistake."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bench import zoo

SMALL = ("squeezenet", "shufflenet", "mobilenetv2", "lstm", "mlp")


@pytest.mark.parametrize("name", SMALL)
def test_a_model_is_the_same_when_made_again(name: str) -> None:
    make = zoo.ENTRIES[name].make
    assert make(1).SerializeToString() == make(1).SerializeToString()


@pytest.mark.parametrize("name", SMALL)
def test_weights_vary(name: str) -> None:
    """No weight of several numbers repeats one number, as those in the onnx wheel do."""
    for tensor in onnx.load(zoo.build(name)).graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 1:
            assert values.std() > 0, tensor.name


@pytest.mark.parametrize("name", [*SMALL, "ppocr_rec", "minilm_l6", "magika", "basic_pitch"])
@pytest.mark.parametrize("batch", [1, 4])
def test_inputs_fit_the_model(name: str, batch: int) -> None:
    graph = onnx.load(zoo.build(name, batch)).graph
    weights = {tensor.name for tensor in graph.initializer}
    wanted = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in graph.input
        if value.name not in weights
    }
    feeds = zoo.inputs(name, batch)
    assert {key: array.shape for key, array in feeds.items()} == wanted
    again = zoo.inputs(name, batch)
    assert all(np.array_equal(feeds[key], again[key]) for key in feeds)
