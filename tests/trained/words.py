"""Sentences as the numbers of their words in the vocabulary of BERT (uncased).

Only sentences of words that the vocabulary holds whole are taken: that needs no tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.trained.engines import Array
from tests.trained.files import BERT_VOCABULARY

PAIRS = (
    ("a man is playing a guitar on the stage", "someone plays music with a guitar"),
    ("the stock market fell sharply on monday", "share prices dropped early this week"),
    ("how do i reset my password ?", "i forgot my password and can not log in"),
)

FIRST, LAST, PADDING = "[CLS]", "[SEP]", "[PAD]"


def numbered(sentences: Sequence[str], length: int | None = None) -> dict[str, Array]:
    """`input_ids` and `attention_mask`, [sentences, length]; by default as long as the longest."""
    lines = BERT_VOCABULARY.path().read_text(encoding="utf-8").splitlines()
    number = {word: index for index, word in enumerate(lines)}
    rows = [[FIRST, *sentence.split(), LAST] for sentence in sentences]
    length = length or max(map(len, rows))
    padded = [[*row, *[PADDING] * (length - len(row))] for row in rows]
    words = np.array([[number[word] for word in row] for row in padded], np.int64)
    return {"input_ids": words, "attention_mask": (words != number[PADDING]).astype(np.int64)}


def mean_direction(hidden: Array, mask: Array) -> Array:
    """The mean of the vectors of all words, of length one: [sentences, features]."""
    mean = (hidden * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True))


def assert_meaning(points: Array) -> None:
    """Of the pairs one after the other, each is nearer to its like than to all others."""
    near = points @ points.T
    np.fill_diagonal(near, -1)
    likes = near.argmax(axis=1)
    np.testing.assert_array_equal(likes, np.arange(len(points)) ^ 1)
    paired = near[np.arange(len(points)), likes]
    others = near[likes[:, None] != np.arange(len(points))]
    assert paired.min() > others.max() + 0.2
