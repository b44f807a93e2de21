"""Sentences as points: what means the same is near, in other words or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import mlc
from bench import zoo
from bench.zoo.files import PARAPHRASE_MINILM
from tests.trained.disguise import in_half_precision
from tests.trained.engines import Array, Both
from tests.trained.files import INT8_MINILM
from tests.trained.words import PAIRS, assert_meaning, mean_direction, numbered


class Sentences:
    """A model that takes any number of sentences of any length."""

    def __init__(self, path: Path, *, types: bool, hidden: str) -> None:
        self.both = Both(path)
        self.types = types
        self.hidden = hidden

    def __call__(self, *sentences: str) -> Array:
        feeds = numbered(sentences)
        if self.types:
            feeds["token_type_ids"] = np.zeros_like(feeds["input_ids"])
        hidden = self.both(feeds)[self.hidden]
        return mean_direction(hidden, feeds["attention_mask"])


def int8() -> Sentences:
    """Weights of eight bits behind Cast and Mul."""
    return Sentences(INT8_MINILM.path(), types=True, hidden="last_hidden_state")


def paraphrase() -> Sentences:
    return Sentences(PARAPHRASE_MINILM.path(), types=False, hidden="onnx::Shape_422")


@pytest.mark.parametrize("make", [int8, paraphrase])
def test_what_means_the_same_is_near(make: Callable[[], Sentences]) -> None:
    model = make()
    together = model(*(sentence for pair in PAIRS for sentence in pair))
    assert_meaning(together)
    # A sentence means the same alone, where nothing is filled up.
    for index in (0, 3):
        alone = model(PAIRS[index // 2][index % 2])
        np.testing.assert_allclose(alone[0], together[index], atol=1e-5)


def test_pooled_in_the_model() -> None:
    """One model gives the means itself, and hands its inputs through."""
    feeds = numbered(PAIRS[0])
    result = Both(PARAPHRASE_MINILM.path())(feeds)
    np.testing.assert_array_equal(result["output"], feeds["input_ids"])
    expected = mean_direction(result["onnx::Shape_422"], feeds["attention_mask"])
    lengths = np.linalg.norm(result["461"], axis=1, keepdims=True)
    np.testing.assert_allclose(result["461"] / lengths, expected, atol=1e-5)


def test_trained_weights_in_a_graph_of_ours() -> None:
    sentences = [sentence for pair in PAIRS for sentence in pair]
    both = Both(zoo.build("minilm_l6", len(sentences)))
    assert_meaning(both(numbered(sentences, length=128))["embedding"])
    assert_meaning(both(numbered(sentences[::-1], length=128))["embedding"])
    statements = [f"{sentence} ." for sentence in sentences]
    assert_meaning(both(numbered(statements, length=128))["embedding"])


def test_in_half_precision() -> None:
    sentences = [sentence for pair in PAIRS for sentence in pair]
    path, feeds = zoo.build("minilm_l6", len(sentences)), numbered(sentences, length=128)
    model = onnx.load(path)
    in_half_precision(model)
    halved = mlc.compile(model, num_threads=1, cache=False).run(feeds)["embedding"]
    whole = mlc.compile(path, num_threads=1, cache=False).run(feeds)["embedding"]
    assert_meaning(halved)
    assert 0 < np.abs(halved - whole).max() < 0.01
