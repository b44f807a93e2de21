"""Put a bilinear algorithm in the place of the plain loops that write a temporary.

Before, one nest sets the temporary to zero, one adds products to it, and one reads it. After, the
transforms and the products do it for chunks of tiles, and the temporary is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mlc.ir.expr import Expr, Load, Var, index
from mlc.ir.rewrite import map_expr, substitute_expr
from mlc.ir.stmt import Alloc, Buffer, For, Stmt, Store, seq
from mlc.passes.schedule.bilinear.nests import (
    Chunk,
    Finish,
    Tiling,
    input_nest,
    output_nest,
    product_nest,
    rest,
    weight_function,
)
from mlc.passes.schedule.bilinear.problem import Place, Problem, products
from mlc.passes.schedule.dependence import read_buffers, written_buffers
from mlc.passes.schedule.location import RefusalError, block, find_alloc, flatten, spine
from mlc.passes.schedule.schedule import Schedule

NESTS = ("share", "chunk", "v_tile", "p_element", "o_tile")
"""The outermost loops of what is written."""

SHARES_PER_THREAD = 4
"""Parts of the work for each thread, so that all end at about the same time."""

_LINE_BYTES = 64


def assemble(
    schedule: Schedule,
    buffer: str,
    problem_of: Callable[[Stmt], Problem],
    tiling: Tiling,
    chunk: int,
    threads: int,
) -> Schedule:
    """Replace the nests around the temporary `buffer`.

    `problem_of` reads the problem off the nest that adds the products. Raises `RefusalError` where
    the nests are others, or the weights not constant or not floating-point (transforms may multiply
    by fractions).
    """
    place = find_alloc(schedule.func.body, buffer)
    buffers, statements = flatten(place.stmt.body)
    writers = [s for s in statements if buffer in written_buffers(s)]
    readers = [s for s in statements if buffer in read_buffers(s) and s not in writers]
    if len(writers) != 2 or len(readers) != 1:
        raise RefusalError(f"'{buffer}' has not two writing nests and one reading nest", "shape")
    problem = problem_of(writers[1])
    if problem.weights.scope != "constant":
        raise RefusalError(f"'{problem.weights.name}' is not constant", "not-constant")
    if not problem.weights.dtype.is_float:
        dtype = problem.weights.dtype
        raise RefusalError(f"'{problem.weights.name}' is {dtype}, not floating-point", "dtype")
    packed = _packed_weights(problem, tiling.columns)
    finish = _finish(readers[0], buffer)
    nests = _Nests(problem, packed, tiling, finish, min(chunk, problem.tiles), threads)
    at = statements.index(readers[0])
    kept = [s for s in statements[:at] if s not in writers]
    body = place.replaced(block(buffers, [*kept, nests.build(), *statements[at + 1 :]]))
    name = f"{schedule.func.name}_{problem.name}_{problem.weights.name}"
    prepare = weight_function(problem, packed, tiling.columns, name)
    params = tuple(packed if p.name == problem.weights.name else p for p in schedule.func.params)
    prepared = (*schedule.func.prepare, prepare)
    func = replace(schedule.func, params=params, body=body, prepare=prepared)
    return Schedule(func, schedule.trace)


def _packed_weights(problem: Problem, columns: int) -> Buffer:
    panels = -(-problem.filters // columns)
    shape = (products(problem), panels, problem.channels, columns)
    name = f"{problem.weights.name}_{problem.name}"
    return Buffer.dense(name, shape, problem.weights.dtype, "constant")


def _finish(reader: Stmt, buffer: str) -> Finish:
    """What the reading nest does with an element, as a function of its place and its value."""
    chain, store = spine(reader)
    loads = [] if not isinstance(store, Store) else _loads(store.value, buffer)
    if not isinstance(store, Store) or len({load.index for load in loads}) != 1:
        raise RefusalError(f"the nest that reads '{buffer}' has no plain form", "shape")
    names = [part.name if isinstance(part, Var) else "" for part in loads[0].index]
    if sorted(names) != sorted(loop.var for loop in chain):
        raise RefusalError(f"'{buffer}' is not read element by element", "shape")

    def finish(place: Place, value: Expr) -> Stmt:
        at = dict(zip(names, place, strict=True))

        def change(part: Expr) -> Expr:
            return value if type(part) is Load and part.buffer.name == buffer else part

        def moved(part: Expr) -> Expr:
            return substitute_expr(map_expr(part, change), at)

        return Store(store.buffer, tuple(map(moved, store.index)), moved(store.value))

    return finish


def _loads(expr: Expr, buffer: str) -> list[Load]:
    found: list[Load] = []

    def visit(part: Expr) -> Expr:
        if type(part) is Load and part.buffer.name == buffer:
            found.append(part)
        return part

    map_expr(expr, visit)
    return found


@dataclass(frozen=True, slots=True)
class _Nests:
    """Puts the nests together: all tiles at once, or chunk by chunk."""

    problem: Problem
    packed: Buffer
    tiling: Tiling
    finish: Finish
    chunk: int
    threads: int

    @property
    def chunks(self) -> int:
        return -(-self.problem.tiles // self.chunk)

    def build(self) -> Stmt:
        if self.chunks == 1 or (
            self.threads > 1 and self.chunks < SHARES_PER_THREAD * self.threads
        ):
            return self.whole()
        return self.shared() if self.threads > 1 else self.chunked()

    def whole(self) -> Stmt:
        """All tiles at once; threads share each of the nests."""
        moved, product = self.workspace(1, self.problem.tiles)
        nests = self.nests(moved, product, Chunk(index(0), index(self.problem.tiles), index(0)))
        if self.threads > 1:
            nests = [_parallel(nest, 2) for nest in nests]
        return Alloc(moved, Alloc(product, seq(nests)))

    def chunked(self) -> Stmt:
        """Chunk after chunk in one place."""
        moved, product = self.workspace(1, self.chunk)
        body = self.part(moved, product, Var("chunk"), index(0))
        return Alloc(moved, Alloc(product, For("chunk", index(self.chunks), "serial", body)))

    def shared(self) -> Stmt:
        """Even shares of the chunks in parallel, the chunks of a share in one place."""
        length = -(-self.chunks // (SHARES_PER_THREAD * self.threads))
        shares = -(-self.chunks // length)
        share, number = Var("share"), Var("chunk")
        moved, product = self.workspace(shares, self.chunk)
        body = self.part(moved, product, share * length + number, share)
        body = For("chunk", rest(length, self.chunks, share), "serial", body)
        return Alloc(moved, Alloc(product, For("share", index(shares), "parallel", body)))

    def part(self, moved: Buffer, product: Buffer, number: Expr, slot: Expr) -> Stmt:
        """The nests of one chunk, which keeps what they hand on in `slot`."""
        count = rest(self.chunk, self.problem.tiles, number)
        return seq(self.nests(moved, product, Chunk(number * self.chunk, count, slot)))

    def workspace(self, slots: int, tiles: int) -> tuple[Buffer, Buffer]:
        name, dtype = self.problem.name, self.problem.accumulator.dtype
        shape = (slots, products(self.problem), tiles)
        moved = Buffer.dense(f"{name}_v", (*shape, self.problem.channels), dtype, "arena")
        product = Buffer.dense(f"{name}_m", (*shape, self.problem.filters), dtype, "arena")
        return _spread(moved), _spread(product)

    def nests(self, moved: Buffer, product: Buffer, chunk: Chunk) -> Sequence[Stmt]:
        lanes = self.tiling.lanes
        return [
            input_nest(self.problem, moved, chunk, lanes, "v_"),
            product_nest(self.problem, moved, self.packed, product, chunk, self.tiling),
            output_nest(self.problem, product, chunk, lanes, self.finish),
        ]


def _spread(buffer: Buffer) -> Buffer:
    """The elements of a transformed tile an odd number of lines apart.

    The transforms touch all of them at once: a multiple of a page apart, they would compete for one
    set of the first-level cache, where there is room for eight.
    """
    line = _LINE_BYTES // buffer.dtype.bytes
    step = (-(-buffer.strides[1] // line) | 1) * line
    strides = (buffer.shape[1] * step, step, *buffer.strides[2:])
    return replace(buffer, strides=strides)


def _parallel(nest: Stmt, count: int) -> Stmt:
    """Let threads share the outermost loops of a nest."""
    if count and isinstance(nest, For) and nest.kind == "serial":
        return For(nest.var, nest.extent, "parallel", _parallel(nest.body, count - 1))
    return nest
