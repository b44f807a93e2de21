"""concat and pad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.expr import Load, Var
from mlc.ir.rewrite import stores_of
from mlc.ir.stmt import Seq
from tests.ir.operators.harness import (
    check,
    infer,
    loop_names,
    loops_of,
    refusal,
    sample,
    tensor_type,
)

RNG = np.random.default_rng(0)


@settings(max_examples=40)
@given(st.integers(0, 2), st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_concat(axis: int, lengths: list[int]) -> None:
    arrays = [sample(RNG, [*(2, 3, 2)[:axis], n, *(2, 3, 2)[axis + 1 :]]) for n in lengths]
    (got,) = check("concat", *arrays, axis=axis)
    np.testing.assert_array_equal(got, np.concatenate(arrays, axis))


def test_concat_stores_each_input_at_its_offset() -> None:
    func = loops_of("concat", [tensor_type("f32[2,3]"), tensor_type("f32[2,5]")], axis=1)
    assert loop_names(func) == ["p_0i0", "p_0i1", "p_1i0", "p_1i1"]
    first, second = stores_of(func.body)
    assert first.index == (Var("p_0i0"), Var("p_0i1"))
    assert second.index == (Var("p_1i0"), Var("p_1i1") + 3)
    assert second.value.index == (Var("p_1i0"), Var("p_1i1"))


widths = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=3, max_size=3)


@settings(max_examples=60)
@given(st.sampled_from(["constant", "reflect", "edge", "wrap"]), widths)
def test_pad(mode: str, sides: list[tuple[int, int]]) -> None:
    x = sample(RNG, (3, 4, 3))
    before, after = zip(*sides, strict=True)
    extra = {"value": 2.5} if mode == "constant" else {}
    (got,) = check("pad", x, before=before, after=after, mode=mode, **extra)
    options = {"constant_values": 2.5} if mode == "constant" else {}
    np.testing.assert_array_equal(got, np.pad(x, sides, mode=mode, **options))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
def test_pad_of_other_types(dtype: str) -> None:
    check("pad", sample(RNG, (2, 3), dtype), before=(1, 0), after=(0, 2), value=1.0)


def test_pad_of_nothing_is_all_border() -> None:
    (got,) = check("pad", np.zeros((0, 2), np.float32), before=(1, 1), after=(1, 0), value=3.0)
    np.testing.assert_array_equal(got, np.full((2, 3), 3))


@given(widths)
def test_pad_writes_every_element_once(sides: list[tuple[int, int]]) -> None:
    before, after = zip(*sides, strict=True)
    func = loops_of("pad", [tensor_type("f32[3,4,3]")], before=before, after=after)
    nests = func.body.body if isinstance(func.body, Seq) else (func.body,)
    size = 0
    for part in nests:
        count = 1
        while hasattr(part, "extent"):
            count, part = count * part.extent.value, part.body
        size += count
    assert size == np.prod([d + b + a for d, (b, a) in zip((3, 4, 3), sides, strict=True)])
    assert len(nests) == 1 + sum(width > 0 for side in sides for width in side)


def test_pad_ends_with_a_nest_over_the_input() -> None:
    func = loops_of("pad", [tensor_type("f32[3,4]")], before=(1, 0), after=(0, 2))
    assert loop_names(func) == [
        *("p_before0_i0", "p_before0_i1"),
        *("p_after1_i0", "p_after1_i1"),
        *("p_i0", "p_i1"),
    ]
    interior = list(stores_of(func.body))[-1]
    assert interior.index == (Var("p_i0") + 1, Var("p_i1"))
    assert interior.value == Load(func.params[0], (Var("p_i0"), Var("p_i1")))


def test_symbolic_dimensions() -> None:
    assert infer("concat", "f32[n,3]", "f32[n,4]", axis=1) == "f32[n,7]"
    assert infer("concat", "f32[n,3]", axis=0) == "f32[n,3]"


@pytest.mark.parametrize(
    ("message", "op", "types", "attrs"),
    [
        (
            "ShapeError: concat: f32[2,3] and f32[3,3] differ outside axis 1",
            "concat",
            ["f32[2,3]", "f32[3,3]"],
            {"axis": 1},
        ),
        (
            "ShapeError: concat: the dimension n must be known",
            "concat",
            ["f32[n]", "f32[3]"],
            {"axis": 0},
        ),
        (
            "ShapeError: concat: axis 2 is not an axis of a tensor of rank 2",
            "concat",
            ["f32[2,3]"],
            {"axis": 2},
        ),
        ("VerifyError: concat: 0 inputs, expected at least 1", "concat", [], {"axis": 0}),
        (
            "ShapeError: pad: padding before (-1,), after (0,) is negative",
            "pad",
            ["f32[3]"],
            {"before": (-1,), "after": (0,)},
        ),
        (
            "ShapeError: pad: reflect padding of 3 on a dimension of 3",
            "pad",
            ["f32[3]"],
            {"before": (0,), "after": (3,), "mode": "reflect"},
        ),
        (
            "ShapeError: pad: edge padding of 1 on a dimension of 0",
            "pad",
            ["f32[0]"],
            {"before": (0,), "after": (1,), "mode": "edge"},
        ),
    ],
)
def test_refusals(message: str, op: str, types: list[str], attrs: dict[str, object]) -> None:
    assert refusal(op, *types, **attrs) == message


def test_an_unknown_mode_is_refused() -> None:
    assert refusal("pad", "f32[3]", before=(0,), after=(1,), mode="mirror") == (
        "VerifyError: pad: attribute mode must be one of constant, reflect, edge, wrap, "
        "not 'mirror'"
    )
