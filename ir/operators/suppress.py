"""non_max_suppression: of overlapping boxes, the one with the highest score stays.

boxes `[B,N,4]`, scores `[B,C,N]`, thresholds of overlap and of the score `f32[1]` → i64[most, 3]
with batch, class and box of all that stay, zeros behind, and their number i64[1]. For each batch
and class the boxes are taken by falling score, the first of equal ones first; one stays if its
score is above the threshold and it overlaps none that stayed by more than the other threshold, as
intersection over union; at most `most` stay of a class. Boxes are two opposite corners, or with
`centered` the centre and the size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, compare, fill, nest, number
from mlc.ir.dtype import I64
from mlc.ir.expr import Binary, Const, Expr, Load, maximum, minimum
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import define, flag, integer, require_class, same_dtype, static
from mlc.ir.operators.merge_sort import Compared, MergeSort, goes_before, sorted_order
from mlc.ir.stmt import Alloc, Buffer, If, Stmt, Store, seq
from mlc.ir.types import TensorType

_ZERO = Const(0)


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    boxes, scores, *thresholds = inputs
    require_class(same_dtype(inputs), "float")
    shape, wanted, *_ = static(*inputs)
    if len(shape) != 3 or shape[2] != 4 or len(wanted) != 3 or wanted[::2] != shape[:2]:
        raise ShapeError(f"boxes {boxes} and scores {scores} do not fit")
    if any(threshold.shape != (1,) for threshold in thresholds):
        raise ShapeError("a threshold is not one number")
    most = integer(attrs, "most")
    if not 0 <= most <= shape[1]:
        raise ShapeError(f"{most} of {shape[1]} boxes are wanted")
    selected = TensorType((wanted[0] * wanted[1] * most, 3), I64)
    return selected, TensorType((1,), I64)


# Reference


def _sides(boxes: np.ndarray, centered: bool) -> tuple[np.ndarray, ...]:
    """Least and greatest coordinate of each axis."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if centered:
        return first - second / 2, first + second / 2
    return np.minimum(first, second), np.maximum(first, second)


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    boxes, scores, overlap, least = inputs
    low, high = _sides(boxes, flag(attrs, "centered"))
    order = sorted_order(scores, 2, descending=True)
    most = integer(attrs, "most")
    found = []
    for batch, kind in np.ndindex(*scores.shape[:2]):
        kept: list[int] = []
        for box in order[batch, kind]:
            if len(kept) == most or not scores[batch, kind, box] > least[0]:
                continue
            if not _overlaps(low[batch], high[batch], box, kept, overlap[0]):
                kept.append(int(box))
        found += [(batch, kind, box) for box in kept]
    selected = np.zeros((scores.shape[0] * scores.shape[1] * most, 3), np.int64)
    selected[: len(found)] = np.array(found, np.int64).reshape(-1, 3)
    return selected, np.array([len(found)], np.int64)


def _overlaps(
    low: np.ndarray, high: np.ndarray, box: int, kept: Sequence[int], threshold: float
) -> bool:
    """Whether a box overlaps one of those kept by more than the threshold."""
    others = list(kept)
    sides = np.minimum(high[box], high[others]) - np.maximum(low[box], low[others])
    shared = np.maximum(sides, 0).prod(axis=-1)
    areas = (high - low).prod(axis=-1)
    return bool((shared > threshold * (areas[box] + areas[others] - shared)).any())


# Loops


class _Overlap:
    """The overlap of two boxes of a batch, as expressions."""

    def __init__(self, boxes: Buffer, *, centered: bool) -> None:
        self._boxes, self._centered = boxes, centered

    def exceeds(self, batch: Expr, p: Expr, q: Expr, threshold: Expr) -> Expr:
        """Whether intersection over union is above the threshold."""
        zero, one = number(0, self._boxes.dtype), number(1, self._boxes.dtype)
        shared: Expr = one
        area: Expr = one
        other_area: Expr = one
        for axis in range(2):
            low, high = self._sides(batch, p, axis)
            other_low, other_high = self._sides(batch, q, axis)
            side = Binary("sub", minimum(high, other_high), maximum(low, other_low))
            shared = Binary("mul", shared, maximum(side, zero))
            area = Binary("mul", area, Binary("sub", high, low))
            other_area = Binary("mul", other_area, Binary("sub", other_high, other_low))
        union = Binary("sub", Binary("add", area, other_area), shared)
        return Binary("gt", shared, Binary("mul", threshold, union))

    def _sides(self, batch: Expr, box: Expr, axis: int) -> tuple[Expr, Expr]:
        first = Load(self._boxes, (batch, box, Const(axis)))
        second = Load(self._boxes, (batch, box, Const(axis + 2)))
        if not self._centered:
            return minimum(first, second), maximum(first, second)
        half = Binary("mul", second, number(0.5, second.dtype))
        return Binary("sub", first, half), Binary("add", first, half)


