"""Operators whose results have as many elements as data says: nonzero and unique.

They give results of the greatest size there may be, zeros behind what counts, and the count as
i64[1] at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, compare, fill, nest, number
from mlc.ir.dtype import BOOL, I64
from mlc.ir.expr import Binary, Const, Expr, Load, Select
from mlc.ir.operator import Attrs, Kind
from mlc.ir.operators.definition import define, flag, require_class, static
from mlc.ir.operators.merge_sort import Compared, MergeSort, goes_before
from mlc.ir.stmt import Alloc, Buffer, If, Stmt, Store, seq
from mlc.ir.types import TensorType

_ZERO = Const(0)
_COUNT = TensorType((1,), I64)


def _count_up(count: Buffer) -> Stmt:
    return Store(count, (_ZERO,), Load(count, (_ZERO,)) + 1)


# nonzero: the indices of all elements that are not zero, one column each


def _nonzero_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (data,) = inputs
    (shape,) = static(data)
    if not shape:
        raise ShapeError("a scalar has no indices")
    return TensorType((len(shape), math.prod(shape)), I64), _COUNT


def _nonzero_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data,) = inputs
    found = np.array(np.nonzero(data), np.int64)
    result = np.zeros((data.ndim, data.size), np.int64)
    result[:, : found.shape[1]] = found
    return result, np.array([found.shape[1]], np.int64)


def _nonzero_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (data,), (indices, count) = inputs, outputs

    def note(i: Index) -> Stmt:
        value = Load(data, i)
        there = value if data.dtype is BOOL else Binary("ne", value, number(0, data.dtype))
        place = Load(count, (_ZERO,))
        stores = [Store(indices, (Const(axis), place), part) for axis, part in enumerate(i)]
        return If(there, seq((*stores, _count_up(count))))

    return seq(
        (
            fill(f"{prefix}z", indices, _ZERO),
            fill(f"{prefix}c", count, _ZERO),
            nest(f"{prefix}i", data.shape, note),
        )
    )


NONZERO = define("nonzero", Kind.OPAQUE, 1, _nonzero_infer, _nonzero_reference, _nonzero_loops)


# unique: of rows [M,W], the first of each kind, what kind each row is, and how many there are


def _unique_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (rows,) = inputs
    require_class(rows.dtype, "any")
    (shape,) = static(rows)
    if len(shape) != 2:
        raise ShapeError(f"{rows} is no matrix of rows")
    places = TensorType(shape[:1], I64)
    return places, places, places, _COUNT


def _unique_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (rows,) = inputs
    wide = rows if rows.dtype.kind in "biuf" else rows.astype(np.float32)
    order = np.lexsort([*wide.T[::-1], np.zeros(len(rows))][: max(wide.shape[1], 1)])
    ordered = wide[order]
    equal = ordered[1:] == ordered[:-1]
    if wide.dtype.kind == "f":
        equal |= np.isnan(ordered[1:]) & np.isnan(ordered[:-1])
    starts = np.concatenate([[True], ~equal.all(axis=1)])[: len(rows)]
    kinds = np.empty(len(rows), np.int64)
    kinds[order] = np.cumsum(starts) - 1
    first = order[starts].astype(np.int64)
    if not flag(attrs, "sorted"):
        by_place = np.argsort(first)
        rank = np.empty(len(first), np.int64)
        rank[by_place] = np.arange(len(first))
        first, kinds = first[by_place], rank[kinds] if len(first) else kinds
    counts = np.bincount(kinds, minlength=len(first))
    firsts, totals = np.zeros((2, len(rows)), np.int64)
    firsts[: len(first)], totals[: len(first)] = first, counts
    return firsts, kinds, totals, np.array([len(first)], np.int64)


class _RowOrder:
    """The order of rows, first column first.

    `verdict` is 1 where the row compared last goes before the other, -1 where after, else 0.
    """

    def __init__(self, prefix: str, rows: Buffer) -> None:
        self._rows = rows
        self.verdict = Buffer.dense(f"{prefix}verdict", (1,), I64, "arena")
        self._known = Load(self.verdict, (_ZERO,))

    def compare(self, p: Expr, q: Expr, name: str) -> Stmt:
        """Compare row p with row q, in a loop of that name."""

        def element(w: Index) -> Stmt:
            left, right = Load(self._rows, (p, *w)), Load(self._rows, (q, *w))
            after = Select(goes_before(right, left), Const(-1), _ZERO)
            found = Select(goes_before(left, right), Const(1), after)
            return Store(self.verdict, (_ZERO,), Select(self.differs(), self._known, found))

        walk = nest(name, self._rows.shape[1:], element)
        return seq((Store(self.verdict, (_ZERO,), _ZERO), walk))

    def by(self, outer: Index, p: Expr, q: Expr, name: str) -> Compared:
        """Whether row p goes before row q."""
        return Compared(self.compare(p, q, name), compare("gt", self._known, 0))

    def differs(self) -> Expr:
        """Whether the rows compared last are not equal."""
        return compare("ne", self._known, 0)


def _unique_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    """Sort the rows, and count up where one differs from the row before.

    Not `sorted`: a second walk over the rows in their own order numbers the kinds anew.
    """
    (rows,), (first, inverse, counts, count) = inputs, outputs
    length = rows.shape[0]
    order = _RowOrder(prefix, rows)
    sort = MergeSort(prefix, (), length, order.by)
    kinds = Buffer.dense(f"{prefix}kinds", (3, max(length, 1)), I64, "arena")
    sorted_result = flag(attrs, "sorted")

    def walk(i: Index) -> Stmt:
        (t,) = i
        row = Load(sort.places, i)
        before = Load(sort.places, (Select(compare("gt", t, 0), t - 1, t),))
        new = Binary("or", compare("eq", t, 0), order.differs())
        place = Load(count, (_ZERO,))
        target = first if sorted_result else kinds
        head: Index = (place,) if sorted_result else (_ZERO, place)
        return seq(
            (
                order.compare(before, row, f"{prefix}v"),
                If(new, seq((Store(target, head, row), _count_up(count)))),
                Store(inverse, (row,), place - 1),
            )
        )

    def tally(i: Index) -> Stmt:
        kind = Load(inverse, i)
        return Store(counts, (kind,), Load(counts, (kind,)) + 1)

    parts = [
        fill(f"{prefix}z", first, _ZERO),
        fill(f"{prefix}y", counts, _ZERO),
        fill(f"{prefix}c", count, _ZERO),
        sort.statement,
        nest(f"{prefix}k", (length,), walk),
    ]
    if not sorted_result:
        parts.append(_renumbered(prefix, first, inverse, count, kinds))
    parts.append(nest(f"{prefix}n", (length,), tally))
    return Alloc(order.verdict, Alloc(kinds, sort.around(seq(parts))))


def _renumbered(prefix: str, first: Buffer, inverse: Buffer, count: Buffer, kinds: Buffer) -> Stmt:
    """Number the kinds by the order of their first rows; `kinds[0]` has the first of each."""

    def renumber(i: Index) -> Stmt:
        kind, place = Load(inverse, i), Load(count, (_ZERO,))
        is_first = Binary("eq", Load(kinds, (_ZERO, kind)), i[0])
        noted = (
            Store(kinds, (Const(1), kind), place),
            Store(first, (place,), i[0]),
            _count_up(count),
        )
        return seq((If(is_first, seq(noted)), Store(inverse, i, Load(kinds, (Const(1), kind)))))

    again = fill(f"{prefix}d", count, _ZERO)
    return seq((again, nest(f"{prefix}r", inverse.shape, renumber)))


UNIQUE = define(
    "unique", Kind.OPAQUE, 1, _unique_infer, _unique_reference, _unique_loops, sorted=True
)

OPERATORS = (NONZERO, UNIQUE)
