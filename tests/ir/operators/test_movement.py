"""reshape, transpose, slice, expand, tile, trilu."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlc.ir.affine import linear_form
from mlc.ir.expr import Binary, Var
from mlc.ir.operators.movement import axis_groups
from mlc.ir.rewrite import loads_of, walk_exprs
from tests.ir.operators.harness import check, infer, loop_names, loops_of, refusal, tensor_type

dims = st.lists(st.integers(1, 4), min_size=0, max_size=4)


def numbered(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.arange(math.prod(shape)).reshape(shape).astype(dtype)


@st.composite
def regrouped(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes of equal size, out of the same prime factors in one order."""
    factors = draw(st.lists(st.sampled_from([1, 2, 2, 3]), max_size=5))

    def shape() -> tuple[int, ...]:
        cuts = sorted(draw(st.lists(st.integers(0, len(factors)), max_size=3)))
        return tuple(
            math.prod(factors[a:b]) for a, b in zip([0, *cuts], [*cuts, len(factors)], strict=True)
        )

    return shape(), shape()


@settings(max_examples=60)
@given(regrouped())
def test_reshape(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    old, new = shapes
    x = numbered(*old)
    (got,) = check("reshape", x, shape=new)
    np.testing.assert_array_equal(got, x.reshape(new))


@pytest.mark.parametrize(
    ("old", "new"), [((0, 3), (3, 0, 2)), ((1, 1), ()), ((), (1,)), ((6,), (1, 2, 1, 3, 1))]
)
def test_reshape_of_odd_shapes(old: tuple[int, ...], new: tuple[int, ...]) -> None:
    check("reshape", numbered(*old), shape=new)


def test_reshape_that_splits_is_affine() -> None:
    func = loops_of("reshape", [tensor_type("f32[2,60]")], shape=(2, 3, 4, 5))
    (load,) = loads_of(func.body)
    assert load.index[0] == Var("p_i0")
    terms = {str(atom): factor for atom, factor in linear_form(load.index[1]).terms.items()}
    assert terms == {"p_i1": 20, "p_i2": 5, "p_i3": 1}


def test_reshape_that_merges_divides_one_variable() -> None:
    func = loops_of("reshape", [tensor_type("f32[2,3,5]")], shape=(2, 15))
    (load,) = loads_of(func.body)
    merged = Var("p_i1")
    assert load.index == (Var("p_i0"), merged // 5, merged % 5)


@given(st.permutations(range(3)), dims)
def test_axis_groups_cover_both_shapes_with_equal_sizes(order: list[int], shape: list[int]) -> None:
    left = tuple(shape)
    right = (math.prod(shape[:2]), *shape[2:], 1)
    groups = axis_groups(left, right)
    assert [axis for a, _ in groups for axis in a] == list(range(len(left)))
    assert [axis for _, b in groups for axis in b] == list(range(len(right)))
    for a, b in groups:
        assert math.prod(left[k] for k in a) == math.prod(right[k] for k in b)


@given(st.permutations(range(4)))
def test_transpose(perm: list[int]) -> None:
    x = numbered(2, 3, 1, 4)
    (got,) = check("transpose", x, perm=tuple(perm))
    np.testing.assert_array_equal(got, x.transpose(perm))


@settings(max_examples=50)
@given(st.data())
def test_slice(data: st.DataObject) -> None:
    shape = (5, 7)
    picks = []
    for dim in shape:
        start = data.draw(st.integers(0, dim - 1))
        step = data.draw(st.sampled_from([-3, -2, -1, 1, 2, 3]))
        room = (dim - 1 - start) // step if step > 0 else start // -step
        picks.append((start, data.draw(st.integers(0, room + 1)), step))
    x = numbered(*shape)
    starts, sizes, steps = zip(*picks, strict=True)
    (got,) = check("slice", x, starts=starts, sizes=sizes, steps=steps)
    rows, columns = ([start + k * step for k in range(size)] for start, size, step in picks)
    assume(rows and columns)
    np.testing.assert_array_equal(got, x[rows][:, columns])


def test_slice_is_affine() -> None:
    func = loops_of("slice", [tensor_type("f32[9]")], starts=(8,), sizes=(4,), steps=(-2,))
    (load,) = loads_of(func.body)
    linear = linear_form(load.index[0])
    assert (linear.terms, linear.constant) == ({Var("p_i0"): -2}, 8)


@given(st.sampled_from([((3, 1), (2, 3, 4)), ((), (2, 2)), ((1,), (1,)), ((2, 1), (2, 0))]))
def test_expand(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    x = numbered(*shapes[0])
    (got,) = check("expand", x, shape=shapes[1])
    np.testing.assert_array_equal(got, np.broadcast_to(x, shapes[1]))


@given(st.lists(st.integers(0, 3), min_size=2, max_size=2))
def test_tile(repeats: list[int]) -> None:
    x = numbered(2, 3)
    (got,) = check("tile", x, repeats=tuple(repeats))
    np.testing.assert_array_equal(got, np.tile(x, repeats))


@given(st.booleans(), st.integers(-4, 5))
def test_trilu(upper: bool, k: int) -> None:
    x = numbered(2, 3, 4) + 1
    (got,) = check("trilu", x, upper=upper, k=k)
    np.testing.assert_array_equal(got, np.triu(x, k) if upper else np.tril(x, k))


def test_movement_is_one_nest_without_arithmetic_on_elements() -> None:
    func = loops_of("transpose", [tensor_type("f32[2,3]")], perm=(1, 0))
    assert loop_names(func) == ["p_i0", "p_i1"]
    assert not any(isinstance(expr, Binary) for expr in walk_exprs(func.body))


def test_symbolic_dimensions() -> None:
    assert infer("transpose", "f32[n,3,m]", perm=(2, 0, 1)) == "f32[m,n,3]"
    assert infer("trilu", "f32[n,n]", upper=True) == "f32[n,n]"


@pytest.mark.parametrize(
    ("message", "op", "type_", "attrs"),
    [
        ("ShapeError: reshape: f32[2,3] has no shape [4]", "reshape", "f32[2,3]", {"shape": (4,)}),
        (
            "ShapeError: reshape: the shape of f32[n,3] must be known",
            "reshape",
            "f32[n,3]",
            {"shape": (3,)},
        ),
        (
            "ShapeError: transpose: perm (0, 0) does not permute the axes of f32[2,3]",
            "transpose",
            "f32[2,3]",
            {"perm": (0, 0)},
        ),
        (
            "ShapeError: slice: start 1, size 3, step 1 leave a dimension of 3",
            "slice",
            "f32[3]",
            {"starts": (1,), "sizes": (3,), "steps": (1,)},
        ),
        (
            "ShapeError: slice: attribute starts has 2 entries, expected 1",
            "slice",
            "f32[3]",
            {"starts": (1, 1), "sizes": (3,), "steps": (1,)},
        ),
        (
            "ShapeError: expand: f32[2,3] does not broadcast to [1,3]",
            "expand",
            "f32[2,3]",
            {"shape": (1, 3)},
        ),
        (
            "ShapeError: tile: repeats (1, -1) are negative",
            "tile",
            "f32[2,3]",
            {"repeats": (1, -1)},
        ),
        (
            "ShapeError: trilu: input f32[2] needs at least 2 axes",
            "trilu",
            "f32[2]",
            {"upper": True},
        ),
        (
            "VerifyError: reshape: attribute shape must be a tuple of integers, not [2]",
            "reshape",
            "f32[2]",
            {"shape": [2]},
        ),
    ],
)
def test_refusals(message: str, op: str, type_: str, attrs: dict[str, object]) -> None:
    assert refusal(op, type_, **attrs) == message
