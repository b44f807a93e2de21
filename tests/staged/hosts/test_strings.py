"""Operators on strings, against onnxruntime and Python's own functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

import mlc
from mlc.staged.hosts.strings import string_array
from tests.staged.hosts.agreement import assert_agrees, assert_same, parse, run

WORDS = string_array(["Monday", "tuesday", "WEDNESDAY", "thursday", "Übermut", ""])


@pytest.mark.parametrize("shape", [(6,), (1, 6)])
@pytest.mark.parametrize("sensitive", [0, 1])
@pytest.mark.parametrize("action", ["LOWER", "UPPER", "NONE"])
@pytest.mark.parametrize("stopwords", ["", 'stopwords = ["monday", "Übermut"],'])
def test_normalizer(shape: tuple[int, ...], sensitive: int, action: str, stopwords: str) -> None:
    size = ",".join(map(str, shape))
    model = parse(f"""
    g (string[{size}] x) => (y) {{
      y = StringNormalizer <
        {stopwords} locale = "C.UTF-8",
        is_case_sensitive = {sensitive}, case_change_action = "{action}"> (x)
    }}""")
    assert_agrees(model, {"x": WORDS.reshape(shape)})


def test_nothing_left() -> None:
    model = parse("""
    g (string[2] x) => (y) { y = StringNormalizer <
      stopwords = ["a"], is_case_sensitive = 0, locale = "C.UTF-8"> (x) }
    """)
    (found,) = assert_agrees(model, {"x": string_array(["a", "A"])})
    assert found.tolist() == [""]


def test_concat_and_split() -> None:
    model = parse(
        """
    g (string[2,1] x, string[3] y) => (joined, parts, counts) {
      joined = StringConcat (x, y)
      parts, counts = StringSplit <delimiter = "-", maxsplit = 2> (joined)
    }""",
        '"": 20',
    )
    left = string_array(["a-b", ""], (2, 1))
    right = string_array(["-c-d-e", "é", " "])
    joined, parts, counts = run(model, {"x": left, "y": right})
    assert joined.tolist() == [["a-b-c-d-e", "a-bé", "a-b "], ["-c-d-e", "é", " "]]
    assert parts.tolist() == [
        [["a", "b", "c-d-e"], ["a", "bé", ""], ["a", "b ", ""]],
        [["", "c", "d-e"], ["é", "", ""], [" ", "", ""]],
    ]
    assert counts.tolist() == [[3, 2, 2], [3, 1, 1]]
    assert counts.dtype == np.int64


@pytest.mark.parametrize(
    "rule",
    [
        'separators = [" ", "(-|,)"], mincharnum = 1',
        'separators = [""], mincharnum = 1',
        'tokenexp = "[a-zA-Z]+", mincharnum = 2',
        'separators = ["[a-z ]+"], mincharnum = 1, mark = 1',
    ],
)
@pytest.mark.parametrize("shape", [(4,), (2, 2)])
def test_tokens(rule: str, shape: tuple[int, ...]) -> None:
    mark = "" if "mark" in rule else ", mark = 0"
    model = parse(f"""
    g (string[{",".join(map(str, shape))}] x) => (y) {{
      y = com.microsoft.Tokenizer <pad_value = "#", {rule}{mark}> (x)
    }}""", '"": 17, "com.microsoft": 1')  # fmt: skip
    texts = string_array(["Hello big-World", "", " a,b", "ééé x"], shape)
    assert_agrees(model, {"x": texts})


MATCHES = [
    (r"[a-z]+", ["abc", "abC", ""]),
    (r"a\Q.*\Eb", ["a.*b", "axxb"]),
    (r"[[:alpha:]_]+\z", ["ab_", "ab1"]),
    (r"[][a]*", ["]a[", "b"]),
    (r"\d+|\w", ["12", "é", "٣"]),
    (r"(?i)straße", ["STRAßE", "x"]),
    (r"(?P<year>\d{4})-\d\d", ["2020-01", "2020-1"]),
    (r"a$", ["a", "a\n"]),
    (r"\\1", ["\\1", "1"]),
]


@pytest.mark.parametrize(("pattern", "texts"), MATCHES)
def test_expressions(pattern: str, texts: list[str]) -> None:
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("RegexFullMatch", ["x"], ["y"], pattern=pattern)
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.STRING, [len(texts)])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.BOOL, [len(texts)])
    graph = onnx.helper.make_graph([node], "g", [x], [y])
    opsets = [onnx.helper.make_opsetid("", 20)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9)
    assert_agrees(model, {"x": string_array(texts)})


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?=a)", "the pattern '(?=a)' holds look-around, which is not supported"),
        ("(?<!a)b", "the pattern '(?<!a)b' holds look-around, which is not supported"),
        ("(a)-1", "the pattern '(a)\\\\1' holds a backreference, which is not supported"),
        ("a++", "the pattern 'a++' holds a possessive repeat, which is not supported"),
        (
            "*",
            "the pattern '*' is no regular expression: nothing to repeat at position 0",
        ),
        ("[[:greek:]]", "the pattern '[[:greek:]]' names the unknown class [:greek:]"),
    ],
)
def test_refused_expressions(pattern: str, message: str) -> None:
    text = pattern.replace("-1", "\\\\1")
    model = parse(
        f'g (string[1] x) => (y) {{ y = RegexFullMatch <pattern = "{text}"> (x) }}', '"": 20'
    )
    with pytest.raises(mlc.MlcError) as caught:
        run(model, {"x": string_array(["a"])})
    assert str(caught.value) == f"{message}\n  at: RegexFullMatch:y"


@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_ngrams(mode: str, shape: tuple[int, ...]) -> None:
    version = tuple(map(int, onnxruntime.__version__.split(".")[:2]))
    if mode != "TF" and version < (1, 24):
        pytest.skip("onnxruntime 1.23, the last for Python 3.10, reads the weights by column")
    size = ",".join(map(str, shape))
    model = parse(f"""
    g (string[{size}] x) => (y) {{
      y = TfIdfVectorizer <mode = "{mode}", min_gram_length = 1, max_gram_length = 2,
        max_skip_count = 1, ngram_counts = [0, 2], ngram_indexes = [2, 0, 1, 3],
        pool_strings = ["a", "b", "a", "b", "b", "a"], weights = [1.0, 10.0, 100.0, 0.5]> (x)
    }}""")
    assert_agrees(model, {"x": string_array(["a", "b", "a", "c", "b", "a"], shape)})


def test_strings_move_like_numbers() -> None:
    model = parse("""
    g (string[2,3] x, int64[2] rows, int64[1] shape, bool[3] keep)
        => (gathered, joined, flat, same, dims, count, turned, chosen, wide, thin) {
      gathered = Gather <axis = 1> (x, rows)
      joined = Concat <axis = 0> (x, x)
      flat = Reshape (x, shape)
      extra = Constant <value_strings = ["?", "!", "a"]> ()
      same = Equal (x, extra)
      dims = Shape (x)
      count = Size (x)
      turned = Transpose (x)
      chosen = Where (keep, x, extra)
      axes = Constant <value_ints = [0]> ()
      wide = Unsqueeze (x, axes)
      thin = Squeeze (wide, axes)
    }""", '"": 19, "ai.onnx.ml": 3')  # fmt: skip
    x = string_array(["a", "b", "a", "?", "e", "f"], (2, 3))
    feeds = {
        "x": x,
        "rows": np.array([2, -1]),
        "shape": np.array([-1]),
        "keep": np.array([True, False, True]),
    }
    extra = string_array(["?", "!", "a"])
    expected = [
        x[:, [2, 2]], np.concatenate([x, x]), x.reshape(-1), x == extra, np.array([2, 3]),
        np.array(6), x.T, np.where(feeds["keep"], x, extra), x[None], x,
    ]  # fmt: skip
    for found, wanted in zip(run(model, feeds), expected, strict=True):
        assert_same(found, wanted)


def test_numbers_as_strings_and_back() -> None:
    model = parse("""
    g (int64[3] x, string[4] s) => (texts, numbers, whole) {
      texts = Cast <to = 8> (x)
      numbers = Cast <to = 1> (s)
      whole = Cast <to = 7> (texts)
    }""")
    feeds = {"x": np.array([-5, 0, 1 << 40]), "s": string_array(["1.5", "-INF", "NaN", "1e-3"])}
    texts, numbers, whole = assert_agrees(model, feeds)
    assert texts.tolist() == ["-5", "0", "1099511627776"]
    assert numbers.tolist()[:2] == [1.5, -np.inf]
    assert whole.tolist() == [-5, 0, 1 << 40]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (
        "g (string[1] s) => (y) { y = Cast <to = 1> (s) }",
        {"s": string_array(["one"])},
        "Cast: 'one' is no number of type float32\n  at: Cast:y",
    ),
    (
        "g (string[1] s) => (y) { y = Cast <to = 2> (s) }",
        {"s": string_array(["256"])},
        "Cast: '256' is no number of type uint8\n  at: Cast:y",
    ),
    (
        "g (string[2,2] s) => (y) { y = StringNormalizer (s) }",
        {"s": string_array(list("abcd"), (2, 2))},
        "StringNormalizer: the shape (2, 2) is neither [C] nor [1, C]\n  at: StringNormalizer:y",
    ),
    (
        "g (string[2] s, int64[1] i) => (y) { y = Gather (s, i) }",
        {"s": string_array(["a", "b"]), "i": np.array([2])},
        "Gather: an index is outside of 2 elements\n  at: Gather:y",
    ),
]


@pytest.mark.parametrize(("text", "feeds", "message"), REFUSED)
def test_refused(text: str, feeds: dict[str, Any], message: str) -> None:
    with pytest.raises(mlc.MlcError) as caught:
        run(parse(text), feeds)
    assert str(caught.value) == message
