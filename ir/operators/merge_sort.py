"""Sorting as loops: a bottom-up merge sort of places, stable, without recursion.

    places = 0, 1, 2, …
    for width in 1, 2, 4, …:           each width is a nest of its own
      for block of 2 * width places:
        left, right = start of either half
        for each place of the block:
          take the right one where it goes before the left one, else the left one

Where two elements are equal, the one that stands first stays first. NaN counts as greater than
every number, and as equal to NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlc.ir.build import Index, compare, nest
from mlc.ir.dtype import BOOL, I64
from mlc.ir.expr import Binary, Cast, Const, Expr, Load, Select, minimum
from mlc.ir.stmt import Alloc, Buffer, If, Stmt, Store, seq

_LEFT, _RIGHT, _TAKE_RIGHT = 0, 1, 2


def goes_before(left: Expr, right: Expr, *, descending: bool = False) -> Expr:
    """Whether `left` sorts strictly before `right`."""
    if left.dtype is BOOL:
        left, right = Cast(left, I64), Cast(right, I64)
    before: Expr = Binary("gt" if descending else "lt", left, right)
    if not left.dtype.is_float:
        return before
    greater, less = (left, right) if descending else (right, left)
    against_nan = Binary("and", Binary("ne", greater, greater), Binary("eq", less, less))
    return Binary("or", before, against_nan)


def flag_of(condition: Expr) -> Expr:
    """1 where the condition holds, else 0."""
    return Select(condition, Const(1), Const(0))


@dataclass(frozen=True)
class Compared:
    """How a sort learns whether one element goes before another: a statement, then a condition."""

    prepare: Stmt | None
    before: Expr


Compare = Callable[[Index, Expr, Expr, str], Compared]
"""(outer index, place p, place q, prefix of loops) → whether p goes strictly before q."""


class MergeSort:
    """Sorts `count` places for every index of `outer`.

    `statement` does it, inside of `around`; then `places[*outer, count]` holds the order.
    """

    def __init__(self, prefix: str, outer: Sequence[int], count: int, by: Compare) -> None:
        self._prefix, self._outer, self._count, self._by = prefix, tuple(outer), count, by
        shape = (*outer, count)
        self._buffers = [
            Buffer.dense(f"{prefix}{name}", shape, I64, "arena") for name in ("order", "other")
        ]
        self._state = Buffer.dense(f"{prefix}state", (*outer, 3), I64, "arena")
        start = self._buffers[0]
        parts = [nest(f"{prefix}o", shape, lambda i: Store(start, i, i[-1]))]
        width, source, target = 1, *self._buffers
        while width < count:
            parts.append(self._merge(width, source, target))
            source, target = target, source
            width *= 2
        self.places = source
        self.statement = seq(parts)

    def around(self, body: Stmt) -> Stmt:
        """`body`, with the memory of the sort allocated."""
        for buffer in (*self._buffers, self._state):
            body = Alloc(buffer, body)
        return body

    def _merge(self, width: int, source: Buffer, target: Buffer) -> Stmt:
        """Merge neighbouring runs of `width`."""
        prefix, count = f"{self._prefix}w{width}", self._count

        def block(i: Index) -> Stmt:
            outer, start = i[:-1], i[-1] * (2 * width)
            middle = minimum(start + width, Const(count))
            end = minimum(start + 2 * width, Const(count))

            def step(t: Index) -> Stmt:
                merged = self._step(
                    f"{prefix}c", outer, (source, target), start + t[0], middle, end
                )
                if count % (2 * width) == 0:
                    return merged
                return If(compare("lt", start + t[0], count), merged)

            steps = nest(f"{prefix}t", (2 * width,), step)
            return seq((self._put(outer, _LEFT, start), self._put(outer, _RIGHT, middle), steps))

        return nest(f"{prefix}b", (*self._outer, -(-count // (2 * width))), block)

    def _step(
        self,
        prefix: str,
        outer: Index,
        buffers: tuple[Buffer, Buffer],
        place: Expr,
        middle: Expr,
        end: Expr,
    ) -> Stmt:
        """Take the next place of two runs that end at `middle` and `end`."""
        source, target = buffers
        left, right = self._get(outer, _LEFT), self._get(outer, _RIGHT)
        last = Const(self._count - 1)
        p = Load(source, (*outer, minimum(right, last)))
        q = Load(source, (*outer, minimum(left, last)))
        compared = self._by(outer, p, q, prefix)
        over = Binary("or", Binary("ge", left, middle), compared.before)
        take = flag_of(Binary("and", Binary("lt", right, end), over))
        taken = self._get(outer, _TAKE_RIGHT)
        stores = (
            self._put(outer, _TAKE_RIGHT, take),
            Store(target, (*outer, place), Select(compare("ne", taken, 0), p, q)),
            self._put(outer, _LEFT, left + 1 - taken),
            self._put(outer, _RIGHT, right + taken),
        )
        return seq(stores if compared.prepare is None else (compared.prepare, *stores))

    def _get(self, outer: Index, which: int) -> Expr:
        return Load(self._state, (*outer, Const(which)))

    def _put(self, outer: Index, which: int, value: Expr) -> Stmt:
        return Store(self._state, (*outer, Const(which)), value)


def sorted_order(array: np.ndarray, axis: int, *, descending: bool) -> np.ndarray:
    """The places along `axis` in the order that `MergeSort` gives them."""
    wide = array if array.dtype.kind in "biuf" else array.astype(np.float32)
    if not descending:
        return np.argsort(wide, axis, kind="stable")
    backwards = np.argsort(np.flip(wide, axis), axis, kind="stable")
    return np.flip(array.shape[axis] - 1 - backwards, axis)
