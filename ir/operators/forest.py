"""forest: which leaf of each decision tree a row of features ends in.

Inputs: rows `x [N, F]`; `roots i64[T]`, the node each tree starts in; and by node `features
i64[M]`, `splits [M]`, `branches i64[M, 2]` (where to go if not, and if so), `tests i64[M]` and
`missing bool[M]`. A node compares the feature with the split by `comparisons[test]`; one with
`missing` also says yes to a feature that is not a number. A leaf leads to itself, and `depth` steps
are taken.
The result i64[N, T] is the node of each tree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, compare, nest
from mlc.ir.dtype import BOOL, I64
from mlc.ir.expr import Binary, Const, Expr, Load, Select
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import (
    define,
    integer,
    require_class,
    same_dtype,
    static,
    words,
)
from mlc.ir.operators.gather import wrapped, wrapped_array
from mlc.ir.stmt import Buffer, For, Stmt, Store, seq
from mlc.ir.types import TensorType

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "le": np.less_equal,
    "lt": np.less,
    "ge": np.greater_equal,
    "gt": np.greater,
    "eq": np.equal,
    "ne": np.not_equal,
}
"""The comparisons of the loop IR that a node may make, and NumPy's."""


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    x, roots, features, splits, branches, tests, missing = inputs
    require_class(same_dtype((x, splits)), "float")
    nodes = features.shape
    wanted = ((I64, nodes), (I64, (*nodes, 2)), (I64, nodes), (BOOL, nodes))
    for part, (dtype, shape) in zip((features, branches, tests, missing), wanted, strict=True):
        if part.dtype is not dtype or part.shape != shape:
            raise ShapeError(f"{part} does not fit nodes {features}")
    (rows, trees) = static(x, roots)
    if len(rows) != 2 or len(trees) != 1 or splits.shape != nodes or 0 in (rows[1], *nodes):
        raise ShapeError(f"rows {x}, roots {roots} and splits {splits} do not fit {features}")
    chosen = words(attrs, "comparisons")
    if not chosen or not set(chosen) <= COMPARISONS.keys() or integer(attrs, "depth") < 0:
        raise ShapeError(f"comparisons {chosen} are not some of {', '.join(COMPARISONS)}")
    return (TensorType((rows[0], trees[0]), I64),)


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    x, roots, features, splits, branches, tests, missing = inputs
    chosen, rows = words(attrs, "comparisons"), np.arange(len(x))[:, None]
    node = np.broadcast_to(wrapped_array(roots, len(features)), (len(x), len(roots)))
    for _ in range(integer(attrs, "depth")):
        value = x[rows, wrapped_array(features[node], x.shape[1])]
        yes = missing[node] & (value != value)
        for code, name in enumerate(chosen):
            test = np.clip(tests[node], 0, len(chosen) - 1) == code
            yes |= test & COMPARISONS[name](value, splits[node])
        node = wrapped_array(branches[node, yes.astype(np.int64)], len(features))
    return (node,)


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    x, roots, features, splits, branches, tests, missing = inputs
    (out,), count = outputs, features.shape[0]
    chosen = words(attrs, "comparisons")

    def step(i: Index) -> Stmt:
        node = Load(out, i)
        value = Load(x, (i[0], wrapped(Load(features, (node,)), x.shape[1])))
        split, test = Load(splits, (node,)), Load(tests, (node,))
        yes: Expr = Binary(chosen[-1], value, split)
        for code in reversed(range(len(chosen) - 1)):
            # What comes first is taken also for codes below it, as the reference has it.
            yes = Select(compare("le", test, code), Binary(chosen[code], value, split), yes)
        absent = Binary("and", Load(missing, (node,)), Binary("ne", value, value))
        ways = [wrapped(Load(branches, (node, Const(way))), count) for way in range(2)]
        return Store(out, i, Select(Binary("or", yes, absent), ways[1], ways[0]))

    def descend(i: Index) -> Stmt:
        depth = Const(integer(attrs, "depth"))
        start = Store(out, i, wrapped(Load(roots, i[1:]), count))
        return seq((start, For(f"{prefix}d", depth, "serial", step(i))))

    return nest(f"{prefix}i", out.shape, descend)


FOREST = define(
    "forest",
    Kind.OPAQUE,
    7,
    _infer,
    _reference,
    _loops,
    comparisons=REQUIRED,
    depth=REQUIRED,
)

OPERATORS = (FOREST,)
