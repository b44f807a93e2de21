"""The loop nests of a bilinear algorithm: three transforms and the matrix products between them.

`V[chunk, p, tile, channel]` holds transformed inputs, `U[p, panel, channel, column]` transformed
weights, `M[chunk, p, tile, filter]` their products, where p counts the elements of a transformed
tile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mlc.ir.dtype import DType
from mlc.ir.expr import (
    Binary,
    Const,
    Expr,
    ExprLike,
    Load,
    Unary,
    Var,
    as_expr,
    index,
    minimum,
)
from mlc.ir.stmt import Alloc, Buffer, For, Func, If, Stmt, Store, loops, seq, zero_of
from mlc.passes.schedule.bilinear.problem import Matrix, Place, Problem, products

_REMEMBERED = 32
"""How many transforms are remembered: long texts, and the same for most points of a space."""

Finish = Callable[[Place, Expr], Stmt]
"""What becomes of a result at an index of the accumulator, given its value."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """Rows (tiles) × columns (filters) of the product's register tile, and elements of a vector."""

    rows: int
    columns: int
    lanes: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The tiles `first … first + count - 1`; `slot` is their place in V and M."""

    first: Expr
    count: Expr
    slot: Expr


def combine(coefficients: Sequence[float], terms: Sequence[Expr], dtype: DType) -> Expr:
    """The sum of `coefficient * term`; zeros are left out, ±1 costs no product.

    Terms that are added come first, so that a subtraction does instead of a negation.
    """
    pairs = [pair for pair in zip(coefficients, terms, strict=True) if pair[0] != 0]
    total: Expr | None = None
    for coefficient, term in sorted(pairs, key=lambda pair: pair[0] < 0):
        size = abs(coefficient)
        part = term if size == 1 else Binary("mul", term, Const(size, dtype))
        if total is not None:
            total = Binary("add" if coefficient > 0 else "sub", total, part)
        else:
            total = part if coefficient > 0 else Unary("neg", part)
    return zero_of(dtype) if total is None else total


def _two_sided(
    sides: tuple[Matrix, Matrix],
    source: Callable[[int, int], Expr],
    middle: Buffer,
    lane: tuple[Expr, ...],
    target: Callable[[int, int, Expr], Stmt],
) -> Stmt:
    """`sides[0] @ source @ sides[1]^T`, by way of `middle`, which holds `sides[0] @ source`."""
    left, right = sides
    inputs, dtype = range(len(left[0])), middle.dtype

    def held(a: int, j: int) -> tuple[Expr, ...]:
        return (index(a), index(j), *lane)

    first = [
        Store(middle, held(a, j), combine(row, [source(i, j) for i in inputs], dtype))
        for j in range(len(right[0]))
        for a, row in enumerate(left)
    ]
    second = [
        target(a, b, combine(row, [Load(middle, held(a, j)) for j in range(len(row))], dtype))
        for a in range(len(left))
        for b, row in enumerate(right)
    ]
    return Alloc(middle, seq([*first, *second]))


@lru_cache(_REMEMBERED)
def weight_function(problem: Problem, packed: Buffer, columns: int, name: str) -> Func:
    """The function that writes U from the weights, once."""
    panel, channel, column = Var("u_panel"), Var("u_channel"), Var("u_column")
    first, second = problem.sides
    shape = (first.products, len(second.filter[0]))
    middle = Buffer.dense("u_middle", shape, packed.dtype, "register")

    def source(i: int, j: int) -> Expr:
        return problem.weight(panel * columns + column, channel, i, j)

    def target(a: int, b: int, value: Expr) -> Stmt:
        return Store(packed, (index(a * second.products + b), panel, channel, column), value)

    body = _two_sided((first.filter, second.filter), source, middle, (), target)
    left = rest(columns, problem.filters, panel)
    nest = loops(
        [("u_panel", packed.shape[1]), ("u_channel", problem.channels), ("u_column", left)], body
    )
    zero = Store(packed, tuple(Var(f"u_z{d}") for d in range(4)), zero_of(packed.dtype))
    fill = loops([(f"u_z{d}", size) for d, size in enumerate(packed.shape)], zero)
    whole = problem.filters % columns == 0
    return Func(name, (problem.weights, packed), nest if whole else seq([fill, nest]))


def rest(size: int, total: ExprLike, number: Expr) -> Expr:
    """The length of block `number` of a dimension cut into blocks of `size`."""
    if isinstance(total, int) and total % size == 0:
        return Const(size)
    return minimum(Const(size), as_expr(total) - number * size)


def _blocks(total: ExprLike, size: int) -> Expr:
    return (as_expr(total) + (size - 1)) // size


@lru_cache(_REMEMBERED)
def input_nest(problem: Problem, moved: Buffer, chunk: Chunk, lanes: int, prefix: str) -> Stmt:
    """V of a chunk: every input tile transformed, a vector of channels at a time."""
    tile, block, lane = (Var(f"{prefix}{name}") for name in ("tile", "block", "lane"))
    channel = block * lanes + lane
    first, second = problem.sides
    shape = (first.products, len(second.input[0]), lanes)
    middle = Buffer.dense(f"{prefix}middle", shape, moved.dtype, "register")

    def target(a: int, b: int, value: Expr) -> Stmt:
        place = (chunk.slot, index(a * second.products + b), tile, channel)
        return Store(moved, place, value)

    body = _vector(
        lane,
        rest(lanes, problem.channels, block),
        _two_sided(
            (first.input, second.input),
            lambda i, j: problem.load(channel, chunk.first + tile, i, j),
            middle,
            (lane,),
            target,
        ),
    )
    blocks = _blocks(problem.channels, lanes)
    return loops([(tile.name, chunk.count), (block.name, blocks)], body)


def _vector(lane: Var, extent: Expr, body: Stmt) -> Stmt:
    """A vector loop; what the body allocates is allocated around it."""
    if isinstance(body, Alloc):
        return Alloc(body.buffer, _vector(lane, extent, body.body))
    return For(lane.name, extent, "vector", body)


def product_nest(
    problem: Problem, moved: Buffer, packed: Buffer, product: Buffer, chunk: Chunk, tiling: Tiling
) -> Stmt:
    """M of a chunk: for every element of a transformed tile, V times U by a register tile."""
    element, panel, block, depth = (Var(f"p_{n}") for n in ("element", "panel", "block", "depth"))
    shape = (tiling.rows, tiling.columns)
    held = Buffer.dense("p_tile", shape, product.dtype, "register")
    rows = rest(tiling.rows, chunk.count, block)
    columns = rest(tiling.columns, problem.filters, panel)

    def tile_loops(name: str, body: Callable[[Expr, Expr], Stmt]) -> Stmt:
        row, column = Var(f"p_{name}_row"), Var(f"p_{name}_column")
        inner = For(column.name, columns, "vector", body(row, column))
        return For(row.name, rows, "unroll", inner)

    def accumulate(row: Expr, column: Expr) -> Stmt:
        left = Load(moved, (chunk.slot, element, block * tiling.rows + row, depth))
        right = Load(packed, (element, panel, depth, column))
        total = Binary("add", Load(held, (row, column)), Binary("mul", left, right))
        return Store(held, (row, column), total)

    def copy(row: Expr, column: Expr) -> Stmt:
        place = (block * tiling.rows + row, panel * tiling.columns + column)
        return Store(product, (chunk.slot, element, *place), Load(held, (row, column)))

    start = tile_loops("z", lambda r, c: Store(held, (r, c), zero_of(held.dtype)))
    steps = For(depth.name, index(problem.channels), "serial", tile_loops("i", accumulate))
    body = Alloc(held, seq([start, steps, tile_loops("o", copy)]))
    return loops(
        [
            (element.name, products(problem)),
            (panel.name, _blocks(problem.filters, tiling.columns)),
            (block.name, _blocks(chunk.count, tiling.rows)),
        ],
        body,
    )


def output_nest(
    problem: Problem, product: Buffer, chunk: Chunk, lanes: int, finish: Finish
) -> Stmt:
    """Results of a chunk: M transformed back, then `finish` where the result was asked for."""
    tile, block, lane = Var("o_tile"), Var("o_block"), Var("o_lane")
    column = block * lanes + lane
    first, second = problem.sides
    counts = len(first.output), len(second.output)
    middle = Buffer.dense(
        "o_middle", (counts[0], second.products, lanes), product.dtype, "register"
    )
    last = Buffer.dense("o_result", (*counts, lanes), product.dtype, "register")

    def source(i: int, j: int) -> Expr:
        return Load(product, (chunk.slot, index(i * second.products + j), tile, column))

    def target(a: int, b: int, value: Expr) -> Stmt:
        return Store(last, (index(a), index(b), lane), value)

    def stored(a: int, b: int) -> Stmt:
        place, asked_for = problem.place(column, chunk.first + tile, a, b)
        result = finish(place, Load(last, (index(a), index(b), lane)))
        return result if asked_for is None else If(asked_for, result)

    moved = _two_sided((first.output, second.output), source, middle, (lane,), target)
    assert isinstance(moved, Alloc)
    results = [stored(a, b) for a in range(counts[0]) for b in range(counts[1])]
    extent = rest(lanes, problem.filters, block)
    body = For(lane.name, extent, "vector", seq([moved.body, *results]))
    blocks = _blocks(problem.filters, lanes)
    nest = Alloc(middle, Alloc(last, body))
    return loops([(tile.name, chunk.count), (block.name, blocks)], nest)
