"""Operators that only move elements: reshape, transpose, slice, expand, tile, trilu.

Each is one nest over the output's axes that loads from an index of the input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.affine import simplify
from mlc.ir.build import Index, compare, nest, number
from mlc.ir.expr import Expr, Load, Select, as_expr
from mlc.ir.operator import REQUIRED, Attrs, Kind, LowerLoops
from mlc.ir.operators.definition import (
    broadcasts_to,
    define,
    flag,
    integer,
    integers,
    require_rank,
    static,
)
from mlc.ir.stmt import Buffer, Stmt, Store
from mlc.ir.types import TensorType

Shape = tuple[int, ...]
Source = Callable[[Index, Shape, Shape, Attrs], Index]
"""(output index, input shape, output shape, attributes) → input index."""


def injective_loops(source: Source) -> LowerLoops:
    """The nest `out[i] = in[source(i)]`."""

    def loops(
        inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
    ) -> Stmt:
        (data,), (out,) = inputs, outputs

        def store(i: Index) -> Stmt:
            return Store(out, i, Load(data, source(i, data.shape, out.shape, attrs)))

        return nest(f"{prefix}i", out.shape, store)

    return loops


# reshape


def axis_groups(left: Shape, right: Shape) -> list[tuple[range, range]]:
    """Cut two shapes of equal size into the shortest runs of axes that hold equally many elements.

    >>> axis_groups((2, 3, 20), (6, 4, 5))
    [(range(0, 2), range(0, 1)), (range(2, 3), range(1, 3))]
    """
    groups, a, b = [], 0, 0
    while a < len(left) or b < len(right):
        start_a, start_b = a, b
        size_a = left[a] if a < len(left) else 1
        size_b = right[b] if b < len(right) else 1
        a, b = min(a + 1, len(left)), min(b + 1, len(right))
        while size_a != size_b:
            if size_a < size_b:
                size_a, a = size_a * left[a], a + 1
            else:
                size_b, b = size_b * right[b], b + 1
        groups.append((range(start_a, a), range(start_b, b)))
    return groups


def reshape_source(i: Index, shape: Shape, wanted: Shape) -> Index:
    """The index into `shape` of element `i` of `wanted`, both row-major: divide and mod per group.

    A group of axes that is only split gives an affine index, one that is only merged gives
    quotients and remainders of one variable.
    """
    if math.prod(shape) == 0:
        return tuple([as_expr(0)] * len(shape))
    ranges = {str(v): (0, dim - 1) for v, dim in zip(i, wanted, strict=True)}
    result: list[Expr] = []
    for axes, wanted_axes in axis_groups(shape, wanted):
        linear: Expr = as_expr(0)
        for axis in wanted_axes:
            linear = linear * wanted[axis] + i[axis]
        step = math.prod(shape[axis] for axis in axes)
        for position, axis in enumerate(axes):
            step //= shape[axis]
            part = linear // step
            result.append(simplify(part if position == 0 else part % shape[axis], ranges))
    return tuple(result)


def _reshape_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    shape = integers(attrs, "shape")
    (old,) = static(inputs[0])
    if math.prod(old) != math.prod(shape) or min(shape, default=0) < 0:
        raise ShapeError(f"{inputs[0]} has no shape [{','.join(map(str, shape))}]")
    return (TensorType(shape, inputs[0].dtype),)


RESHAPE = define(
    "reshape",
    Kind.INJECTIVE,
    1,
    _reshape_infer,
    lambda inputs, attrs: (inputs[0].reshape(integers(attrs, "shape")),),
    injective_loops(lambda i, shape, wanted, attrs: reshape_source(i, shape, wanted)),
    shape=REQUIRED,
)


# transpose


def _transpose_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    perm = integers(attrs, "perm")
    if sorted(perm) != list(range(inputs[0].rank)):
        raise ShapeError(f"perm {perm} does not permute the axes of {inputs[0]}")
    return (TensorType(tuple(inputs[0].shape[axis] for axis in perm), inputs[0].dtype),)


def _transpose_source(i: Index, shape: Shape, wanted: Shape, attrs: Attrs) -> Index:
    perm = integers(attrs, "perm")
    return tuple(i[perm.index(axis)] for axis in range(len(shape)))


TRANSPOSE = define(
    "transpose",
    Kind.INJECTIVE,
    1,
    _transpose_infer,
    lambda inputs, attrs: (inputs[0].transpose(integers(attrs, "perm")),),
    injective_loops(_transpose_source),
    perm=REQUIRED,
)


# slice


def _slice_parts(attrs: Attrs, rank: int) -> list[tuple[int, int, int]]:
    parts = [integers(attrs, name, rank) for name in ("starts", "sizes", "steps")]
    return list(zip(*parts, strict=True))


def _slice_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (shape,) = static(inputs[0])
    for dim, (start, size, step) in zip(shape, _slice_parts(attrs, len(shape)), strict=True):
        last = start + (size - 1) * step
        if size < 0 or (size > 0 and not (0 <= start < dim and 0 <= last < dim)):
            raise ShapeError(f"start {start}, size {size}, step {step} leave a dimension of {dim}")
    return (TensorType(integers(attrs, "sizes"), inputs[0].dtype),)


def _slice_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    picks = [s + np.arange(n) * step for s, n, step in _slice_parts(attrs, inputs[0].ndim)]
    return (inputs[0][np.ix_(*picks)] if picks else inputs[0],)


def _slice_source(i: Index, shape: Shape, wanted: Shape, attrs: Attrs) -> Index:
    parts = _slice_parts(attrs, len(shape))
    return tuple(part * step + start for part, (start, _, step) in zip(i, parts, strict=True))


SLICE = define(
    "slice",
    Kind.INJECTIVE,
    1,
    _slice_infer,
    _slice_reference,
    injective_loops(_slice_source),
    starts=REQUIRED,
    sizes=REQUIRED,
    steps=REQUIRED,
)


# expand, tile


def _expand_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    shape = integers(attrs, "shape")
    if not broadcasts_to(inputs[0].shape, shape):
        raise ShapeError(f"{inputs[0]} does not broadcast to [{','.join(map(str, shape))}]")
    return (TensorType(shape, inputs[0].dtype),)


def _expand_source(i: Index, shape: Shape, wanted: Shape, attrs: Attrs) -> Index:
    skipped = len(wanted) - len(shape)
    return tuple(
        part if dim == wide else as_expr(0)
        for part, dim, wide in zip(i[skipped:], shape, wanted[skipped:], strict=True)
    )


EXPAND = define(
    "expand",
    Kind.BROADCAST,
    1,
    _expand_infer,
    lambda inputs, attrs: (np.broadcast_to(inputs[0], integers(attrs, "shape")),),
    injective_loops(_expand_source),
    shape=REQUIRED,
)


def _tile_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (shape,) = static(inputs[0])
    repeats = integers(attrs, "repeats", len(shape))
    if min(repeats, default=0) < 0:
        raise ShapeError(f"repeats {repeats} are negative")
    return (TensorType(tuple(d * n for d, n in zip(shape, repeats, strict=True)), inputs[0].dtype),)


def _tile_source(i: Index, shape: Shape, wanted: Shape, attrs: Attrs) -> Index:
    return tuple(
        part if dim == wide else part % dim
        for part, dim, wide in zip(i, shape, wanted, strict=True)
    )


TILE = define(
    "tile",
    Kind.INJECTIVE,
    1,
    _tile_infer,
    lambda inputs, attrs: (np.tile(inputs[0], integers(attrs, "repeats")),),
    injective_loops(_tile_source),
    repeats=REQUIRED,
)


# trilu


def _trilu_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    require_rank(inputs[0], 2)
    return (TensorType(inputs[0].shape, inputs[0].dtype),)


def _trilu_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    keep = np.triu if flag(attrs, "upper") else np.tril
    return (keep(inputs[0], integer(attrs, "k")),)


def _trilu_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (data,), (out,) = inputs, outputs
    op = "ge" if flag(attrs, "upper") else "le"

    def store(i: Index) -> Stmt:
        kept = compare(op, i[-1] - i[-2], integer(attrs, "k"))
        return Store(out, i, Select(kept, Load(data, i), number(0, out.dtype)))

    return nest(f"{prefix}i", out.shape, store)


TRILU = define(
    "trilu",
    Kind.INJECTIVE,
    1,
    _trilu_infer,
    _trilu_reference,
    _trilu_loops,
    upper=REQUIRED,
    k=0,
)

OPERATORS = (RESHAPE, TRANSPOSE, SLICE, EXPAND, TILE, TRILU)
