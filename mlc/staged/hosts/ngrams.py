"""TfIdfVectorizer on strings; numbers are counted by compiled code, see its converter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlc.errors import ShapeError
from mlc.importers.onnx.ngrams import Ngrams, read_ngrams
from mlc.importers.onnx.node import NodeView
from mlc.staged.hosts.strings import required_strings

Array = np.ndarray[Any, Any]


def tfidf_vectorizer(node: NodeView, strings: Array) -> list[Array]:
    """Count n-grams of [C] or [B, C]: f32[columns] or f32[B, columns], weighted as `mode` says."""
    ngrams = read_ngrams(node)
    texts = required_strings(strings, "TfIdfVectorizer: the input")
    if texts.ndim not in (1, 2):
        raise ShapeError(f"TfIdfVectorizer: the shape {texts.shape} is neither [C] nor [B, C]")
    result = np.zeros((*texts.shape[:-1], ngrams.width), np.float32)
    for row, target in zip(np.atleast_2d(texts), np.atleast_2d(result), strict=True):
        for ngram, count in _counted(row.tolist(), ngrams).items():
            weight = 1.0 if ngrams.mode == "TF" else ngrams.weights[ngram]
            target[ngrams.columns[ngram]] += weight * (1 if ngrams.mode == "IDF" else count)
    return [result]


def _counted(items: Sequence[str], ngrams: Ngrams) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for length in ngrams.lengths:
        for step in ngrams.steps(length):
            reach = step * (length - 1)
            windows = (
                tuple(items[start : start + reach + 1 : step])
                for start in range(len(items) - reach)
            )
            found.update(window for window in windows if window in ngrams.columns)
    return found
