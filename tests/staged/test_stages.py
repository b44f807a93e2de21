"""Branches, shapes and counts that depend on data, against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

import mlc
from mlc.errors import ModelError, UnsupportedError
from tests.importers.evaluate import parse
from tests.staged.agreement import check, staged

F32 = np.float32


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(F32)


def integers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


# Values that converters demand


@pytest.mark.parametrize(
    ("model", "calls"),
    [
        (
            "g (float[2,6] x, int64[2] s) => (float[a,b] y) { y = Reshape(x, s) }",
            [(numbers(2, 6), integers(3, 4)), (numbers(2, 6), integers(-1, 2))],
        ),
        (
            ("g (float[2,6] x, int64[1] k) => (float[a,b] y) "
            "{ v, i = TopK(x, k) c = Cast<to = 1>(i) y = Add(v, c) }"),
            [(numbers(2, 6), integers(3)), (numbers(2, 6), integers(6))],
        ),
        (
            "g (float[5] x, int64[1] s, int64[1] e) => (float[a] y) { y = Slice(x, s, e) }",
            [(numbers(5), integers(1), integers(4)), (numbers(5), integers(-2), integers(9))],
        ),
        (
            "g (int64 a, int64 b, int64 c) => (int64[n] y) { y = Range(a, b, c) }",
            [tuple(map(np.array, (0, 7, 2))), tuple(map(np.array, (5, -2, -3)))],
        ),
        (
            "g (float[1,2] x, int64[2] s) => (float[a,b] y) { y = Expand(x, s) }",
            [(numbers(1, 2), integers(3, 2)), (numbers(1, 2), integers(1, 1))],
        ),
        (
            "g (float[1,2] x, int64[2] s) => (float[a,b] y) { y = Tile(x, s) }",
            [(numbers(1, 2), integers(3, 2))],
        ),
        (
            "g (float[2,2] x, int64[4] s) => (float[a,b] y) { y = Pad(x, s) }",
            [(numbers(2, 2), integers(0, 1, 2, 0))],
        ),
        (
            ("g (int64[3] i, int64[1] d) => (float[3,n] y) "
            "{ v = Constant<value_floats = [0.0, 1.0]>() y = OneHot(i, d, v) }"),
            [(integers(0, 1, 3), integers(4)), (integers(0, 1, 3), integers(2))],
        ),
        (
            "g (int64[2] s) => (float[a,b] y) { y = ConstantOfShape(s) }",
            [(integers(2, 3),), (integers(0, 3),)],
        ),
        (
            ("g (float[1,1,2,2] x, int64[4] s) => (float[a,b,c,d] y) "
            "{ y = Resize<mode = \"nearest\">(x, , , s) }"),
            [(numbers(1, 1, 2, 2), integers(1, 1, 4, 3))],
        ),
        (
            "g (float[6] x, int64[2] s) => (float[a] y, float[b] z) { y, z = Split(x, s) }",
            [(numbers(6), integers(2, 4)), (numbers(6), integers(6, 0))],
        ),
        (
            "g (float[2,3] x, int64[1] s) => (float[a] y) { y = ReduceSum<keepdims = 0>(x, s) }",
            [(numbers(2, 3), integers(0)), (numbers(2, 3), integers(1))],
        ),
    ],
)  # fmt: skip
def test_demanded_inputs(model: str, calls: list[tuple[np.ndarray, ...]]) -> None:
    opset = 13 if "ReduceSum" in model else 18
    proto = parse(model, opset)
    module = check(proto, *calls)
    assert module.variants == len(calls)


def test_demanded_values_are_computed_first() -> None:
    model = (
        "g (float[n,4] x, int64[k] lengths) => (float[n,m] y) {"
        " most = ReduceMax<keepdims = 0>(lengths) zero = Constant<value_int = 0>()"
        " one = Constant<value_int = 1>() r = Range(zero, most, one) f = Cast<to = 1>(r)"
        " s = ReduceSum<keepdims = 1>(x, last) y = Add(s, f) }"
    )
    proto = parse(model)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(integers(1), "last"))
    module = check(
        proto, (numbers(2, 4), integers(1, 5)), (numbers(3, 4), integers(3)),
        (numbers(2, 4), integers(5, 2)),
    )  # fmt: skip
    assert module.variants == 4  # two shapes of inputs; a stage per number of columns and shape


def test_more_elements_than_may_be_demanded() -> None:
    module = staged("g (float[n] x, int64[k] s) => (float[m] y) { y = Tile(x, s) }")
    with pytest.raises(UnsupportedError) as caught:
        module(numbers(1), np.ones(5000, np.int64))
    assert str(caught.value) == (
        "1 node of the model is not supported\n"
        "  - Tile:y: Tile (opset 17; f32[1], i64[5000]): the repeats must be known at import, "
        "not computed from data; i64[5000] has more than 4096 elements"
    )


# Branches

BRANCHES = """g (float[n,4] x, float limit) => (float[n,4] y) {
    total = ReduceSum<keepdims = 0>(x)
    high = Greater(total, limit)
    twice = Add(x, x)
    y = If(high) <
        then_branch = up () => (float[n,4] p) { p = Mul(twice, total) },
        else_branch = down () => (float[n,4] q) {
            low = Less(total, limit)
            q = If(low) <
                then_branch = lower () => (float[n,4] a) { t = Sub(twice, limit) a = Abs(t) },
                else_branch = same () => (float[n,4] b) { b = Identity(x) }
            >
        }
    >
}"""


def test_nested_branches_with_captured_values() -> None:
    ones = np.ones((2, 4), F32)
    check(
        BRANCHES,
        (ones, np.array(1, F32)), (ones, np.array(9, F32)), (ones, np.array(8, F32)),
        (numbers(3, 4), np.array(0, F32)),
    )  # fmt: skip


def test_branches_of_different_shapes() -> None:
    model = """g (float[n] x, bool c) => (float[m] y) {
        z = If(c) <
            then_branch = all () => (float[a] p) { p = Concat<axis = 0>(x, x) },
            else_branch = none () => (float[b] q) { q = Constant<value_floats = [5.0]>() }
        >
        y = Neg(z)
    }"""
    check(model, (numbers(3), np.array(True)), (numbers(3), np.array(False)))


def test_branches_with_the_same_names_and_weights() -> None:
    model = parse("""g (float[2] x, bool c) => (float[2] y, float[2] z) {
        y = If(c) <
            then_branch = t () => (float[2] r) { v = Add(x, w) r = Relu(v) },
            else_branch = e () => (float[2] r) { v = Sub(x, w) r = Neg(v) }
        >
        z = If(c) <
            then_branch = t () => (float[2] r) { v = Mul(x, w) r = Exp(v) },
            else_branch = e () => (float[2] r) { v = Div(x, w) r = Abs(v) }
        >
    }""")
    for place, node in enumerate(model.graph.node):
        for attribute in node.attribute:
            weight = np.array([2 + place, 3], F32)
            attribute.g.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    check(model, (numbers(2), np.array(True)), (numbers(2), np.array(False)))


def test_data_dependent_shape_inside_a_branch() -> None:
    model = """g (float[n] x, bool c) => (int64[m] y) {
        y = If(c) <
            then_branch = t () => (int64[a] p) {
                i = NonZero(x) s = Constant<value_ints = [-1]>() p = Reshape(i, s)
            },
            else_branch = e () => (int64[b] q) { q = Constant<value_ints = [4]>() }
        >
    }"""
    x = np.array([0, 1, 0, 2], F32)
    check(model, (x, np.array(True)), (x, np.array(False)), (x * 0, np.array(True)))


# Sizes that depend on data


def test_a_chain_of_data_dependent_sizes() -> None:
    model = parse("""g (float[n,3] x) => (float[k,2] y, int64[1,k] i) {
        total = ReduceSum<keepdims = 0>(x, last)
        high = Greater(total, zero)
        i = NonZero(high)
        flat = Reshape(i, any)
        rows = Gather<axis = 0>(x, flat)
        shaped = Reshape(rows, matrix)
        y = MatMul(shaped, w)
    }""")
    for name, array in {
        "last": integers(1), "zero": np.array(0, F32), "any": integers(-1),
        "matrix": integers(-1, 3), "w": numbers(3, 2),
    }.items():  # fmt: skip
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    module = check(model, (numbers(6, 3),), (numbers(6, 3, seed=1),), (numbers(4, 3),))
    nothing, places = module(-np.ones((2, 3), F32))
    assert (nothing.shape, places.shape) == ((0, 2), (1, 0))


@pytest.mark.parametrize(
    ("model", "calls"),
    [
        (
            "g (float[4,3] x, bool[n] c) => (float[a,b] y) { y = Compress<axis = 0>(x, c) }",
            [(numbers(4, 3), np.array([True, False, True])), (numbers(4, 3), np.ones(4, bool))],
        ),
        (
            "g (float[4,3] x, bool[n] c) => (float[a] y) { y = Compress(x, c) }",
            [(numbers(4, 3), np.array([True, False, True])), (numbers(4, 3), np.zeros(4, bool))],
        ),
        (
            ("g (float[n] x) => (float[a] y, int64[a] i, int64[n] j, int64[a] c) "
            "{ r = Round(x) y, i, j, c = Unique(r) }"),
            [(numbers(9),), (numbers(5),)],
        ),
        (
            ("g (float[n,2] x) => (float[a,2] y, int64[n] j) "
            "{ r = Sign(x) y, i, j = Unique<axis = 0>(r) }"),
            [(numbers(9, 2),)],
        ),
        (
            ("g (float[2,n] x) => (float[2,a] y) "
            "{ r = Sign(x) y = Unique<axis = 1, sorted = 0>(r) }"),
            [(numbers(2, 9),)],
        ),
        (
            "g (float[n,m] x) => (int64[2,k] y) { r = Relu(x) y = NonZero(r) }",
            [(numbers(3, 4),), (numbers(2, 2),)],
        ),
    ],
)  # fmt: skip
def test_results_of_as_many_elements_as_data_says(
    model: str, calls: list[tuple[np.ndarray, ...]]
) -> None:
    check(model, *calls)


def test_a_cut_result_is_its_own_memory() -> None:
    module = staged("g (float[n] x) => (int64[1,k] y) { y = NonZero(x) }")
    x = np.zeros(1000, F32)
    x[7] = 1
    y = module(x)
    assert y.tolist() == [[7]]
    assert y.base is None or y.base.nbytes < 1000
    assert y.flags.writeable


def test_unused_outputs_of_data_dependent_nodes() -> None:
    model = parse("g (float[n] x) => (float[a] y) { y, i, j, c = Unique(x) dead = NonZero(i) }", 18)
    check(model, (np.array([3, 1, 3], F32),))


# Order and names


def test_unsorted_nodes_and_weights_as_constants() -> None:
    model = parse("""g (float[n,2] x, bool c) => (float[n,2] y) {
        shift = Transpose(raw)
        raw = Constant<value = float[2,1] {1.0, 2.0}>()
        z = Add(x, shift)
        y = If(c) <
            then_branch = t () => (float[n,2] p) { p = Mul(z, shift) },
            else_branch = e () => (float[n,2] q) { q = Sub(z, shift) }
        >
    }""")
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])
    module = staged(model)
    x, shift = numbers(3, 2), np.array([[1, 2]], F32)
    np.testing.assert_allclose(module(x, np.array(True)), (x + shift) * shift, rtol=1e-6)
    np.testing.assert_allclose(module(x, np.array(False)), x, atol=1e-6)


# Broken branches


def _no_condition(node: onnx.NodeProto) -> None:
    del node.input[:]


def _condition_left_out(node: onnx.NodeProto) -> None:
    node.input[0] = ""


def _no_branch(node: onnx.NodeProto) -> None:
    del node.attribute[0]


def _no_outputs(node: onnx.NodeProto) -> None:
    del node.attribute[0].g.output[:]


def _an_input(node: onnx.NodeProto) -> None:
    node.attribute[0].g.input.add(name="z")


def _nothing_written(node: onnx.NodeProto) -> None:
    node.attribute[0].g.output[0].name = "nowhere"


def _written_twice(node: onnx.NodeProto) -> None:
    node.attribute[0].g.node.add().CopyFrom(node.attribute[0].g.node[0])


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        (_no_condition, "If: 0 inputs, expected 1\n  at: If:y"),
        (_condition_left_out, "If: input 0 is missing\n  at: If:y"),
        (_no_branch, "If: attribute then_branch is missing\n  at: If:y"),
        (_no_outputs, "If: a branch gives 0 outputs, expected 1\n  at: If:y"),
        (_an_input, "If: a branch has inputs\n  at: If:y"),
        (_nothing_written, "'nowhere' is read, but nothing writes it\n  at: If:y"),
        (_written_twice, "'p' is written more than once\n  at: Neg:p"),
    ],
)
def test_broken_branches(breaks: Callable[[onnx.NodeProto], None], message: str) -> None:
    model = parse("""g (float[n] x, bool c) => (float[m] y) {
        y = If(c) <
            then_branch = t () => (float[n] p) { p = Neg(x) },
            else_branch = e () => (float[n] q) { q = Relu(x) }
        >
    }""")
    breaks(model.graph.node[0])
    with pytest.raises(ModelError) as caught:
        mlc.compile(model, num_threads=1, cache=False)(numbers(3), np.array(True))
    assert str(caught.value) == message
