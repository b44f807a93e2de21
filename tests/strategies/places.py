"""Cases of operators that read or write at places that are data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from mlc.ir.dtype import BOOL, I32, I64
from mlc.ir.operators.forest import COMPARISONS
from mlc.ir.operators.interpolation import MODES
from mlc.ir.operators.sample import PADDINGS
from tests.strategies.cases import (
    ALL_DTYPES,
    FLOATS,
    MOST_ELEMENTS,
    Array,
    Case,
    any_axis,
    shapes,
    values,
)

_index_types = st.sampled_from([I32, I64])


@st.composite
def _one_hot(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(0, 3))
    attrs = {"depth": draw(st.integers(1, 9)), "axis": draw(st.integers(0, len(shape)))}
    return Case(op, (draw(values(shape, draw(_index_types))),), attrs)


@st.composite
def _gather(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(1, 3))
    assume(0 not in shape)
    axis = any_axis(draw, shape)
    indices = draw(values(draw(shapes(0, 2)), draw(_index_types)))
    assume(math.prod(shape) // shape[axis] * indices.size <= MOST_ELEMENTS)
    data = draw(values(shape, draw(st.sampled_from(ALL_DTYPES))))
    return Case(op, (data, indices), {"axis": axis})


@st.composite
def _elements(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(1, 3))
    assume(0 not in shape)
    axis = any_axis(draw, shape)
    picked = tuple(draw(st.integers(1, dim)) for dim in shape)
    indices = draw(values(picked, draw(_index_types)))
    if op == "gather_elements":
        data = draw(values(shape, draw(st.sampled_from(ALL_DTYPES))))
        return Case(op, (data, indices), {"axis": axis})
    reduction = draw(st.sampled_from(["none", "add", "mul", "max", "min"]))
    kinds = ALL_DTYPES if reduction == "none" else [d for d in ALL_DTYPES if d is not BOOL]
    dtype = draw(st.sampled_from(kinds))
    data, updates = draw(values(shape, dtype)), draw(values(picked, dtype))
    return Case(op, (data, indices, updates), {"axis": axis, "reduction": reduction})


@st.composite
def _places(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(1, 3))
    assume(0 not in shape)
    depth = draw(st.integers(1, len(shape)))
    outer = draw(shapes(0, 1))
    indices = draw(values((*outer, depth), draw(_index_types)))
    if op == "gather_nd":
        return Case(op, (draw(values(shape, draw(st.sampled_from(ALL_DTYPES)))), indices), {})
    reduction = draw(st.sampled_from(["none", "add", "mul", "max", "min"]))
    kinds = ALL_DTYPES if reduction == "none" else [d for d in ALL_DTYPES if d is not BOOL]
    dtype = draw(st.sampled_from(kinds))
    updates = draw(values((*outer, *shape[depth:]), dtype))
    return Case(op, (draw(values(shape, dtype)), indices, updates), {"reduction": reduction})


@st.composite
def _forest(draw: st.DrawFn, op: str) -> Case:
    """Trees that may grow into each other or into themselves, or point outside."""
    rows, count = draw(st.integers(0, 17)), draw(st.integers(1, 9))
    dtype = draw(st.sampled_from(FLOATS))
    x = draw(values((rows, draw(st.integers(1, 4))), dtype, special=True))
    splits = draw(values((count,), dtype, special=True))
    roots, features, branches, tests = (
        draw(values(shape, I64))
        for shape in ((draw(st.integers(0, 3)),), (count,), (count, 2), (count,))
    )
    missing = draw(values((count,), BOOL))
    names = draw(st.lists(st.sampled_from(sorted(COMPARISONS)), min_size=1, max_size=6))
    attrs = {"comparisons": tuple(names), "depth": draw(st.integers(0, 4))}
    return Case(op, (x, roots, features, splits, branches, tests, missing), attrs)


@st.composite
def _sample(draw: st.DrawFn, op: str) -> Case:
    spatial = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple))
    positions = draw(st.lists(st.integers(0, 7), max_size=2).map(tuple))
    batch, mode = draw(st.integers(1, 2)), draw(st.sampled_from(MODES))
    kinds = [d for d in ALL_DTYPES if d is not BOOL] if mode == "nearest" else FLOATS
    data = draw(values((batch, draw(st.integers(1, 3)), *spatial), draw(st.sampled_from(kinds))))
    dtype = draw(st.sampled_from(FLOATS))
    steps = draw(values((batch, *positions, len(spatial)), dtype, special=True))
    grid = np.asarray(steps * draw(st.sampled_from([1.0, 0.7])) + 1.0, dtype.numpy)
    attrs = {
        "mode": mode,
        "padding": draw(st.sampled_from(PADDINGS)),
        "align_corners": draw(st.booleans()),
    }
    return Case(op, (data, grid), attrs)


def _image_and_regions(draw: st.DrawFn, columns: int) -> tuple[Array, Array]:
    """An image, and rows of `columns` numbers of the same type."""
    dtype, spatial = draw(st.sampled_from(FLOATS)), st.integers(1, 7)
    image = (
        draw(st.integers(1, 2)),
        draw(st.sampled_from([1, 3, 17])),
        draw(spatial),
        draw(spatial),
    )
    return draw(values(image, dtype)), draw(values((draw(st.integers(0, 4)), columns), dtype))


def _bins(draw: st.DrawFn, scale: float) -> dict[str, Any]:
    """Numbers of bins that any extent is divided by exactly."""
    height, width = (draw(st.sampled_from([1, 2, 4])) for _ in range(2))
    return {"height": height, "width": width, "scale": scale}


@st.composite
def _roi_align(draw: st.DrawFn, op: str) -> Case:
    """With this scale no sample lies on the edge, where a rounding decides whether it counts."""
    data, regions = _image_and_regions(draw, 4)
    images = draw(values((len(regions),), draw(_index_types)))
    attrs = {
        **_bins(draw, 0.97),
        "samples": draw(st.integers(0, 3)),
        "half_pixel": draw(st.booleans()),
        "maximum": draw(st.booleans()),
    }
    return Case(op, (data, regions, images), attrs)


@st.composite
def _roi_pool(draw: st.DrawFn, op: str) -> Case:
    data, regions = _image_and_regions(draw, 5)
    return Case(op, (data, regions), _bins(draw, draw(st.sampled_from([0.5, 1.0, 2.0]))))


PLACES: Mapping[str, Callable[[str], st.SearchStrategy[Case]]] = {
    "one_hot": _one_hot,
    "gather": _gather,
    "gather_elements": _elements,
    "scatter_elements": _elements,
    "gather_nd": _places,
    "scatter_nd": _places,
    "forest": _forest,
    "sample": _sample,
    "roi_align": _roi_align,
    "roi_pool": _roi_pool,
}
"""Operator → its cases."""
