"""Operators that load from computed places: gather, gather_elements, gather_nd.

An index counts from the end when negative. One that still lies outside is clamped to the nearest
element: whatever a model or its input says, only the tensor's own memory is touched.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, compare, nest
from mlc.ir.dtype import I64
from mlc.ir.expr import Cast, Const, Expr, Load, Select, as_expr, maximum, minimum
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import (
    axis_attr,
    define,
    integer,
    known,
    require_class,
    require_rank,
)
from mlc.ir.stmt import Buffer, Stmt, Store
from mlc.ir.types import TensorType


def as_index(value: Expr) -> Expr:
    """An integer of any type as an index expression."""
    return value if value.dtype is I64 else Cast(value, I64)


def wrapped(value: Expr, dim: int) -> Expr:
    """The place that an index stands for in a dimension."""
    place = as_index(value)
    counted = Select(compare("lt", place, 0), place + dim, place)
    return minimum(maximum(counted, as_expr(0)), Const(dim - 1))


def wrapped_array(indices: np.ndarray, dim: int | np.ndarray) -> np.ndarray:
    """`wrapped` of whole arrays."""
    places = indices.astype(np.int64)
    return np.clip(np.where(places < 0, places + dim, places), 0, np.asarray(dim) - 1)


def require_elements(data: TensorType, axis: int, indices: TensorType) -> None:
    """Check that there is something to pick where an index picks."""
    if data.shape[axis] == 0 and 0 not in indices.shape:
        raise ShapeError(f"{data} has no elements along axis {axis}")


# gather


def _gather_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    data, indices = inputs
    require_class(indices.dtype, "integer")
    axis = axis_attr(attrs, data.rank)
    known(data.shape[axis])
    require_elements(data, axis, indices)
    shape = (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])
    return (TensorType(shape, data.dtype),)


def _gather_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data, indices), axis = inputs, integer(attrs, "axis")
    return (np.take(data, wrapped_array(indices, data.shape[axis]), axis),)


def _gather_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (data, indices), (out,), axis = inputs, outputs, integer(attrs, "axis")
    end = axis + len(indices.shape)

    def store(i: Index) -> Stmt:
        place = wrapped(Load(indices, i[axis:end]), data.shape[axis])
        return Store(out, i, Load(data, (*i[:axis], place, *i[end:])))

    return nest(f"{prefix}i", out.shape, store)


GATHER = define(
    "gather", Kind.INJECTIVE, 2, _gather_infer, _gather_reference, _gather_loops, axis=REQUIRED
)


# gather_elements


def _elements_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    data, indices = inputs
    require_class(indices.dtype, "integer")
    axis = axis_attr(attrs, data.rank)
    check_elements(data, indices, axis)
    return (TensorType(indices.shape, data.dtype),)


def check_elements(data: TensorType, indices: TensorType, axis: int) -> None:
    """Check that indices along `axis` have the rank of `data` and fit it on all other axes."""
    if indices.rank != data.rank:
        raise ShapeError(f"indices {indices} and {data} differ in rank")
    known(data.shape[axis])
    require_elements(data, axis, indices)
    for other, (wanted, dim) in enumerate(zip(indices.shape, data.shape, strict=True)):
        if other != axis and wanted != dim and known(wanted) > known(dim):
            raise ShapeError(f"indices {indices} reach beyond axis {other} of {data}")


def elements_index(indices: np.ndarray, shape: Sequence[int], axis: int) -> tuple[np.ndarray, ...]:
    """The NumPy index that picks, at each place, the element that `indices` name along `axis`."""
    places: list[np.ndarray] = list(np.indices(indices.shape, sparse=True))
    places[axis] = wrapped_array(indices, shape[axis])
    return tuple(places)


def _elements_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    data, indices = inputs
    if indices.size == 0:
        return (np.empty(indices.shape, data.dtype),)
    return (data[elements_index(indices, data.shape, integer(attrs, "axis"))],)


def _elements_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (data, indices), (out,), axis = inputs, outputs, integer(attrs, "axis")

    def store(i: Index) -> Stmt:
        place = wrapped(Load(indices, i), data.shape[axis])
        return Store(out, i, Load(data, (*i[:axis], place, *i[axis + 1 :])))

    return nest(f"{prefix}i", out.shape, store)


GATHER_ELEMENTS = define(
    "gather_elements",
    Kind.INJECTIVE,
    2,
    _elements_infer,
    _elements_reference,
    _elements_loops,
    axis=REQUIRED,
)


# gather_nd: the last axis of the indices holds whole (partial) indices into the data


def _nd_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    data, indices = inputs
    batch = integer(attrs, "batch_dims")
    require_class(indices.dtype, "integer")
    require_rank(indices, batch + 1)
    depth = known(indices.shape[-1])
    if not (batch >= 0 and 1 <= depth <= data.rank - batch):
        raise ShapeError(f"indices {indices} of depth {depth} do not fit {data}")
    if indices.shape[:batch] != data.shape[:batch]:
        raise ShapeError(f"indices {indices} and {data} differ in the first {batch} axes")
    for axis in range(batch, batch + depth):
        known(data.shape[axis])
        require_elements(data, axis, indices)
    return (TensorType((*indices.shape[:-1], *data.shape[batch + depth :]), data.dtype),)


def nd_places(indices: np.ndarray, dims: Sequence[int]) -> tuple[np.ndarray, ...]:
    """The columns of the last axis of `indices`, each wrapped in its dimension."""
    return tuple(wrapped_array(indices[..., k], dim) for k, dim in enumerate(dims))


def _nd_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data, indices), batch = inputs, integer(attrs, "batch_dims")
    end = batch + indices.shape[-1]
    shape = (*indices.shape[:-1], *data.shape[end:])
    if 0 in shape:
        return (np.empty(shape, data.dtype),)
    outer: tuple[np.ndarray, ...] = np.indices(indices.shape[:-1], sparse=True)[:batch]
    return (data[outer + nd_places(indices, data.shape[batch:end])],)


def _nd_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (data, indices), (out,), batch = inputs, outputs, integer(attrs, "batch_dims")
    outer = len(indices.shape) - 1

    def store(i: Index) -> Stmt:
        places = [
            wrapped(Load(indices, (*i[:outer], Const(k))), data.shape[batch + k])
            for k in range(indices.shape[-1])
        ]
        return Store(out, i, Load(data, (*i[:batch], *places, *i[outer:])))

    return nest(f"{prefix}i", out.shape, store)


GATHER_ND = define(
    "gather_nd", Kind.INJECTIVE, 2, _nd_infer, _nd_reference, _nd_loops, batch_dims=0
)

OPERATORS = (GATHER, GATHER_ELEMENTS, GATHER_ND)
