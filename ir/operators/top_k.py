"""top_k: the k greatest or least elements along an axis, in order, and their places as i64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, nest
from mlc.ir.dtype import I64
from mlc.ir.expr import Expr, Load
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import axis_attr, define, flag, integer, known, require_class
from mlc.ir.operators.merge_sort import Compared, MergeSort, goes_before, sorted_order
from mlc.ir.stmt import Buffer, Stmt, Store, seq
from mlc.ir.types import TensorType


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (data,) = inputs
    require_class(data.dtype, "number")
    axis, k = axis_attr(attrs, data.rank), integer(attrs, "k")
    if not 0 <= k <= known(data.shape[axis]):
        raise ShapeError(f"{k} elements of axis {axis} of {data} are wanted")
    shape = (*data.shape[:axis], k, *data.shape[axis + 1 :])
    return TensorType(shape, data.dtype), TensorType(shape, I64)


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data,), axis = inputs, integer(attrs, "axis")
    order = sorted_order(data, axis, descending=flag(attrs, "largest"))
    places = np.take(order, range(integer(attrs, "k")), axis)
    return np.take_along_axis(data, places, axis), places.astype(np.int64)


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    """Sort all places, then read the first k."""
    (data,), (values, places) = inputs, outputs
    axis, largest = integer(attrs, "axis"), flag(attrs, "largest")

    def at(outer: Index, place: Expr) -> Expr:
        return Load(data, (*outer[:axis], place, *outer[axis:]))

    def by(outer: Index, p: Expr, q: Expr, name: str) -> Compared:
        return Compared(None, goes_before(at(outer, p), at(outer, q), descending=largest))

    outer = (*data.shape[:axis], *data.shape[axis + 1 :])
    sort = MergeSort(prefix, outer, data.shape[axis], by)

    def store(i: Index) -> Stmt:
        rest = (*i[:axis], *i[axis + 1 :])
        place = Load(sort.places, (*rest, i[axis]))
        return seq((Store(values, i, at(rest, place)), Store(places, i, place)))

    return sort.around(seq((sort.statement, nest(f"{prefix}i", values.shape, store))))


TOP_K = define(
    "top_k", Kind.OPAQUE, 1, _infer, _reference, _loops, k=REQUIRED, axis=REQUIRED, largest=True
)

OPERATORS = (TOP_K,)
