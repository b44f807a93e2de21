"""Whole models give the same answers as onnxruntime, at each number of threads and batch size.

The everyday suite leaves out only what needs gigabytes of files, which is marked slow.
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
# Their files are so large that the everyday suite makes them for one sample only, or not at all.
LARGE = {"bvlc_alexnet", "vgg19", "zfnet512"}
HUGE = {"bert_base", "gpt2_prompt", "gpt2_step"}


def combinations() -> list[object]:
    """Model, threads and batch; those of the large files are slow."""
    result = []
    for name in MODELS:
        for threads in (1, 2):
            for batch in (1, 4):
                slow = name in HUGE or (name in LARGE and batch > 1)
                marks = [pytest.mark.slow] if slow else []
                result.append(pytest.param(name, threads, batch, marks=marks))
    return result


@pytest.mark.parametrize(("name", "threads", "batch"), combinations())
def test_agrees_with_onnxruntime(name: str, threads: int, batch: int) -> None:
    path = zoo.build(name, batch)
    feeds = zoo.inputs(name, batch)
    module = mlc.compile(path, target="host", num_threads=threads, cache=False)
    assert_agrees(module.run(feeds), reference(path, feeds))
