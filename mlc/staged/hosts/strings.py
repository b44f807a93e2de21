"""Operators on strings: arrays of Python's `str`, held as NumPy arrays of objects.

Each function takes the node, for its attributes, and the arrays it reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from mlc.errors import DtypeError, ModelError, ShapeError
from mlc.importers.onnx.node import NodeView
from mlc.staged.hosts.regular_expressions import compile_expression

Array = np.ndarray[Any, Any]


def string_array(elements: Sequence[str], shape: tuple[int, ...] | None = None) -> Array:
    """Strings as an array of objects: of one axis, or of `shape`."""
    array = np.empty(len(elements), object)
    array[:] = elements
    return array if shape is None else array.reshape(shape)


def is_strings(value: object) -> bool:
    """Whether a held value is a tensor of strings."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "OUT"


def required_strings(value: Any, what: str) -> Array:
    """A tensor of strings as an array of objects; raises `DtypeError` for anything else."""
    if not is_strings(value):
        found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise DtypeError(f"{what} must be strings, not {found}")
    return np.asarray(value, object)


_CASES: dict[str, Callable[[str], str]] = {"LOWER": str.lower, "UPPER": str.upper, "NONE": str}


def string_normalizer(node: NodeView, strings: Array) -> list[Array]:
    """Drop stop words from [C] or [1, C], then change the case of the others.

    Where nothing is left, one empty string is. Case does not count unless `is_case_sensitive`.
    """
    words = required_strings(strings, "StringNormalizer: the input")
    if words.ndim not in (1, 2) or words.shape[:-1] not in ((), (1,)):
        raise ShapeError(f"StringNormalizer: the shape {words.shape} is neither [C] nor [1, C]")
    action = node.text("case_change_action", "NONE")
    if action not in _CASES:
        raise ModelError(f"StringNormalizer: case_change_action is '{action}'")
    compared: Callable[[str], str] = str if node.flag("is_case_sensitive") else str.lower
    stopwords = {compared(word) for word in node.texts("stopwords", ())}
    kept = [_CASES[action](word) for word in words.flat if compared(word) not in stopwords]
    kept = kept or [""]
    return [string_array(kept, (*words.shape[:-1], len(kept)))]


def string_concat(node: NodeView, left: Array, right: Array) -> list[Array]:
    """Join strings element by element, broadcast as NumPy does."""
    pair = [required_strings(array, "StringConcat: an input") for array in (left, right)]
    try:
        first, second = np.broadcast_arrays(*pair)
    except ValueError:
        shapes = " and ".join(str(array.shape) for array in pair)
        raise ShapeError(f"StringConcat: the shapes {shapes} do not broadcast") from None
    joined = [a + b for a, b in zip(first.flat, second.flat, strict=True)]
    return [string_array(joined, first.shape)]


def string_split(node: NodeView, strings: Array) -> list[Array]:
    """Split strings at a delimiter, or at white space: [..., most parts], and i64 of how many."""
    texts = required_strings(strings, "StringSplit: the input")
    delimiter = node.text("delimiter", "") or None
    most = node.integer("maxsplit", -1)
    parts = [text.split(delimiter, most) for text in texts.flat]
    width = max(map(len, parts), default=0)
    padded = [part for row in parts for part in (*row, *[""] * (width - len(row)))]
    counts = np.array([len(row) for row in parts], np.int64).reshape(texts.shape)
    return [string_array(padded, (*texts.shape, width)), counts]


def tokenizer(node: NodeView, strings: Array) -> list[Array]:
    """Onnxruntime's Tokenizer: [C] or [N, C] becomes [..., most tokens], filled up with a text.

    Tokens are what `tokenexp` matches, what lies between `separators`, or, where the one separator
    is empty, characters.
    """
    texts = required_strings(strings, "Tokenizer: the input")
    if texts.ndim not in (1, 2):
        raise ShapeError(f"Tokenizer: the shape {texts.shape} is neither [C] nor [N, C]")
    if not texts.size:
        return [texts]
    rows = [_tokens(node, text) for text in texts.flat]
    width = max(map(len, rows))
    if node.flag("mark") and width:
        rows, width = [["\x02", *row, "\x03"] for row in rows], width + 2
    pad = node.text("pad_value")
    padded = [token for row in rows for token in (*row, *[pad] * (width - len(row)))]
    return [string_array(padded, (*texts.shape, width))]


def _tokens(node: NodeView, text: str) -> list[str]:
    separators = node.texts("separators", ())
    if node.has("tokenexp"):
        expression = compile_expression(node.text("tokenexp"))
        found = [match.group() for match in expression.finditer(text)]
    elif separators == ("",):
        found = list(text)
    else:
        found = [text]
        for separator in map(compile_expression, separators):
            found = [part for piece in found for part in _between(separator, piece)]
    least = max(node.integer("mincharnum", 1), 1)
    return [token for token in found if len(token) >= least]


def _between(separator: re.Pattern[str], text: str) -> Iterator[str]:
    """What lies between matches; unlike `split`, groups of the pattern do not matter."""
    start = 0
    for match in separator.finditer(text):
        yield text[start : match.start()]
        start = match.end()
    yield text[start:]


def regex_full_match(node: NodeView, strings: Array) -> list[Array]:
    """Whether the whole of each string matches `pattern`: bool of the same shape."""
    texts = required_strings(strings, "RegexFullMatch: the input")
    expression = compile_expression(node.text("pattern"))
    found = [expression.fullmatch(text) is not None for text in texts.flat]
    return [np.array(found, np.bool_).reshape(texts.shape)]


def equal(node: NodeView, left: Array, right: Array) -> list[Array]:
    """Whether strings are equal, broadcast as NumPy does."""
    pair = [required_strings(array, "Equal: an input") for array in (left, right)]
    return [np.asarray(np.equal(*pair), np.bool_)]
