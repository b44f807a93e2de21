"""Cases of products of matrices, of recurrences over them, and of determinants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mlc.ir.dtype import F32, F64
from tests.strategies.cases import FLOATS, NUMBERS, Case, values


@st.composite
def _matmul(draw: st.DrawFn, op: str) -> Case:
    rows, columns = (
        draw(st.sampled_from([1, 2, 6, 7, 13])),
        draw(st.sampled_from([1, 2, 8, 17, 40])),
    )
    depth = draw(st.sampled_from([0, 1, 3, 8, 16, 33]))
    transpose_a, transpose_b = draw(st.booleans()), draw(st.booleans())
    left = (depth, rows) if transpose_a else (rows, depth)
    right = (columns, depth) if transpose_b else (depth, columns)
    batch = draw(st.lists(st.integers(1, 3), max_size=2).map(tuple))
    left = (*batch, *left)
    if draw(st.booleans()):
        narrow = tuple(dim if draw(st.booleans()) else 1 for dim in batch)
        right = (*narrow, *right)
    dtype = draw(st.sampled_from(NUMBERS))
    attrs = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    return Case(op, (draw(values(left, dtype)), draw(values(right, dtype))), attrs)


@st.composite
def _recurrent(draw: st.DrawFn, op: str) -> Case:
    gates = {"lstm_sequence": 4, "gru_sequence": 3, "rnn_sequence": 1}[op]
    steps, batch = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    hidden = draw(st.sampled_from([1, 3, 8, 17]))
    directions = draw(st.sampled_from([("forward",), ("reverse",), ("forward", "reverse")]))
    count, dtype = len(directions), draw(st.sampled_from([F32, F64]))
    projected = draw(values((steps, count, batch, gates * hidden), dtype))
    weight = draw(values((count, gates * hidden, hidden), dtype))
    state = draw(values((count, batch, hidden), dtype))
    lengths = np.array([draw(st.integers(0, steps)) for _ in range(batch)], np.int32)
    attrs: dict[str, Any] = {"directions": directions, "clip": draw(st.sampled_from([0.0, 1.5]))}
    if op == "rnn_sequence":
        return Case(op, (projected, weight, state, lengths), attrs)
    if op == "gru_sequence":
        attrs["linear_before_reset"] = draw(st.booleans())
        bias = draw(values((count, gates * hidden), dtype))
        return Case(op, (projected, weight, bias, state, lengths), attrs)
    attrs["input_forget"] = draw(st.booleans())
    inputs = [projected, weight, state, draw(values((count, batch, hidden), dtype)), lengths]
    if draw(st.booleans()):
        inputs.append(draw(values((count, 3 * hidden), dtype)))
    return Case(op, tuple(inputs), attrs)


@st.composite
def _linear_attention(draw: st.DrawFn, op: str) -> Case:
    """Keys, decays and betas of at most a half, so that no state grows beyond f16."""
    batch, steps, heads = draw(st.integers(1, 2)), draw(st.integers(0, 4)), draw(st.integers(1, 2))
    size, width = draw(st.sampled_from([1, 3, 8])), draw(st.sampled_from([1, 4, 17]))
    dtype = draw(st.sampled_from(FLOATS))

    def small(*shape: int) -> np.ndarray[Any, np.dtype[Any]]:
        return np.asarray(draw(values(shape, dtype)) * 0.25, dtype.numpy)

    query = draw(values((batch, steps, heads * draw(st.integers(1, 3)), size), dtype))
    value = draw(values((batch, steps, heads, width), dtype))
    state = draw(values((batch, heads, size, width), dtype))
    decay, beta = (
        small(*(dim if draw(st.booleans()) else 1 for dim in (batch, steps, heads, last)))
        for last in (size, 1)
    )
    inputs = (query, small(batch, steps, heads, size), value, state, decay, beta)
    return Case(op, inputs, {"delta": draw(st.booleans())})


@st.composite
def _det(draw: st.DrawFn, op: str) -> Case:
    """Rows, in any order, of matrices with a large diagonal: none is singular."""
    batch, size = draw(st.lists(st.integers(0, 3), max_size=2)), draw(st.integers(0, 4))
    dtype, order = draw(st.sampled_from(FLOATS)), draw(st.permutations(range(size)))
    matrices = draw(values((*batch, size, size), dtype)) + 8 * np.eye(size, dtype=dtype.numpy)
    return Case(op, (matrices[..., order, :],), {})


PRODUCTS: Mapping[str, Callable[[str], st.SearchStrategy[Case]]] = {
    "matmul": _matmul,
    "lstm_sequence": _recurrent,
    "gru_sequence": _recurrent,
    "rnn_sequence": _recurrent,
    "linear_attention": _linear_attention,
    "det": _det,
}
"""Operator → its cases."""
