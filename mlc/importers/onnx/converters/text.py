"""Counting n-grams of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from mlc.errors import ShapeError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.ngrams import Ngrams, read_ngrams
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import F32
from mlc.ir.graph import Value


def _tfidf_vectorizer(builder: Builder, node: NodeView) -> list[Value]:
    """Compare every window of the row with every n-gram, and sum."""
    x = node.input(0)
    if x.type.rank not in (1, 2):
        raise ShapeError(f"TfIdfVectorizer: the input {x.type} is neither [C] nor [B, C]")
    ngrams = read_ngrams(node)
    rows = x if x.type.rank == 2 else builder.reshape(x, (1, *x.type.shape))
    counts = _columns(builder, rows, ngrams)
    return [builder.reshape(counts, (*x.type.shape[:-1], ngrams.width))]


def _columns(builder: Builder, rows: Value, ngrams: Ngrams) -> Value:
    """The result f32[B, width]: each column sums what the n-grams are worth that count for it."""
    batch, items = rows.type.static_shape
    groups: list[Value] = []
    order: list[tuple[int | str, ...]] = []
    for length in ngrams.lengths:
        pool = [ngram for ngram in ngrams.columns if len(ngram) == length]
        counts = _counts(builder, rows, pool, ngrams.steps(length), items)
        if counts is not None:
            groups.append(counts)
            order += pool
    if not groups:
        return builder.full((batch, ngrams.width), 0.0)
    every = groups[0] if len(groups) == 1 else builder.emit("concat", *groups, axis=1)
    if ngrams.mode == "IDF":
        every = builder.emit("min", every, builder.scalar(1.0, F32))
    shares = np.zeros((len(order), ngrams.width), np.float32)
    for row, ngram in enumerate(order):
        shares[row, ngrams.columns[ngram]] = 1 if ngrams.mode == "TF" else ngrams.weights[ngram]
    return builder.emit("matmul", every, builder.constant(shares))


def _counts(
    builder: Builder,
    rows: Value,
    pool: Sequence[tuple[int | str, ...]],
    steps: Sequence[int],
    items: int,
) -> Value | None:
    """How often each n-gram of one length occurs: f32[B, n-grams]; None if rows are too short."""
    length, batch = len(pool[0]), rows.type.static_shape[0]
    wanted = np.array(pool, np.int64).astype(rows.type.dtype.numpy)
    found = []
    for step in steps:
        windows = items - step * (length - 1)
        if windows <= 0:
            continue
        equal = []
        for place in range(length):
            part = builder.slice(rows, (0, place * step), (batch, windows), (1, 1))
            part = builder.reshape(part, (batch, windows, 1))
            equal.append(builder.emit("equal", part, builder.constant(wanted[:, place])))
        match = reduce(lambda left, right: builder.emit("and", left, right), equal)
        number = builder.cast(match, F32)
        found.append(builder.emit("reduce_sum", number, axes=(1,), keepdims=False))
    return reduce(lambda left, right: builder.emit("add", left, right), found) if found else None


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {"TfIdfVectorizer": _tfidf_vectorizer}
