"""What is in a photograph? EfficientNet-Lite0, its trained weights filled into the zoo's graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from bench.zoo.mobile import efficientnet_lite0
from mlc.demo.published import PublishedFile
from tests.trained.checkpoint import read_checkpoint
from tests.trained.engines import Array, Both
from tests.trained.files import CAT, COFFEE, EFFICIENTNET_LITE0, FLOWER, PALACE

SIZE = 224
LIMITS = 2  # the initialisers of Clip come before all weights
# Numbers of ImageNet's classes.
TABBY, TIGER_CAT, EGYPTIAN_CAT = 281, 282, 285
PALACE_CLASS, DAISY, ESPRESSO = 698, 985, 967


def trained(batch: int | str) -> onnx.ModelProto:
    """The zoo's network with weights in the order of its layers, as the checkpoint has them."""
    weights = {
        name: tensor
        for name, tensor in read_checkpoint(EFFICIENTNET_LITE0.path().read_bytes()).items()
        if not name.endswith("num_batches_tracked")
    }
    model = efficientnet_lite0(1)
    places = model.graph.initializer[LIMITS:]
    for place, (name, tensor) in zip(places, weights.items(), strict=True):
        assert tuple(place.dims) == tensor.shape, name
        place.CopyFrom(numpy_helper.from_array(tensor, place.name))
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            node.attribute.append(helper.make_attribute("epsilon", 1e-3))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = str(batch)
    return model


def pixels(file: PublishedFile) -> Array:
    """The middle of a photograph, [3, 224, 224], scaled as the network was trained."""
    picture = Image.open(file.path()).convert("RGB")
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    sized = square.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return (np.asarray(sized, np.float32).transpose(2, 0, 1) - np.float32(127)) / np.float32(128)


@pytest.fixture(scope="module")
def both() -> Both:
    return Both(trained("batch"))


@pytest.mark.parametrize(
    ("file", "classes"),
    [
        (CAT, {TABBY, TIGER_CAT, EGYPTIAN_CAT}),
        (COFFEE, {ESPRESSO}),
        (PALACE, {PALACE_CLASS}),
        (FLOWER, {DAISY}),
    ],
    ids=["cat", "coffee", "palace", "flower"],
)
def test_a_photograph(both: Both, file: PublishedFile, classes: set[int]) -> None:
    probabilities = both({"x": pixels(file)[None]})["probabilities"][0]
    assert probabilities.argmax() in classes
    assert probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert classes <= set(probabilities.argsort()[-5:].tolist())


@pytest.mark.slow
def test_photographs_side_by_side(both: Both) -> None:
    pictures = np.stack([pixels(file) for file in (CAT, COFFEE, FLOWER)])
    best = both({"x": pictures})["probabilities"].argmax(axis=1)
    assert best[0] in {TABBY, TIGER_CAT, EGYPTIAN_CAT}
    assert best[1:].tolist() == [ESPRESSO, DAISY]
