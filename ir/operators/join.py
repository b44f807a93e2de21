"""Operators that put tensors into larger ones: concat and pad.

Both lower to disjoint nests that together write the output once, so that the nest of each input can
be fused into whatever computes that input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, nest, number
from mlc.ir.expr import Expr, Load, as_expr, maximum, minimum
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import (
    axis_attr,
    choice,
    define,
    integer,
    integers,
    known,
    real,
    same_dtype,
    static,
)
from mlc.ir.stmt import Buffer, Stmt, Store, seq
from mlc.ir.types import TensorType

# concat


def _concat_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    dtype, first = same_dtype(inputs), inputs[0]
    axis = axis_attr(attrs, first.rank)
    for other in inputs[1:]:
        rest = (*other.shape[:axis], *other.shape[axis + 1 :])
        if other.rank != first.rank or rest != (*first.shape[:axis], *first.shape[axis + 1 :]):
            raise ShapeError(f"{first} and {other} differ outside axis {axis}")
    length = first.shape[axis] if len(inputs) == 1 else sum(known(t.shape[axis]) for t in inputs)
    return (TensorType((*first.shape[:axis], length, *first.shape[axis + 1 :]), dtype),)


def _concat_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """One nest per input, `{prefix}{k}i…` over its axes: `out[…, offset + i, …] = input[i]`."""
    (out,), axis = outputs, integer(attrs, "axis")
    lengths = [buffer.shape[axis] for buffer in inputs]
    offsets = [0, *accumulate(lengths[:-1])]

    def part(name: str, buffer: Buffer, offset: int) -> Stmt:
        def store(i: Index) -> Stmt:
            return Store(out, (*i[:axis], i[axis] + offset, *i[axis + 1 :]), Load(buffer, i))

        return nest(name, buffer.shape, store)

    return seq(
        part(f"{prefix}{k}i", buffer, offset)
        for k, (buffer, offset) in enumerate(zip(inputs, offsets, strict=True))
    )


CONCAT = define(
    "concat",
    Kind.INJECTIVE,
    (1, None),
    _concat_infer,
    lambda inputs, attrs: (np.concatenate(inputs, integer(attrs, "axis")),),
    _concat_loops,
    axis=REQUIRED,
)


# pad

_MODES = ("constant", "reflect", "edge", "wrap")


def _most_padding(mode: str, dim: int) -> float:
    """How far a dimension can be padded: reflection runs out of elements, a constant never does."""
    if mode == "constant" or (mode != "reflect" and dim > 0):
        return math.inf
    return max(dim - 1, 0)


def _pad_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (shape,) = static(inputs[0])
    before, after = (integers(attrs, name, len(shape)) for name in ("before", "after"))
    if min((*before, *after), default=0) < 0:
        raise ShapeError(f"padding before {before}, after {after} is negative")
    mode = choice(attrs, "mode", _MODES)
    for dim, low, high in zip(shape, before, after, strict=True):
        if max(low, high) > _most_padding(mode, dim):
            raise ShapeError(f"{mode} padding of {max(low, high)} on a dimension of {dim}")
    padded = tuple(d + b + a for d, b, a in zip(shape, before, after, strict=True))
    return (TensorType(padded, inputs[0].dtype),)


def _pad_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data,), mode = inputs, choice(attrs, "mode", _MODES)
    widths = list(zip(integers(attrs, "before"), integers(attrs, "after"), strict=True))
    if mode != "constant":
        return (np.pad(data, widths, mode=mode) if data.ndim else data,)  # type: ignore[call-overload]
    shape = [dim + sum(width) for dim, width in zip(data.shape, widths, strict=True)]
    padded = np.full(shape, real(attrs, "value"), data.dtype)
    inside = (slice(low, low + d) for d, (low, _) in zip(data.shape, widths, strict=True))
    padded[tuple(inside)] = data
    return (padded,)


def _border(
    out: Buffer, data: Buffer, attrs: Attrs, axis: int, side: str, prefix: str
) -> Stmt | None:
    """Fill the slab beyond the input on one side of `axis`, inside the input on all axes before."""
    before, width = integers(attrs, "before"), integers(attrs, side)[axis]
    extents = (*data.shape[:axis], width, *out.shape[axis + 1 :])
    if 0 in extents:
        return None
    start = 0 if side == "before" else before[axis] + data.shape[axis]
    value = number(real(attrs, "value"), out.dtype)

    def store(i: Index) -> Stmt:
        inner = tuple(part + low for part, low in zip(i[:axis], before[:axis], strict=True))
        return Store(out, (*inner, i[axis] + start, *i[axis + 1 :]), value)

    return nest(f"{prefix}{side}{axis}_i", extents, store)


def _pad_constant(data: Buffer, out: Buffer, attrs: Attrs, prefix: str) -> Stmt:
    """Nests over disjoint parts of the border, then `{prefix}i…`: `out[i + before] = in[i]`."""
    before = integers(attrs, "before")

    def store(i: Index) -> Stmt:
        inside = tuple(part + low for part, low in zip(i, before, strict=True))
        return Store(out, inside, Load(data, i))

    slabs = [
        _border(out, data, attrs, axis, side, prefix)
        for axis in range(len(data.shape))
        for side in ("before", "after")
    ]
    interior = nest(f"{prefix}i", data.shape, store)
    return seq([*(slab for slab in slabs if slab is not None), interior])


def _folded(mode: str, position: Expr, dim: int) -> Expr:
    """The index in the input that a position relative to its first element stands for."""
    if mode == "edge":
        return minimum(maximum(position, as_expr(0)), as_expr(dim - 1))
    if mode == "wrap":
        return position % dim
    distance = maximum(position, 0 - position)
    return minimum(distance, 2 * (dim - 1) - distance)


def _pad_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (data,), (out,), mode = inputs, outputs, choice(attrs, "mode", _MODES)
    if mode == "constant":
        return _pad_constant(data, out, attrs, prefix)
    before = integers(attrs, "before")

    def store(i: Index) -> Stmt:
        source = tuple(
            part if dim == wide else _folded(mode, part - low, dim)
            for part, low, dim, wide in zip(i, before, data.shape, out.shape, strict=True)
        )
        return Store(out, i, Load(data, source))

    return nest(f"{prefix}i", out.shape, store)


PAD = define(
    "pad",
    Kind.INJECTIVE,
    1,
    _pad_infer,
    _pad_reference,
    _pad_loops,
    before=REQUIRED,
    after=REQUIRED,
    value=0.0,
    mode="constant",
)

OPERATORS = (CONCAT, PAD)
