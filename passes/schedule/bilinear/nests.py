"""The loop nests of a bilinear algorithm: three transforms and the matrix products between them.

`V[slot, p, tile, channel]` holds transformed inputs, `U[strip, p, panel, channel, column]`
transformed weights, `M[slot, p, tile, filter]` their products, where p counts the elements of a
transformed tile. The filters go in panels of as many as a register tile has columns, and these in
strips: M holds the products of one strip.
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
    """The tiles `first … first + count - 1`; `slot` is their place in V."""

    first: Expr
    count: Expr
    slot: Expr


@dataclass(frozen=True, slots=True)
class Strip:
    """Strip `number` of the filters, `width` of them; `slot` is its place in M."""

    number: Expr
    width: int
    slot: Expr

    def count(self, problem: Problem) -> Expr:
        """Filters of the strip: the last one may have less."""
        return rest(self.width, problem.filters, self.number)


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
def weight_function(problem: Problem, packed: Buffer, name: str) -> Func:
    """The function that writes U from the weights, once."""
    strip, panel, channel, column = (Var(f"u_{n}") for n in ("strip", "panel", "channel", "column"))
    strips, _, panels, _, columns = packed.shape
    first, second = problem.sides
    shape = (first.products, len(second.filter[0]))
    middle = Buffer.dense("u_middle", shape, packed.dtype, "register")

    def source(i: int, j: int) -> Expr:
        return problem.weight((strip * panels + panel) * columns + column, channel, i, j)

    def target(a: int, b: int, value: Expr) -> Stmt:
        place = (strip, index(a * second.products + b), panel, channel, column)
        return Store(packed, place, value)

    body = _two_sided((first.filter, second.filter), source, middle, (), target)
    width = rest(panels * columns, problem.filters, strip)
    sizes = (strips, _blocks(width, columns), problem.channels, rest(columns, width, panel))
    names = (strip.name, panel.name, channel.name, column.name)
    nest = loops(list(zip(names, sizes, strict=True)), body)
    zero = Store(packed, tuple(Var(f"u_z{d}") for d in range(5)), zero_of(packed.dtype))
    fill = loops([(f"u_z{d}", size) for d, size in enumerate(packed.shape)], zero)
    whole = problem.filters % (panels * columns) == 0
    return Func(name, (problem.weights, packed), nest if whole else seq([fill, nest]))


def rest(size: int, total: ExprLike, number: Expr) -> Expr:
    """The length of block `number` of a dimension cut into blocks of `size`."""
    known = total.value if isinstance(total, Const) else total
    if isinstance(known, int) and known % size == 0:
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
    problem: Problem,
    moved: Buffer,
    packed: Buffer,
    product: Buffer,
    chunk: Chunk,
    strip: Strip,
    tiling: Tiling,
) -> Stmt:
    """M of a strip of a chunk: V times U by a register tile, for every element of a tile."""
    element, panel, block, depth = (Var(f"p_{n}") for n in ("element", "panel", "block", "depth"))
    shape = (tiling.rows, tiling.columns)
    held = Buffer.dense("p_tile", shape, product.dtype, "register")
    rows = rest(tiling.rows, chunk.count, block)
    filters = strip.count(problem)
    columns = rest(tiling.columns, filters, panel)

    def tile_loops(name: str, body: Callable[[Expr, Expr], Stmt]) -> Stmt:
        row, column = Var(f"p_{name}_row"), Var(f"p_{name}_column")
        inner = For(column.name, columns, "vector", body(row, column))
        return For(row.name, rows, "unroll", inner)

    def accumulate(row: Expr, column: Expr) -> Stmt:
        left = Load(moved, (chunk.slot, element, block * tiling.rows + row, depth))
        right = Load(packed, (strip.number, element, panel, depth, column))
        total = Binary("add", Load(held, (row, column)), Binary("mul", left, right))
        return Store(held, (row, column), total)

    def copy(row: Expr, column: Expr) -> Stmt:
        place = (block * tiling.rows + row, panel * tiling.columns + column)
        return Store(product, (strip.slot, element, *place), Load(held, (row, column)))

    start = tile_loops("z", lambda r, c: Store(held, (r, c), zero_of(held.dtype)))
    steps = For(depth.name, index(problem.channels), "serial", tile_loops("i", accumulate))
    body = Alloc(held, seq([start, steps, tile_loops("o", copy)]))
    return loops(
        [
            (element.name, products(problem)),
            (panel.name, _blocks(filters, tiling.columns)),
            (block.name, _blocks(chunk.count, tiling.rows)),
        ],
        body,
    )


def output_nest(
    problem: Problem, product: Buffer, chunk: Chunk, strip: Strip, lanes: int, finish: Finish
) -> Stmt:
    """Results of a strip of a chunk: M transformed back, then `finish` where asked for."""
    tile, block, lane = Var("o_tile"), Var("o_block"), Var("o_lane")
    column = block * lanes + lane
    first, second = problem.sides
    counts = len(first.output), len(second.output)
    middle = Buffer.dense(
        "o_middle", (counts[0], second.products, lanes), product.dtype, "register"
    )
    last = Buffer.dense("o_result", (*counts, lanes), product.dtype, "register")

    def source(i: int, j: int) -> Expr:
        return Load(product, (strip.slot, index(i * second.products + j), tile, column))

    def target(a: int, b: int, value: Expr) -> Stmt:
        return Store(last, (index(a), index(b), lane), value)

    def stored(a: int, b: int) -> Stmt:
        number = strip.number * strip.width + column
        place, asked_for = problem.place(number, chunk.first + tile, a, b)
        result = finish(place, Load(last, (index(a), index(b), lane)))
        return result if asked_for is None else If(asked_for, result)

    moved = _two_sided((first.output, second.output), source, middle, (lane,), target)
    assert isinstance(moved, Alloc)
    results = [stored(a, b) for a in range(counts[0]) for b in range(counts[1])]
    filters = strip.count(problem)
    body = For(lane.name, rest(lanes, filters, block), "vector", seq([moved.body, *results]))
    blocks = _blocks(filters, lanes)
    nest = Alloc(middle, Alloc(last, body))
    return loops([(tile.name, chunk.count), (block.name, blocks)], nest)