class _Kept:
    """The boxes that stay, in the order they are found: rows of `selected`, `count` of them."""

    def __init__(self, prefix: str, selected: Buffer, count: Buffer, most: int) -> None:
        self._prefix, self._selected, self._count, self._most = prefix, selected, count, most
        self._start = Buffer.dense(f"{prefix}start", (1,), I64, "arena")
        self._clear = Buffer.dense(f"{prefix}clear", (1,), I64, "arena")
        self._found, self._begin = Load(count, (_ZERO,)), Load(self._start, (_ZERO,))

    def around(self, body: Stmt) -> Stmt:
        """`body`, with where the class begins and the verdict on a box allocated."""
        return Alloc(self._start, Alloc(self._clear, body))

    def begin_class(self) -> Stmt:
        """What is kept from here on is of another class."""
        return Store(self._start, (_ZERO,), self._found)

    def has_room(self) -> Expr:
        """Whether fewer than `most` of the class stay so far."""
        return Binary("lt", self._found, self._begin + self._most)

    def add_unless(self, row: Index, overlaps: Callable[[Expr], Expr]) -> Stmt:
        """Keep `row` unless its box overlaps another that stays of the class."""

        def against(k: Index) -> Stmt:
            place = self._begin + k[0]
            other = Load(self._selected, (place, Const(2)))
            spoiled = If(overlaps(other), Store(self._clear, (_ZERO,), _ZERO))
            return If(Binary("lt", place, self._found), spoiled)

        columns = (
            Store(self._selected, (self._found, Const(c)), value) for c, value in enumerate(row)
        )
        keep = seq((*columns, Store(self._count, (_ZERO,), self._found + 1)))
        return seq(
            (
                Store(self._clear, (_ZERO,), Const(1)),
                nest(f"{self._prefix}k", (self._most,), against),
                If(compare("ne", Load(self._clear, (_ZERO,)), 0), keep),
            )
        )


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    """Sort every class, then walk down."""
    (boxes, scores, overlap, least), (selected, count) = inputs, outputs
    batches, classes, length = scores.shape
    lap = _Overlap(boxes, centered=flag(attrs, "centered"))
    kept = _Kept(prefix, selected, count, integer(attrs, "most"))

    def by(outer: Index, p: Expr, q: Expr, name: str) -> Compared:
        left, right = Load(scores, (*outer, p)), Load(scores, (*outer, q))
        return Compared(None, goes_before(left, right, descending=True))

    sort = MergeSort(prefix, (batches, classes), length, by)

    def consider(i: Index) -> Stmt:
        batch, kind, _ = i
        box = Load(sort.places, i)

        def overlaps(other: Expr) -> Expr:
            return lap.exceeds(batch, box, other, Load(overlap, (_ZERO,)))

        wanted = Binary("gt", Load(scores, (batch, kind, box)), Load(least, (_ZERO,)))
        return If(
            Binary("and", wanted, kept.has_room()), kept.add_unless((batch, kind, box), overlaps)
        )

    def each(i: Index) -> Stmt:
        walk = nest(f"{prefix}n", (length,), lambda n: consider((*i, *n)))
        return seq((kept.begin_class(), walk))

    parts = (
        fill(f"{prefix}z", selected, _ZERO),
        fill(f"{prefix}c", count, _ZERO),
        sort.statement,
        nest(f"{prefix}i", (batches, classes), each),
    )
    return kept.around(sort.around(seq(parts)))


NON_MAX_SUPPRESSION = define(
    "non_max_suppression",
    Kind.OPAQUE,
    4,
    _infer,
    _reference,
    _loops,
    most=REQUIRED,
    centered=False,
)

OPERATORS = (NON_MAX_SUPPRESSION,)
