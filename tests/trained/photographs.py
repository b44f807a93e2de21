"""EfficientNet-Lite0, its trained weights filled into the graph of the zoo, and photographs."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper
from PIL import Image

from bench.zoo.mobile import efficientnet_lite0
from mlc.demo.published import PublishedFile
from tests.trained.checkpoint import read_checkpoint
from tests.trained.engines import Array
from tests.trained.files import CAT, COFFEE, EFFICIENTNET_LITE0, FLOWER, PALACE

SIZE = 224
LIMITS = 2  # the initialisers of Clip come before all weights
# Numbers of ImageNet's classes.
CATS = frozenset({281, 282, 285})  # tabby, tiger, Egyptian
CLASSES = {CAT: CATS, COFFEE: {967}, PALACE: {698}, FLOWER: {985}}


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
