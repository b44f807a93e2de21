"""Sequences and optionals, against onnxruntime and Python's lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

import mlc
from tests.staged.hosts.agreement import assert_agrees, assert_same, parse, run

X = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_building_and_taking_apart() -> None:
    model = parse("""
    g (float[3,4] x, float[2] y, int64 i) => (all, some, one, count, last, first) {
      double = Add (x, x)
      made = SequenceConstruct (x, double)
      zero = Constant <value = int64 {0}> ()
      front = SequenceInsert (made, y, zero)
      all = SequenceInsert (front, y)
      some = SequenceErase (all, i)
      one = SequenceAt (all, i)
      count = SequenceLength (some)
      last = SequenceErase (some)
      minus = Constant <value = int64 {-1}> ()
      first = SequenceInsert (made, y, minus)
    }""")
    assert_agrees(model, {"x": X, "y": np.ones(2, np.float32), "i": np.array(-2)})


@pytest.mark.parametrize(
    ("attributes", "sizes"),
    [
        ("axis = 1", None),
        ("axis = -1, keepdims = 0", None),
        ("axis = 0", np.array(2)),
        ("axis = 1", np.array([1, 3])),
        ("axis = 1", np.array([4, 0])),
    ],
)
def test_splitting_and_joining(attributes: str, sizes: np.ndarray | None) -> None:
    given = "" if sizes is None else f", int64{list(sizes.shape) if sizes.ndim else ''} s"
    axis = attributes.removeprefix("axis = ").partition(",")[0]
    new = int("keepdims" in attributes)
    model = parse(f"""
    g (float[3,4] x{given}) => (parts, whole) {{
      parts = SplitToSequence <{attributes}> (x{", s" if given else ""})
      whole = ConcatFromSequence <axis = {axis}, new_axis = {new}> (parts)
    }}""")
    feeds = {"x": X} if sizes is None else {"x": X, "s": sizes}
    _, whole = assert_agrees(model, feeds)
    assert_same(whole, X)


def test_a_model_that_takes_and_gives_sequences() -> None:
    model = parse("""
    g (seq(float[n]) xs, float[n] y) => (seq(float[n]) ys, float[n] one) {
      zero = Constant <value = int64 {0}> ()
      one = SequenceAt (xs, zero)
      sum = Add (one, y)
      ys = SequenceInsert (xs, sum)
    }""")
    xs = [np.ones(3, np.float32), np.zeros(3, np.float32)]
    assert_agrees(model, {"xs": xs, "y": np.full(3, 2, np.float32)})
    assert len(xs) == 2


def test_map() -> None:
    model = parse("""
    g (seq(float[n]) xs, seq(float[n]) ys, float[1] k) => (sums, sizes) {
      sums, sizes = SequenceMap <
          body = body (float[n] x, float[n] y, float[1] z) => (float[n] s, int64[1] d) {
            a = Add (x, y)
            s = Mul (a, z)
            d = Shape (x)
          }
        > (xs, ys, k)
    }""")
    xs = [np.arange(n, dtype=np.float32) for n in (3, 1, 3)]
    sums, sizes = run(model, {"xs": xs, "ys": xs, "k": np.array([3], np.float32)})
    assert_same(sums, [6 * x for x in xs])
    assert_same(sizes, [np.array([n]) for n in (3, 1, 3)])


@pytest.mark.parametrize("content", [None, np.ones(2, np.float32)])
def test_optionals(content: np.ndarray | None) -> None:
    model = parse("""
    g (optional(float[n]) o, float[2] x) => (bool there, float[n] y) {
      there = OptionalHasElement (o)
      y = If (there) <
        then_branch = yes () => (float[n] a) {
          content = OptionalGetElement (o)
          a = Add (content, x)
        },
        else_branch = no () => (float[n] b) { b = Neg (x) }
      >
    }""", '"": 18')  # fmt: skip
    x = np.array([1, 2], np.float32)
    there, y = run(model, {"o": content, "x": x})
    assert there.item() is (content is not None)
    assert_same(y, -x if content is None else content + x)


def test_empty_optionals() -> None:
    text = "g (float[1] x) => (there) { there = OptionalHasElement () }"
    model = parse(text, '"": 18')
    (found,) = run(model, {"x": np.ones(1, np.float32)})
    assert_same(found, np.array(False))


@pytest.mark.parametrize("kind", ["seq", "optional"])
def test_branches_that_give_no_tensors(kind: str) -> None:
    made = {"seq": "SequenceConstruct", "optional": "Optional"}[kind]
    model = parse(f"""
    g (bool c, float[2] x) => ({kind}(float[2]) y) {{
      y = If (c) <
        then_branch = yes () => ({kind}(float[2]) a) {{ a = {made} (x) }},
        else_branch = no () => ({kind}(float[2]) b) {{
          n = Neg (x)
          b = {made} (n)
        }}
      >
    }}""", '"": 18')  # fmt: skip
    x = np.array([1, 2], np.float32)
    for condition, value in ((True, x), (False, -x)):
        (found,) = run(model, {"c": np.array(condition), "x": x})
        assert_same(found, [value] if kind == "seq" else value)


def with_position(operator: str) -> str:
    return f"g (seq(float[n]) xs, int64 i) => (y) {{ y = {operator} (xs, i) }}"


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (
        with_position("SequenceAt"),
        {"xs": [X, X], "i": np.array(2)},
        "SequenceAt: position 2 of a sequence with 2 places",
    ),
    (
        with_position("SequenceErase"),
        {"xs": [], "i": np.array(-1)},
        "SequenceErase: position -1 of a sequence with 0 places",
    ),
    (
        "g (seq(float[n]) xs) => (y) { y = ConcatFromSequence <axis = 0> (xs) }",
        {"xs": []},
        "ConcatFromSequence: the sequence is empty",
    ),
    (
        "g (seq(float) xs) => (y) { y = ConcatFromSequence <axis = 0, new_axis = 1> (xs) }",
        {"xs": [X, X.T]},
        "ConcatFromSequence: elements of the shapes (3, 4), (4, 3) do not fit together",
    ),
    (
        "g (float[3,4] x, int64[2] s) => (y) { y = SplitToSequence (x, s) }",
        {"x": X, "s": np.array([1, 3])},
        "SplitToSequence: the sizes [1, 3] do not add up to 3",
    ),
    (
        "g (float[3,4] x, int64[4] s) => (y) { y = SequenceConstruct (x, s) }",
        {"x": X, "s": np.zeros(4, np.int64)},
        "SequenceConstruct: elements of one sequence are float32 and int64",
    ),
    (
        "g (optional(float[n]) o) => (y) { y = OptionalGetElement (o) }",
        {"o": None},
        "OptionalGetElement: the optional is empty",
    ),
]


@pytest.mark.parametrize(("text", "feeds", "message"), REFUSED)
def test_refused(text: str, feeds: dict[str, Any], message: str) -> None:
    with pytest.raises(mlc.MlcError) as caught:
        run(parse(text), feeds)
    operator = message.partition(":")[0]
    assert str(caught.value) == f"{message}\n  at: {operator}:y"


def test_labels() -> None:
    model = parse("""
    g (string[3] s, int64[3] n) => (number, text, decimal) {
      number = ai.onnx.ml.LabelEncoder <
        keys_strings = ["a", "b"], values_int64s = [5, 6], default_int64 = -3> (s)
      text = ai.onnx.ml.LabelEncoder <
        keys_int64s = [1, 2], values_strings = ["one", "two"], default_string = "?"> (n)
      decimal = ai.onnx.ml.LabelEncoder <
        keys_strings = ["a", "?"], values_floats = [0.5, 1.5], default_float = -1.0> (s)
    }""")
    strings = np.array(["b", "a", "?"], object)
    number, text, decimal = assert_agrees(model, {"s": strings, "n": np.array([2, 0, 1])})
    assert number.tolist() == [6, 5, -3]
    assert text.tolist() == ["two", "?", "one"]
    assert decimal.tolist() == [-1.0, 0.5, 1.5]


def test_categories() -> None:
    model = parse("""
    g (string[3] s, int64[3] n) => (number, text) {
      number = ai.onnx.ml.CategoryMapper <
        cats_strings = ["a", "b"], cats_int64s = [5, 6], default_int64 = -3> (s)
      text = ai.onnx.ml.CategoryMapper <
        cats_strings = ["a", "b"], cats_int64s = [5, 6], default_string = "?"> (n)
    }""")
    strings = np.array(["b", "a", "?"], object)
    assert_agrees(model, {"s": strings, "n": np.array([6, 0, 5])})


def test_maps() -> None:
    node = onnx.helper.make_node(
        "ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["a", "b"]
    )
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 2])
    entry = onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, None)
    mapping = onnx.helper.make_map_type_proto(onnx.TensorProto.STRING, entry)
    y = onnx.helper.make_value_info("y", onnx.helper.make_sequence_type_proto(mapping))
    graph = onnx.helper.make_graph([node], "g", [x], [y])
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (found,) = assert_agrees(model, {"x": np.array([[0.5, 1], [2, 3]], np.float32)})
    assert found == [{"a": 0.5, "b": 1.0}, {"a": 2.0, "b": 3.0}]
