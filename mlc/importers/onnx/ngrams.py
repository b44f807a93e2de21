"""The pool of n-grams of TfIdfVectorizer, as its attributes describe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlc.errors import ModelError
from mlc.importers.onnx.node import NodeView

Item = int | str

MODES = ("TF", "IDF", "TFIDF")


@dataclass(frozen=True)
class Ngrams:
    """What is counted.

    `columns` maps each n-gram to the column of the result it counts for, `weights` to its weight;
    `width` is the number of columns, `gaps` how many items may lie between two of an n-gram.
    """

    columns: dict[tuple[Item, ...], int]
    weights: dict[tuple[Item, ...], float]
    width: int
    mode: str
    gaps: range

    @property
    def lengths(self) -> list[int]:
        """The lengths of the n-grams, ascending."""
        return sorted({len(ngram) for ngram in self.columns})

    def steps(self, length: int) -> list[int]:
        """The distances between the items of an n-gram that count; a single item has but one."""
        return [gap + 1 for gap in self.gaps] if length > 1 else [1]


def read_ngrams(node: NodeView) -> Ngrams:
    """The attributes of a TfIdfVectorizer; raises `ModelError` where they contradict each other.

    The pool holds the items of all 1-grams, then of all 2-grams …; `ngram_counts` tells where each
    length starts.
    """
    pool: Sequence[Item] = node.integers("pool_int64s", ()) or node.texts("pool_strings", ())
    starts = node.integers("ngram_counts")
    targets = node.integers("ngram_indexes")
    mode = node.text("mode")
    least, most = node.integer("min_gram_length"), node.integer("max_gram_length")
    if mode not in MODES:
        raise ModelError(f"{node.op_type}: mode '{mode}' is none of {', '.join(MODES)}")
    gaps = node.integer("max_skip_count")
    if not 1 <= least <= most or gaps < 0:
        raise ModelError(
            f"{node.op_type}: impossible lengths {least} to {most}, or skip count {gaps}"
        )
    ngrams = _split(pool, starts, node.op_type)
    weights = node.numbers("weights", ()) or (1.0,) * len(ngrams)
    for name, count in (("ngram_indexes", len(targets)), ("weights", len(weights))):
        if count != len(ngrams):
            raise ModelError(f"{node.op_type}: {count} {name} for {len(ngrams)} n-grams")
    if min(targets, default=0) < 0:
        raise ModelError(f"{node.op_type}: a column of ngram_indexes is negative")
    used = [place for place, ngram in enumerate(ngrams) if least <= len(ngram) <= most]
    return Ngrams(
        {ngrams[place]: targets[place] for place in used},
        {ngrams[place]: weights[place] for place in used},
        max(targets, default=-1) + 1,
        mode,
        range(gaps + 1),
    )


def _split(pool: Sequence[Item], starts: Sequence[int], owner: str) -> list[tuple[Item, ...]]:
    ngrams: list[tuple[Item, ...]] = []
    for length, (start, end) in enumerate(zip(starts, (*starts[1:], len(pool)), strict=True), 1):
        if not 0 <= start <= end <= len(pool) or (end - start) % length:
            raise ModelError(f"{owner}: ngram_counts do not fit a pool of {len(pool)} items")
        ngrams += [tuple(pool[at : at + length]) for at in range(start, end, length)]
    return ngrams
