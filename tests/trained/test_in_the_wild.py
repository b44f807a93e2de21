"""Trained models in the shapes that exporters give them mean what they meant before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest

import mlc
from bench.zoo.feeds import lines
from bench.zoo.files import PARAPHRASE_MINILM, SILERO
from mlc.demo.models import DIRECTION
from mlc.demo.published import PublishedFile
from tests.trained import disguise
from tests.trained.engines import Array, assert_near
from tests.trained.sounds import voice
from tests.trained.words import numbered

Feeds = Mapping[str, Array]


def frame() -> Feeds:
    sound = voice(16000, 0.2)[2000 : 2000 + 576]
    return {
        "input": sound[None],
        "state": np.full((2, 1, 128), 0.1, np.float32),
        "sr": np.array(16000),
    }


def sentences() -> Feeds:
    return numbered(["someone plays music with a guitar", "share prices dropped"])


def line_of_text() -> Feeds:
    return lines(192, 2)


@dataclass(frozen=True)
class Case:
    file: PublishedFile
    feeds: Callable[[], Feeds]


CASES = {
    "silero_vad": Case(SILERO["silero_vad"], frame),
    "silero_vad_16k_op15": Case(SILERO["silero_vad_16k_op15"], frame),
    "paraphrase": Case(PARAPHRASE_MINILM, sentences),
    "ppocr_cls": Case(DIRECTION, line_of_text),
}
DISGUISES: dict[str, tuple[disguise.Disguise, ...]] = {
    "open and unsorted": (
        disguise.weights_as_constants,
        disguise.unsort,
        disguise.foreign_domains,
        disguise.open_batch(""),
        disguise.no_shapes_inside,
    ),
    "old and wordy": (
        disguise.unsort,
        disguise.weights_as_inputs,
        disguise.open_batch("2*batch - batch"),
    ),
}
SLOW = {("ppocr_cls", "open and unsorted"), ("ppocr_cls", "old and wordy")}


def combinations() -> list[object]:
    return [
        pytest.param(case, how, marks=[pytest.mark.slow] if (case, how) in SLOW else [])
        for case in CASES
        for how in DISGUISES
    ]


@pytest.mark.parametrize(("case", "how"), combinations())
def test_disguised(case: str, how: str) -> None:
    path, feeds = CASES[case].file.path(), CASES[case].feeds()
    model = onnx.load(path)
    for change in DISGUISES[how]:
        change(model)
    module = mlc.compile(model, num_threads=1, cache=False)
    actual = module.run(feeds)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert list(actual) == names
    for name, expected in zip(names, session.run(names, feeds), strict=True):
        assert_near(name, actual[name], expected)
