"""Put a bilinear algorithm in the place of the plain loops that write a temporary.

Before, one nest sets the temporary to zero, one adds products to it, and one reads it. After, the
transforms and the products do it for chunks of tiles, and the temporary is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mlc.ir.expr import Expr, Var, index
from mlc.ir.stmt import Alloc, Buffer, For, Stmt, seq
from mlc.passes.schedule.bilinear.nests import (
    Chunk,
    Finish,
    Strip,
    Tiling,
    input_nest,
    output_nest,
    product_nest,
    rest,
    weight_function,
)
from mlc.passes.schedule.bilinear.problem import Problem, products
from mlc.passes.schedule.bilinear.replaced import find_replaced
from mlc.passes.schedule.location import RefusalError, block, find_alloc, names_in
from mlc.passes.schedule.schedule import Schedule

NESTS = ("share", "chunk", "strip", "v_tile", "p_element", "o_tile")
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
    strip: int,
    threads: int,
) -> Schedule:
    """Replace the nests around the temporary `buffer`.

    `problem_of` reads the problem off the nest that adds the products. A `strip` is so many panels
    of the weights, all of them if 0. Raises `RefusalError` as `find_replaced` does.
    """
    found = find_replaced(schedule.func, buffer, problem_of)
    problem = found.problem
    packed = _packed_weights(problem, tiling.columns, strip)
    made = _Nests(problem, packed, tiling, found.finish, min(chunk, problem.tiles), threads).build()
    taken = names_in(made) & names_in(schedule.func.body)
    if taken:
        raise RefusalError(f"there is a '{min(taken)}' already", "name", min(taken))
    body = find_alloc(schedule.func.body, buffer).replaced(
        block(found.buffers, [*found.before, made, *found.after])
    )
    name = f"{schedule.func.name}_{problem.name}_{problem.weights.name}"
    prepare = weight_function(problem, packed, name)
    params = tuple(packed if p.name == problem.weights.name else p for p in schedule.func.params)
    prepared = (*schedule.func.prepare, prepare)
    func = replace(schedule.func, params=params, body=body, prepare=prepared)
    return Schedule(func, schedule.trace)


def _packed_weights(problem: Problem, columns: int, strip: int) -> Buffer:
    panels = -(-problem.filters // columns)
    strip = min(strip, panels) or panels
    shape = (-(-panels // strip), products(problem), strip, problem.channels, columns)
    name = f"{problem.weights.name}_{problem.name}"
    return Buffer.dense(name, shape, problem.weights.dtype, "constant")


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

    @property
    def strips(self) -> int:
        return self.packed.shape[0]

    @property
    def width(self) -> int:
        """Filters of a strip."""
        return self.packed.shape[2] * self.packed.shape[4]

    def build(self) -> Stmt:
        """Chunk by chunk; all tiles at once where the threads would have too few chunks."""
        tiles, threads = self.problem.tiles, self.threads
        few = threads > 1 and self.chunks < SHARES_PER_THREAD * threads
        if self.chunks == 1 or few:
            slots = _slots(self.strips, threads)
            moved, product = self.workspace(1, slots, tiles)
            chunk = Chunk(index(0), index(tiles), index(0))
            nests = self.nests(moved, product, chunk, threads)
        else:
            slots = _slots(self.chunks, threads)
            moved, product = self.workspace(slots, slots, self.chunk)

            def part(number: Expr, slot: Expr) -> Stmt:
                count = rest(self.chunk, tiles, number)
                return self.nests(moved, product, Chunk(number * self.chunk, count, slot), 1)

            nests = _shared("chunk", self.chunks, threads, index(0), part)
        return Alloc(moved, Alloc(product, nests))

    def nests(self, moved: Buffer, product: Buffer, chunk: Chunk, threads: int) -> Stmt:
        """The transform of a chunk, then strip by strip the rest; threads share each."""
        lanes = self.tiling.lanes
        first = input_nest(self.problem, moved, chunk, lanes, "v_")

        def of_strip(number: Expr, slot: Expr) -> list[Stmt]:
            strip = Strip(number, self.width, slot)
            return [
                product_nest(self.problem, moved, self.packed, product, chunk, strip, self.tiling),
                output_nest(self.problem, product, chunk, strip, lanes, self.finish),
            ]

        if self.strips == 1:
            nests = [first, *of_strip(index(0), chunk.slot)]
            return seq([_parallel(nest, 2) for nest in nests] if threads > 1 else nests)
        strips = _shared(
            "strip", self.strips, threads, chunk.slot, lambda n, s: seq(of_strip(n, s))
        )
        return seq([_parallel(first, 2) if threads > 1 else first, strips])

    def workspace(self, chunks: int, strips: int, tiles: int) -> tuple[Buffer, Buffer]:
        """V with a slot for each of the `chunks` at work at a time, M for each of the `strips`."""
        name, dtype = self.problem.name, self.problem.accumulator.dtype
        count, channels = products(self.problem), self.problem.channels
        width = min(self.width, self.problem.filters)
        moved = Buffer.dense(f"{name}_v", (chunks, count, tiles, channels), dtype, "arena")
        product = Buffer.dense(f"{name}_m", (strips, count, tiles, width), dtype, "arena")
        return _spread(moved), _spread(product)


def _slots(parts: int, threads: int) -> int:
    """How many parts are at work at a time, or one after the other in one place."""
    return -(-parts // _length(parts, threads)) if threads > 1 else 1


def _length(parts: int, threads: int) -> int:
    return -(-parts // (SHARES_PER_THREAD * threads))


def _shared(
    name: str, parts: int, threads: int, slot: Expr, body: Callable[[Expr, Expr], Stmt]
) -> Stmt:
    """Even shares of the parts in parallel, the parts of a share in one slot; or all in `slot`."""
    number = Var(name)
    if threads == 1:
        return For(name, index(parts), "serial", body(number, slot))
    share, length = Var("share"), _length(parts, threads)
    serial = For(name, rest(length, parts, share), "serial", body(share * length + number, share))
    return For("share", index(_slots(parts, threads)), "parallel", serial)


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
