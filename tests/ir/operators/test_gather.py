"""gather, gather_elements, gather_nd, scatter_elements, scatter_nd."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.rewrite import stores_of
from tests.ir.operators.harness import (
    check,
    infer,
    loop_names,
    loops_of,
    refusal,
    sample,
    tensor_type,
)
from tests.ir.operators.peer import onnx_node

RNG = np.random.default_rng(0)


def indices_below(dim: int, shape: tuple[int, ...], dtype: str = "int64") -> np.ndarray:
    """Indices of both signs that are in range."""
    return RNG.integers(-dim, dim, shape).astype(dtype)


@settings(max_examples=30)
@given(st.integers(0, 2), st.sampled_from([(), (3,), (2, 2), (0,)]), st.sampled_from(["i4", "i8"]))
def test_gather(axis: int, shape: tuple[int, ...], dtype: str) -> None:
    data = sample(RNG, (3, 4, 5))
    indices = indices_below(data.shape[axis], shape, dtype)
    (got,) = check("gather", data, indices, axis=axis)
    np.testing.assert_array_equal(got, np.take(data, indices, axis))


def test_unsigned_indices() -> None:
    (got,) = check("gather", np.arange(5), np.array([4, 0], np.uint8), axis=0)
    np.testing.assert_array_equal(got, [4, 0])


def test_indices_outside_are_clamped() -> None:
    data, indices = np.arange(4, dtype=np.float32), np.array([-9, 9, -5, 4, -(2**62)])
    (got,) = check("gather", data, indices, axis=0)
    np.testing.assert_array_equal(got, [0, 3, 0, 3, 0])


@settings(max_examples=30)
@given(st.integers(0, 1), st.integers(0, 5))
def test_gather_elements(axis: int, length: int) -> None:
    data = sample(RNG, (3, 4))
    shape = (length, 3) if axis == 0 else (2, length)
    indices = indices_below(data.shape[axis], shape)
    (got,) = check("gather_elements", data, indices, axis=axis)
    inner = data[:, :3] if axis == 0 else data[:2]
    np.testing.assert_array_equal(got, np.take_along_axis(inner, indices, axis))


@pytest.mark.parametrize(
    ("shape", "batch", "depth"),
    [((2, 3), 0, 1), ((2, 3), 0, 2), ((2, 3), 0, 3), ((2,), 1, 1), ((2,), 1, 2), ((2, 3), 2, 1)],
)
def test_gather_nd_matches_onnxruntime(shape: tuple[int, ...], batch: int, depth: int) -> None:
    data = sample(RNG, (2, 3, 4))
    columns = [indices_below(data.shape[batch + k], shape) for k in range(depth)]
    indices = np.stack(columns, axis=-1)
    (got,) = check("gather_nd", data, indices, batch_dims=batch)
    (peer,) = onnx_node("GatherND", [data, indices], batch_dims=batch)
    np.testing.assert_array_equal(got, peer)


REDUCTIONS = ("none", "add", "mul", "max", "min")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("axis", [0, 1])
def test_scatter_elements_matches_onnxruntime(reduction: str, axis: int) -> None:
    data, indices = sample(RNG, (3, 4)), indices_below(3, (2, 3))
    if reduction == "none":
        indices = np.array([[0, -1, 1], [2, 0, -3]])
    updates = sample(RNG, (2, 3))
    (got,) = check("scatter_elements", data, indices, updates, axis=axis, reduction=reduction)
    (peer,) = onnx_node("ScatterElements", [data, indices, updates], axis=axis, reduction=reduction)
    np.testing.assert_allclose(got, peer, rtol=1e-6)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_scatter_nd_matches_onnxruntime(reduction: str) -> None:
    data, updates = sample(RNG, (3, 4, 2)), sample(RNG, (3, 2))
    indices = np.array([[0, 1], [2, -1], [0, 2]])
    if reduction != "none":
        indices[2] = indices[0]
    (got,) = check("scatter_nd", data, indices, updates, reduction=reduction)
    (peer,) = onnx_node("ScatterND", [data, indices % [3, 4], updates], reduction=reduction)
    np.testing.assert_allclose(got, peer, rtol=1e-6)


def test_the_last_update_of_a_place_wins() -> None:
    data, updates = np.zeros(2, np.float32), np.array([1, 2, 3], np.float32)
    (got,) = check("scatter_nd", data, np.array([[1], [1], [1]]), updates)
    np.testing.assert_array_equal(got, [0, 3])


def test_scatter_copies_then_updates() -> None:
    types = [tensor_type(text) for text in ("f32[4]", "i64[3,1]", "f32[3]")]
    func = loops_of("scatter_nd", types, reduction="add")
    assert loop_names(func) == ["p_i0", "p_u0"]
    assert [store.buffer.name for store in stores_of(func.body)] == ["y0", "y0"]


def test_symbolic_dimensions() -> None:
    assert infer("gather", "f32[5,n]", "i64[m]", axis=0) == "f32[m,n]"
    assert infer("gather_nd", "f32[5,n]", "i64[m,1]") == "f32[m,n]"
    assert infer("gather_elements", "f32[5,n]", "i32[7,n]", axis=0) == "f32[7,n]"


@pytest.mark.parametrize(
    ("message", "op", "types", "attrs"),
    [
        (
            "DtypeError: gather: element type f32, expected integer",
            "gather",
            ["f32[3]", "f32[2]"],
            {"axis": 0},
        ),
        (
            "ShapeError: gather: f32[0,2] has no elements along axis 0",
            "gather",
            ["f32[0,2]", "i64[2]"],
            {"axis": 0},
        ),
        (
            "ShapeError: gather: the dimension n must be known",
            "gather",
            ["f32[n]", "i64[2]"],
            {"axis": 0},
        ),
        (
            "ShapeError: gather_elements: indices i64[2] and f32[3,3] differ in rank",
            "gather_elements",
            ["f32[3,3]", "i64[2]"],
            {"axis": 0},
        ),
        (
            "ShapeError: gather_elements: indices i64[2,4] reach beyond axis 1 of f32[3,3]",
            "gather_elements",
            ["f32[3,3]", "i64[2,4]"],
            {"axis": 0},
        ),
        (
            "ShapeError: gather_nd: indices i64[2,3] of depth 3 do not fit f32[3,3]",
            "gather_nd",
            ["f32[3,3]", "i64[2,3]"],
            {},
        ),
        (
            "ShapeError: gather_nd: indices i64[2,3,1] and f32[3,3] differ in the first 1 axes",
            "gather_nd",
            ["f32[3,3]", "i64[2,3,1]"],
            {"batch_dims": 1},
        ),
        (
            "ShapeError: scatter_nd: updates f32[2,4] do not fit f32[3,3] at indices i64[2,1]",
            "scatter_nd",
            ["f32[3,3]", "i64[2,1]", "f32[2,4]"],
            {},
        ),
        (
            "ShapeError: scatter_elements: updates f32[2] and indices i64[3] differ in shape",
            "scatter_elements",
            ["f32[3]", "i64[3]", "f32[2]"],
            {"axis": 0},
        ),
        (
            "DtypeError: scatter_nd: inputs differ in element type: f32, f64",
            "scatter_nd",
            ["f32[3]", "i64[3,1]", "f64[3]"],
            {},
        ),
    ],
)
def test_refusals(message: str, op: str, types: list[str], attrs: dict[str, object]) -> None:
    assert refusal(op, *types, **attrs) == message
