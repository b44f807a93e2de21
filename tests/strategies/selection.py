"""Cases of operators that choose elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from hypothesis import strategies as st

from mlc.ir.dtype import F32, F64
from tests.strategies.cases import Case, accepted, shapes, values


@st.composite
def _nonzero(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(least=1, most=3))
    dtype = draw(st.sampled_from(accepted(op, {}, shape)))
    return Case(op, (draw(values(shape, dtype)),), {})


@st.composite
def _unique(draw: st.DrawFn, op: str) -> Case:
    shape = (draw(st.integers(0, 40)), draw(st.integers(0, 3)))
    attrs = {"sorted": draw(st.booleans())}
    dtype = draw(st.sampled_from(accepted(op, attrs, shape)))
    return Case(op, (draw(values(shape, dtype, special=True)),), attrs)


@st.composite
def _top_k(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(least=1, most=3))
    axis = draw(st.integers(0, len(shape) - 1))
    k = draw(st.integers(0, shape[axis]))
    attrs = {"axis": axis, "k": k, "largest": draw(st.booleans())}
    dtype = draw(st.sampled_from(accepted(op, attrs, shape)))
    return Case(op, (draw(values(shape, dtype, special=True)),), attrs)


@st.composite
def _non_max_suppression(draw: st.DrawFn, op: str) -> Case:
    """Sides in halves and a threshold of 1/2, so that every element type computes the same."""
    batch, kinds, count = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 17))
    dtype = draw(st.sampled_from([F32, F64]))
    boxes, scores = (
        draw(values((batch, count, 4), dtype)),
        draw(values((batch, kinds, count), dtype)),
    )
    overlap, least = (np.array([number], dtype.numpy) for number in (0.5, -1.0))
    attrs = {"most": draw(st.integers(0, count)), "centered": draw(st.booleans())}
    return Case(op, (boxes, scores, overlap, least), attrs)


SELECTION: Mapping[str, Callable[[str], st.SearchStrategy[Case]]] = {
    "nonzero": _nonzero,
    "unique": _unique,
    "top_k": _top_k,
    "non_max_suppression": _non_max_suppression,
}
"""Operator → its cases."""
