"""Replace a direct 3×3 convolution by Winograd's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlc.ir.expr import Expr, Load, Var, index
from mlc.ir.rewrite import map_expr, substitute_expr
from mlc.ir.stmt import Alloc, Buffer, For, Stmt, Store, seq
from mlc.passes.schedule.dependence import read_buffers, written_buffers
from mlc.passes.schedule.location import RefusalError, block, find_alloc, flatten, spine
from mlc.passes.schedule.schedule import Schedule, primitive
from mlc.passes.schedule.winograd.nests import (
    Chunk,
    Finish,
    Tiling,
    input_nest,
    output_nest,
    product_nest,
    rest,
    weight_function,
)
from mlc.passes.schedule.winograd.problem import Problem, problem_of

NESTS = ("share", "chunk", "v_tile", "p_element", "o_tile")
"""The outermost loops of what the primitive writes."""

_LINE_BYTES = 64
SHARES_PER_THREAD = 4
"""Parts of the work for each thread, so that all end at about the same time."""


@primitive
def winograd(
    schedule: Schedule,
    buffer: str,
    outputs: int,
    *,
    rows: int,
    columns: int,
    lanes: int,
    chunk: int,
    threads: int = 1,
) -> Schedule:
    """Compute the convolution that writes the temporary `buffer` as F(outputs×outputs, 3×3).

    The nest that sets `buffer` to zero, the one that adds products to it and the one that reads it
    become, for each `chunk` of tiles: the input transform, one matrix product per element of a
    transformed tile (register tiles of `rows` tiles × `columns` filters), and the output transform,
    which ends in what the reading nest did. The weights are transformed by a `prepare` function.
    Transforms take `lanes` channels at a time. With `threads` above one, shares of the chunks run
    in parallel, or where there are fewer than four for each thread, the parts of all at once do.

    Of what comes out the example shows one element of the input transform and one result.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func conv(x: f32[1,8,4,4], w: f32[8,8,3,3] constant,
    ...     y: f32[1,8,2,2]) {
    ...   alloc acc: f32[1,8,2,2] arena {
    ...     for z0 in 1 { for z1 in 8 { for z2 in 2 { for z3 in 2 {
    ...       acc[z0, z1, z2, z3] = 0.0:f32
    ...     } } } }
    ...     for n in 1 { for o in 8 { for h in 2 { for v in 2 {
    ...       for c in 8 { for i in 3 { for j in 3 {
    ...         acc[n, o, h, v] = acc[n, o, h, v] + x[n, c, h + i, v + j] * w[o, c, i, j]
    ...       } } }
    ...     } } } }
    ...     for a in 1 { for b in 8 { for d in 2 { for e in 2 {
    ...       y[a, b, d, e] = max(acc[a, b, d, e], 0.0:f32)
    ...     } } } }
    ...   }
    ... }''')
    >>> made = winograd(Schedule(func), "acc", 2, rows=1, columns=8, lanes=8, chunk=1)
    >>> lines = [line.strip() for line in print_func(made.func).splitlines()]
    >>> shown = "winograd_v[0, 5", "y[o_tile, o_block * 8 + o_lane, 1, 1]"
    >>> for line in lines:
    ...     if line.startswith(shown):
    ...         print(line)
    winograd_v[0, 5, v_tile, v_block * 8 + v_lane] = v_middle[1, 1, v_lane] + v_middle[1, 2, v_lane]
    y[o_tile, o_block * 8 + o_lane, 1, 1] = max(o_result[1, 1, o_lane], 0.0:f32)

    Results are rounded otherwise than those of the plain sums. Refused where the nest is not a 3×3
    convolution of stride 1, where the weights are not constant or not floating-point (the
    transforms multiply by fractions), or where `buffer` is read by more than one plain nest.
    """
    place = find_alloc(schedule.func.body, buffer)
    buffers, statements = flatten(place.stmt.body)
    writers = [s for s in statements if buffer in written_buffers(s)]
    readers = [s for s in statements if buffer in read_buffers(s) and s not in writers]
    if len(writers) != 2 or len(readers) != 1:
        raise RefusalError(f"'{buffer}' has not two writing nests and one reading nest", "shape")
    problem = problem_of(writers[1], outputs)
    if problem.weights.scope != "constant":
        raise RefusalError(f"'{problem.weights.name}' is not constant", "not-constant")
    if not problem.weights.dtype.is_float:
        dtype = problem.weights.dtype
        raise RefusalError(f"'{problem.weights.name}' is {dtype}, not floating-point", "dtype")
    packed = _packed_weights(problem, columns)
    tiling = Tiling(rows, columns, lanes)
    finish = _finish(readers[0], buffer)
    nests = _Nests(problem, packed, tiling, finish, min(chunk, problem.tiles), threads)
    at = statements.index(readers[0])
    kept = [s for s in statements[:at] if s not in writers]
    body = place.replaced(block(buffers, [*kept, nests.build(), *statements[at + 1 :]]))
    name = f"{schedule.func.name}_winograd_{problem.weights.name}"
    prepare = weight_function(problem, packed, columns, name)
    params = tuple(packed if p.name == problem.weights.name else p for p in schedule.func.params)
    func = replace(
        schedule.func, params=params, body=body, prepare=(*schedule.func.prepare, prepare)
    )
    return Schedule(func, schedule.trace)


def _packed_weights(problem: Problem, columns: int) -> Buffer:
    panels = -(-problem.filters // columns)
    shape = (problem.products, panels, problem.channels, columns)
    name = f"{problem.weights.name}_winograd"
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

    def finish(place: tuple[Expr, Expr, Expr, Expr], value: Expr) -> Stmt:
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


class _Nests:
    """Puts the nests together: all tiles at once, or chunk by chunk."""

    def __init__(
        self,
        problem: Problem,
        packed: Buffer,
        tiling: Tiling,
        finish: Finish,
        chunk: int,
        threads: int,
    ) -> None:
        self.problem, self.packed, self.tiling, self.finish = problem, packed, tiling, finish
        self.chunk, self.threads = chunk, threads
        self.chunks = -(-problem.tiles // chunk)

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
        shape = (slots, self.problem.products, tiles)
        dtype = self.problem.accumulator.dtype
        moved = Buffer.dense("winograd_v", (*shape, self.problem.channels), dtype, "arena")
        product = Buffer.dense("winograd_m", (*shape, self.problem.filters), dtype, "arena")
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
