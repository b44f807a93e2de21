"""Operators that store to computed places: scatter_nd and scatter_elements.

Both copy the data, then apply the updates in order, so the last of several to one place wins.
Indices wrap and clamp as those of `gather`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, accumulate, nest
from mlc.ir.expr import Const, Load
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import (
    axis_attr,
    choice,
    define,
    integer,
    known,
    require_class,
    require_rank,
    same_dtype,
)
from mlc.ir.operators.gather import (
    check_elements,
    elements_index,
    nd_places,
    require_elements,
    wrapped,
)
from mlc.ir.stmt import Buffer, Stmt, Store, seq
from mlc.ir.types import TensorType


def _assign(result: np.ndarray, places: Any, updates: np.ndarray) -> None:
    result[places] = updates


_REDUCTIONS: dict[str, Callable[[np.ndarray, Any, np.ndarray], None]] = {
    "none": _assign,
    "add": np.add.at,
    "mul": np.multiply.at,
    "max": np.maximum.at,
    "min": np.minimum.at,
}


def _reduction(attrs: Attrs) -> str:
    return choice(attrs, "reduction", tuple(_REDUCTIONS))


def _check_types(inputs: Sequence[TensorType], attrs: Attrs) -> None:
    data, indices, updates = inputs
    dtype = same_dtype((data, updates))
    require_class(indices.dtype, "integer")
    if _reduction(attrs) != "none":
        require_class(dtype, "number")


def _scattered(data: np.ndarray, places: Any, updates: np.ndarray, attrs: Attrs) -> np.ndarray:
    result: np.ndarray = data.copy()
    if updates.size:
        _REDUCTIONS[_reduction(attrs)](result, places, updates)
    return result


def _scatter_nests(
    data: Buffer,
    updates: Buffer,
    out: Buffer,
    attrs: Attrs,
    prefix: str,
    place: Callable[[Index], Index],
) -> Stmt:
    """Copy in nest `{prefix}i…`, then update in order in nest `{prefix}u…`."""
    reduction = _reduction(attrs)

    def update(i: Index) -> Stmt:
        value = Load(updates, i)
        if reduction == "none":
            return Store(out, place(i), value)
        return accumulate(reduction, out, place(i), value)

    copy = nest(f"{prefix}i", out.shape, lambda i: Store(out, i, Load(data, i)))
    return seq((copy, nest(f"{prefix}u", updates.shape, update)))


# scatter_elements


def _elements_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    data, indices, updates = inputs
    _check_types(inputs, attrs)
    check_elements(data, indices, axis_attr(attrs, data.rank))
    if updates.shape != indices.shape:
        raise ShapeError(f"updates {updates} and indices {indices} differ in shape")
    return (TensorType(data.shape, data.dtype),)


def _elements_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    data, indices, updates = inputs
    places = elements_index(indices, data.shape, integer(attrs, "axis"))
    return (_scattered(data, places, updates, attrs),)


def _elements_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (data, indices, updates), (out,), axis = inputs, outputs, integer(attrs, "axis")

    def place(i: Index) -> Index:
        return (*i[:axis], wrapped(Load(indices, i), data.shape[axis]), *i[axis + 1 :])

    return _scatter_nests(data, updates, out, attrs, prefix, place)


SCATTER_ELEMENTS = define(
    "scatter_elements",
    Kind.OPAQUE,
    3,
    _elements_infer,
    _elements_reference,
    _elements_loops,
    axis=REQUIRED,
    reduction="none",
)


# scatter_nd


def _nd_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    data, indices, updates = inputs
    _check_types(inputs, attrs)
    require_rank(indices, 1)
    depth = known(indices.shape[-1])
    if not 1 <= depth <= data.rank:
        raise ShapeError(f"indices {indices} of depth {depth} do not fit {data}")
    if updates.shape != (*indices.shape[:-1], *data.shape[depth:]):
        raise ShapeError(f"updates {updates} do not fit {data} at indices {indices}")
    for axis in range(depth):
        known(data.shape[axis])
        require_elements(data, axis, indices)
    return (TensorType(data.shape, data.dtype),)


def _nd_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    data, indices, updates = inputs
    places = nd_places(indices, data.shape[: indices.shape[-1]])
    return (_scattered(data, places, updates, attrs),)


def _nd_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (data, indices, updates), (out,) = inputs, outputs
    outer = len(indices.shape) - 1

    def place(i: Index) -> Index:
        places = [
            wrapped(Load(indices, (*i[:outer], Const(k))), data.shape[k])
            for k in range(indices.shape[-1])
        ]
        return (*places, *i[outer:])

    return _scatter_nests(data, updates, out, attrs, prefix, place)


SCATTER_ND = define(
    "scatter_nd", Kind.OPAQUE, 3, _nd_infer, _nd_reference, _nd_loops, reduction="none"
)

OPERATORS = (SCATTER_ELEMENTS, SCATTER_ND)
