"""A matrix product in blocks, with fewer products of blocks than the plain one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlc.ir.expr import Binary, Const, Expr, Load, Var, index, minimum
from mlc.ir.rewrite import free_variables, substitute_expr
from mlc.ir.stmt import Buffer, For, Stmt, Store
from mlc.passes.schedule.bilinear.problem import Place, Transforms
from mlc.passes.schedule.bilinear.schemes import SCHEMES, Scheme
from mlc.passes.schedule.location import RefusalError, spine

Axis = tuple[str, int]
"""A loop's variable and its extent."""


@dataclass(frozen=True, slots=True)
class Strassen:
    """A product of rows by columns, both cut into blocks, and the blocks into blocks.

    `left` reads an element of the rows' matrix at the loop variables `rows` and `depths`, `right`
    one of the columns' at `column` and `depths`; `out` is where the sum belongs. Of the depths,
    those of a convolution's kernel and its channels, the last is cut. A tile is one row of a
    block, with the rows of the other blocks that lie as deep in them.
    """

    left: Load
    right: Load
    accumulator: Buffer
    out: tuple[Var, ...]
    rows: tuple[Axis, ...]
    column: Axis
    depths: tuple[Axis, ...]
    scheme: Scheme

    name = "strassen"

    @property
    def source(self) -> Buffer:
        """The rows."""
        return self.left.buffer

    @property
    def weights(self) -> Buffer:
        """The columns."""
        return self.right.buffer

    @property
    def sides(self) -> tuple[Transforms, Transforms]:
        """Blocks, and blocks of blocks."""
        return self.scheme.outer.transforms, self.scheme.inner.transforms

    @property
    def channels(self) -> int:
        """Terms of the sums that are left."""
        return _size(self._terms)

    @property
    def filters(self) -> int:
        """Columns of a block."""
        return self.column[1] // self.scheme.columns

    @property
    def tiles(self) -> int:
        """Rows of a block; the last blocks may have less."""
        return -(-self.count // self.scheme.rows)

    @property
    def count(self) -> int:
        """Rows in all."""
        return _size(self.rows)

    def load(self, channel: Expr, tile: Expr, i: int, j: int) -> Expr:
        """An element of a row; of the last one for those that the last blocks lack."""
        row_block, depth_block = self.scheme.left(i, j)
        row = tile + row_block * self.tiles
        row = row if self._is_even() else minimum(row, index(self.count - 1))
        terms = self._at_depth(channel, depth_block)
        return substitute_expr(self.left, {**_digits(row, self.rows), **terms})

    def weight(self, number: Expr, channel: Expr, i: int, j: int) -> Expr:
        """An element of a column."""
        depth_block, column_block = self.scheme.right(i, j)
        column = number + column_block * self.filters
        terms = self._at_depth(channel, depth_block)
        return substitute_expr(self.right, {self.column[0]: column, **terms})

    def place(self, number: Expr, tile: Expr, a: int, b: int) -> tuple[Place, Expr | None]:
        """A sum; the last blocks may lack its row."""
        row_block, column_block = self.scheme.result(a, b)
        row, column = tile + row_block * self.tiles, number + column_block * self.filters
        digits = {**_digits(row, self.rows), self.column[0]: column}
        inside = None if self._is_even() else Binary("lt", row, index(self.count))
        return tuple(digits[var.name] for var in self.out), inside

    def _is_even(self) -> bool:
        return self.count == self.tiles * self.scheme.rows

    @property
    def _terms(self) -> tuple[Axis, ...]:
        """The depths of a block."""
        *others, (name, extent) = self.depths
        return (*others, (name, extent // self.scheme.depth))

    def _at_depth(self, channel: Expr, block: int) -> dict[str, Expr]:
        found = _digits(channel, self._terms)
        name, extent = self._terms[-1]
        return {**found, name: found[name] + block * extent}


def _size(axes: Sequence[Axis]) -> int:
    return math.prod(extent for _, extent in axes)


def _digits(number: Expr, axes: Sequence[Axis]) -> dict[str, Expr]:
    """The loop variables of a number that counts through all of them, the last fastest."""
    found: dict[str, Expr] = {}
    inner, total = 1, _size(axes)
    for name, extent in reversed(axes):
        digit = number // inner
        inner *= extent
        found[name] = digit if inner == total else digit % extent
        found[name] = found[name] if extent > 1 else index(0)
    return found


def strassen_of(update: Stmt, blocks: str) -> Strassen:
    """Read a matrix product off its update nest.

    Raises `RefusalError` where the nest is anything but `acc[rows, column] += left[rows, depth] *
    right[depth, column]`, loops of one iteration aside, or where columns or depth cannot be cut
    into such blocks.
    """
    chain, store = spine(update)
    match store:
        case Store(
            accumulator,
            out,
            Binary("add", Load(old, again), Binary("mul", Load() as left, Load() as right)),
        ) if old.name == accumulator.name and again == out:
            extents = {loop.var: _extent(loop) for loop in chain}
            written = [part for part in out if isinstance(part, Var)]
            known = all(extents.values()) and set(extents) >= {var.name for var in written}
            if known and len(written) == len(out):
                return _product(accumulator, tuple(written), left, right, extents, blocks)
    raise _refusal()


def _product(
    accumulator: Buffer,
    out: tuple[Var, ...],
    left: Load,
    right: Load,
    extents: dict[str, int],
    blocks: str,
) -> Strassen:
    names = [var.name for var in out]
    single = {name: index(0) for name in extents if extents[name] == 1 and name not in names}
    left, right = _without(left, single), _without(right, single)
    by_left, by_right = free_variables(left), free_variables(right)
    depths = [name for name in extents if name not in names and name not in single]
    columns = [name for name in names if name in by_right]
    if len(columns) != 1 or not depths or by_right != {*columns, *depths}:
        raise _refusal()
    if columns[0] in by_left or not by_left.issuperset(depths):
        raise _refusal()
    scheme = SCHEMES.get(blocks)
    if scheme is None:
        raise RefusalError(f"no scheme for {blocks!r} blocks", "scheme")
    cut = max(depths, key=lambda name: (extents[name] % scheme.depth == 0, extents[name]))
    if extents[columns[0]] % scheme.columns or extents[cut] % scheme.depth:
        reason = f"{extents[columns[0]]} columns of {extents[cut]}"
        raise RefusalError(f"{reason} cannot be cut into {blocks} blocks", "extent")
    rows = [name for name in names if name != columns[0]]
    terms = [*(name for name in depths if name != cut), cut]
    axes = [tuple((name, extents[name]) for name in part) for part in (rows, columns, terms)]
    return Strassen(left, right, accumulator, out, axes[0], axes[1][0], axes[2], scheme)


def _without(load: Load, values: dict[str, Const]) -> Load:
    return Load(load.buffer, tuple(substitute_expr(part, values) for part in load.index))


def _extent(loop: For) -> int:
    return int(loop.extent.value) if isinstance(loop.extent, Const) else 0


def _refusal() -> RefusalError:
    return RefusalError("not a product of two matrices", "not-a-product")
