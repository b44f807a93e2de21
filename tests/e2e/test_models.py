"""Whole models give the same answers as onnxruntime, at each number of threads and batch size.

The everyday suite runs each model once; the other combinations are marked slow.
"""

from __future__ import annotations

import pytest

import mlc
from bench import zoo
from tests.e2e.agreement import assert_agrees, reference

MODELS = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
    "mobilenetv2",
    "efficientnet_lite0",
    "minilm_l6",
    "paraphrase_minilm",
    "bert_base",
    "gpt2_prompt",
    "gpt2_step",
    "lstm",
    "gru",
    "mlp",
    "ppocr_det",
    "ppocr_rec",
    "ppocr_cls",
)
# These are small enough to be run in every combination, every day.
LIGHT = {"mobilenetv2", "squeezenet", "shufflenet", "lstm", "gru", "mlp", "ppocr_rec", "ppocr_cls"}
HEAVY = {"bert_base", "gpt2_prompt", "gpt2_step", "bvlc_alexnet", "zfnet512"}


def combinations() -> list[object]:
    """Everyday: the light models always, the others on two threads; the heaviest are slow."""
    result = []
    for name in MODELS:
        for threads in (1, 2):
            for batch in (1, 4):
                everyday = name in LIGHT or (threads == 2 and batch == 1 and name not in HEAVY)
                marks = [] if everyday else [pytest.mark.slow]
                result.append(pytest.param(name, threads, batch, marks=marks))
    return result


@pytest.mark.parametrize(("name", "threads", "batch"), combinations())
def test_agrees_with_onnxruntime(name: str, threads: int, batch: int) -> None:
    path = zoo.build(name, batch)
    feeds = zoo.inputs(name, batch)
    module = mlc.compile(path, target="host", num_threads=threads, cache=False)
    assert_agrees(module.run(feeds), reference(path, feeds))
