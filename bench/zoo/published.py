"""Trained models that lie in published packages, given a fixed batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from bench.zoo.files import BASIC_PITCH, MAGIKA, PARAPHRASE_MINILM, SILERO
from mlc.demo.models import DETECTION, DIRECTION, RECOGNITION

SOUND = "serving_default_input_2:0"
SOUND_SAMPLES = 43844


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


def silero(batch: int) -> onnx.ModelProto:
    """Is somebody speaking? As it is, for any rate and length: what is fed says 576 samples.

    It has a branch for each rate, so that fixing the shapes for one contradicts the other.
    """
    del batch
    return onnx.load(SILERO["silero_vad"].path())


def magika(batch: int) -> onnx.ModelProto:
    """What kind of file is this? The first and the last 1024 bytes."""
    return with_input_shapes(MAGIKA.path(), {"bytes": (batch, 2048)})


def basic_pitch(batch: int) -> onnx.ModelProto:
    """Which notes are played? Two seconds of sound."""
    return with_input_shapes(BASIC_PITCH.path(), {SOUND: (batch, SOUND_SAMPLES, 1)})
