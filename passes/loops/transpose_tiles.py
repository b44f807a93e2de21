"""transpose-tiles: read a square tile along its rows, write it along its columns.

Holds before: an unrolled loop over an inner vector loop of the same extent, a power of two up to 8,
stores along the vector what it loads along the unrolled loop. After: the tile is loaded by vectors
along the unrolled loop, transposed in registers by shuffles of two vectors (those that x86 has
within 128 bits and across them), and the loop reads the transposed tile.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func turn(x: f32[2,2], y: f32[2,2]) {
    ...   for unroll i in 2 {
    ...     for vector j in 2 {
    ...       y[i, j] = x[j, i]
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(transpose_tiles(func)))
    func turn(x: f32[2,2], y: f32[2,2]) {
      alloc x_tile_i: f32[2,2] register {
        x_tile_i[0, ramp(0, 1, 2)] = shuffle<0,2>(x[0, ramp(0, 1, 2)], x[1, ramp(0, 1, 2)])
        x_tile_i[1, ramp(0, 1, 2)] = shuffle<1,3>(x[0, ramp(0, 1, 2)], x[1, ramp(0, 1, 2)])
        for unroll i in 2 {
          for vector j in 2 {
            y[i, j] = x_tile_i[i, j]
          }
        }
      }
    }
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlc.ir.affine import linear_form, simplify
from mlc.ir.expr import Const, Expr, Load, Ramp, Select, Shuffle, Var
from mlc.ir.rewrite import depends_on, map_expr, map_stmt, substitute_expr, walk_expr
from mlc.ir.stmt import Alloc, Buffer, For, Func, Stmt, Store, seq

SIDES = (2, 4, 8)


def transpose_tiles(func: Func) -> Func:
    """Transpose in registers what would be read element by element."""
    body = map_stmt(func.body, _tile)
    return func if body is func.body else replace(func, body=body)


def _tile(stmt: Stmt) -> Stmt:
    match stmt:
        case For(row, Const(value=side), "unroll", For(column, extent, "vector", Store() as store)):
            if side in SIDES and extent == Const(side):
                return _transposed(stmt, row, column, int(side), store)
    return stmt


def _transposed(loop: For, row: str, column: str, side: int, store: Store) -> Stmt:
    loads = [e for e in walk_expr(store.value) if type(e) is Load]
    guarded = any(type(e) is Select for e in walk_expr(store.value))
    crossing = [e for e in dict.fromkeys(loads) if _crosses(e, row, column)]
    if guarded or not crossing or any(e.buffer.name == store.buffer.name for e in loads):
        return loop
    body: Stmt = store
    tiles: dict[Load, Buffer] = {}
    fills: list[Stmt] = []
    for number, load in enumerate(crossing):
        name = f"{load.buffer.name}_tile_{row}" + (str(number) if number else "")
        tile = Buffer.dense(name, (side, side), load.buffer.dtype, "register")
        rows = [_vector(load, row, column, place, side) for place in range(side)]
        tiles[load] = tile
        ramp = Ramp(Const(0), Const(1), side)
        fills += [Store(tile, (Const(place), ramp), _column(rows, place)) for place in range(side)]

    def read_tile(expr: Expr) -> Expr:
        if type(expr) is Load and expr in tiles:
            return Load(tiles[expr], (Var(row), Var(column)))
        return expr

    body = Store(store.buffer, store.index, map_expr(store.value, read_tile))
    inner = For(column, Const(side), "vector", body)
    whole = seq([*fills, For(row, Const(side), "unroll", inner)])
    for tile in tiles.values():
        whole = Alloc(tile, whole)
    return whole


def _crosses(load: Load, row: str, column: str) -> bool:
    """Whether a load moves by one element along the unrolled loop, further along the vector."""
    steps = {row: 0, column: 0}
    for part, stride in zip(load.index, load.buffer.strides, strict=True):
        linear = linear_form(part)
        for name in steps:
            steps[name] += linear.terms.get(Var(name), 0) * stride
        if any(
            depends_on(atom, name) for atom in linear.terms for name in steps if atom != Var(name)
        ):
            return False
    moving = [part for part in load.index if depends_on(part, row)]
    return steps[row] == 1 and steps[column] not in (0, 1) and len(moving) == 1


def _vector(load: Load, row: str, column: str, place: int, side: int) -> Expr:
    """The load at one place of the vector loop, for all iterations of the unrolled one."""
    index: list[Expr] = []
    for part in load.index:
        start = simplify(substitute_expr(part, {row: Const(0), column: Const(place)}), {})
        step = linear_form(part).terms.get(Var(row), 0)
        index.append(Ramp(start, Const(step), side) if step else start)
    return Load(load.buffer, tuple(index))


def _column(rows: Sequence[Expr], number: int) -> Expr:
    """Element `number` of each row: pairs of rows are interleaved within blocks of four lanes."""
    side = len(rows)
    if side == 8:
        halves = [_column_of_four(rows[first : first + 4], number % 4) for first in (0, 4)]
        start = number // 4 * 4
        picks = [part * side + start + lane for part in (0, 1) for lane in range(4)]
        return Shuffle(tuple(halves), tuple(picks))
    return _column_of_four(rows, number) if side == 4 else _interleaved(rows[0], rows[1], 1, number)


def _column_of_four(rows: Sequence[Expr], number: int) -> Expr:
    upper, lower = (_interleaved(rows[i], rows[i + 1], 1, number // 2) for i in (0, 2))
    return _interleaved(upper, lower, 2, number % 2)


def _interleaved(first: Expr, second: Expr, size: int, half: int) -> Expr:
    """Groups of `size` lanes taken in turns from one half of each block of four lanes."""
    lanes = first.lanes
    block = min(lanes, 4)
    picks = []
    for start in range(0, lanes, block):
        for group in range(block // (2 * size)):
            place = start + half * block // 2 + group * size
            picks += [*range(place, place + size), *range(lanes + place, lanes + place + size)]
    return Shuffle((first, second), tuple(picks))
