"""det: determinants of the matrices in the last two axes, by elimination with partial pivoting.

All in float64, rounded once. For each matrix the loops copy it (`{prefix}a…`), then for each
column `{prefix}k` find the pivot, bring its row up, and subtract that row from those below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, accumulate, nest, number
from mlc.ir.dtype import F64, I64
from mlc.ir.expr import Binary, Cast, Expr, Load, Select, Unary
from mlc.ir.operator import Attrs, Kind
from mlc.ir.operators.definition import define, require_class, require_rank, static
from mlc.ir.stmt import Alloc, Buffer, If, Stmt, Store, seq
from mlc.ir.types import TensorType


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (matrices,) = inputs
    require_class(matrices.dtype, "float")
    require_rank(matrices, 2)
    (shape,) = static(matrices)
    if shape[-1] != shape[-2]:
        raise ShapeError(f"{matrices} has no square matrices")
    return (TensorType(shape[:-2], matrices.dtype),)


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (matrices,) = inputs
    return (np.asarray(np.linalg.det(matrices.astype(np.float64))).astype(matrices.dtype),)


@dataclass(frozen=True, slots=True)
class _Elimination:
    """Gaussian elimination of one matrix, with the greatest pivot of each column.

    `rows` are the matrices being reduced, `product` the determinants so far, `pivot` the row that
    is exchanged with row k, `held` what is exchanged, and then the factor of a row.
    """

    rows: Buffer
    product: Buffer
    pivot: Buffer
    held: Buffer
    prefix: str

    @property
    def size(self) -> int:
        return self.rows.shape[-1]

    def step(self, i: Index, k: Expr) -> Stmt:
        """Eliminate column `k` of matrix `i`."""
        unchanged = Binary("eq", Load(self.pivot, i), k)
        sign = Select(unchanged, number(1, F64), number(-1, F64))
        diagonal = Load(self.rows, (*i, k, k))
        size, prefix = (self.size,), self.prefix
        return seq(
            (
                Store(self.pivot, i, k),
                nest(f"{prefix}p", size, lambda r: self._compare(i, k, r[0])),
                nest(f"{prefix}c", size, lambda c: self._exchange(i, k, c[0])),
                accumulate("mul", self.product, i, Binary("mul", sign, diagonal)),
                nest(f"{prefix}r", size, lambda r: self._subtract(i, k, r[0])),
            )
        )

    def _compare(self, i: Index, k: Expr, r: Expr) -> Stmt:
        """Row `r` is the pivot where its element is the greatest yet."""
        best = Load(self.pivot, i)
        found, most = (Unary("abs", Load(self.rows, (*i, row, k))) for row in (r, best))
        better = Binary("and", Binary("gt", r, k), Binary("gt", found, most))
        return If(better, Store(self.pivot, i, r))

    def _exchange(self, i: Index, k: Expr, c: Expr) -> Stmt:
        """Swap column `c` of row `k` and of the pivot's row."""
        upper, lower = (*i, k, c), (*i, Load(self.pivot, i), c)
        return seq(
            (
                Store(self.held, i, Load(self.rows, upper)),
                Store(self.rows, upper, Load(self.rows, lower)),
                Store(self.rows, lower, Load(self.held, i)),
            )
        )

    def _subtract(self, i: Index, k: Expr, r: Expr) -> Stmt:
        """Clear column `k` of row `r` below the diagonal; a column of zeros needs nothing."""
        rows, held = self.rows, self.held

        def element(c: Index) -> Stmt:
            share = Binary("mul", Load(held, i), Load(rows, (*i, k, c[0])))
            return accumulate("sub", rows, (*i, r, c[0]), share)

        diagonal = Load(rows, (*i, k, k))
        factor = Binary("div", Load(rows, (*i, r, k)), diagonal)
        line = nest(f"{self.prefix}s", (self.size,), element)
        needed = Binary("and", Binary("gt", r, k), Binary("ne", diagonal, number(0, F64)))
        return If(needed, seq((Store(held, i, factor), line)))


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    """Copy the matrices in f64, then eliminate column after column."""
    (matrices,), (out,) = inputs, outputs
    rows = Buffer.dense(f"{prefix}rows", matrices.shape, F64, "arena")
    product = Buffer.dense(f"{prefix}product", out.shape, F64, "arena")
    pivot = Buffer.dense(f"{prefix}pivot", out.shape, I64, "arena")
    held = Buffer.dense(f"{prefix}held", out.shape, F64, "arena")
    elimination = _Elimination(rows, product, pivot, held, prefix)

    def copy(i: Index) -> Stmt:
        element = Load(matrices, i)
        return Store(rows, i, element if matrices.dtype is F64 else Cast(element, F64))

    def determinant(i: Index) -> Stmt:
        value: Expr = Load(product, i)
        return seq(
            (
                Store(product, i, number(1, F64)),
                nest(f"{prefix}k", (elimination.size,), lambda k: elimination.step(i, k[0])),
                Store(out, i, value if out.dtype is F64 else Cast(value, out.dtype)),
            )
        )

    body = seq(
        (nest(f"{prefix}a", matrices.shape, copy), nest(f"{prefix}i", out.shape, determinant))
    )
    for buffer in (held, pivot, product, rows):
        body = Alloc(buffer, body)
    return body


DET = define("det", Kind.OPAQUE, 1, _infer, _reference, _loops)

OPERATORS = (DET,)
