"""det: determinants of the matrices in the last two axes, by elimination with partial pivoting.

All in float64, rounded once. For each matrix the loops copy it (`{prefix}a…`), then for each
column `{prefix}k` find the pivot, bring its row up, and subtract that row from those below.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    (matrices,), (out,) = inputs, outputs
    size = matrices.shape[-1]
    rows = Buffer.dense(f"{prefix}rows", matrices.shape, F64, "arena")
    product = Buffer.dense(f"{prefix}product", out.shape, F64, "arena")
    pivot = Buffer.dense(f"{prefix}pivot", out.shape, I64, "arena")
    held = Buffer.dense(f"{prefix}held", out.shape, F64, "arena")

    def copy(i: Index) -> Stmt:
        element = Load(matrices, i)
        return Store(rows, i, element if matrices.dtype is F64 else Cast(element, F64))

    def step(i: Index, k: Expr) -> Stmt:
        """Eliminate column `k`; `held` carries what is exchanged, then the factor of a row."""
        best, one = Load(pivot, i), number(1, F64)
        diagonal = Load(rows, (*i, k, k))

        def compare_row(r: Index) -> Stmt:
            found, most = (Unary("abs", Load(rows, (*i, row, k))) for row in (r[0], best))
            better = Binary("and", Binary("gt", r[0], k), Binary("gt", found, most))
            return If(better, Store(pivot, i, r[0]))

        def exchange(c: Index) -> Stmt:
            upper, lower = (*i, k, c[0]), (*i, best, c[0])
            return seq(
                (
                    Store(held, i, Load(rows, upper)),
                    Store(rows, upper, Load(rows, lower)),
                    Store(rows, lower, Load(held, i)),
                )
            )

        def subtract(r: Index) -> Stmt:
            line = nest(
                f"{prefix}s",
                (size,),
                lambda c: accumulate(
                    "sub", rows, (*i, r[0], c[0]),
                    Binary("mul", Load(held, i), Load(rows, (*i, k, c[0]))),
                ),
            )  # fmt: skip
            factor = Binary("div", Load(rows, (*i, r[0], k)), diagonal)
            below = Binary("gt", r[0], k)
            regular = Binary("ne", diagonal, number(0, F64))
            return If(Binary("and", below, regular), seq((Store(held, i, factor), line)))

        sign = Select(Binary("eq", best, k), one, number(-1, F64))
        return seq(
            (
                Store(pivot, i, k),
                nest(f"{prefix}p", (size,), compare_row),
                nest(f"{prefix}c", (size,), exchange),
                accumulate("mul", product, i, Binary("mul", sign, diagonal)),
                nest(f"{prefix}r", (size,), subtract),
            )
        )

    def determinant(i: Index) -> Stmt:
        value: Expr = Load(product, i)
        return seq(
            (
                Store(product, i, number(1, F64)),
                nest(f"{prefix}k", (size,), lambda k: step(i, k[0])),
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
