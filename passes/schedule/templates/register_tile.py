"""The register tile of a contraction: how many rows and vectors of results stay in registers.

The rule counts, for every tile that fits the registers, the cycles of the inner loop over all
tiles of the output, smaller ones at the edges included: multiply-adds over the number of ports,
loads over two a cycle, and the latency of one dependent multiply-add where the tile has too few
accumulators to hide it. Most tiles keep the multipliers equally busy. Of these the narrowest was
mostly the fastest where it was measured, with about seven rows: 7 × 16 by up to 10 % over 14 × 32
on Zen 4 with AVX-512 (perhaps as its few results are stored while the next tile is computed); for
AVX2 it is the usual 6 × 16. Where one tile has all rows, panels are not read again but the rows
are, and the widest was. Rows are then evened out: of 16 no tile has 14 and the next one 2, which
would wait for memory.

Estimates that compare algorithms count a little more: for every load, more for those of the column
panel, which come from the second-level cache, and for every iteration.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlc.target import Target

_LOADS_PER_CYCLE = 2.0
_ROW_COST = 0.08
_COLUMN_COST = 0.2
"""Cycles that a broadcast row element, and 32 bytes of a column panel, cost on top."""
_UNEVEN_PENALTY = 1.02
_AS_GOOD = 1.01
"""What takes so little more than the fewest cycles is as good."""
_ROWS = 7
"""Of the tiles that are as good, the one nearest to so many."""
_SLACK = 1.2
"""By how much loads and latency must be quicker than the multipliers not to hold them up."""
_HOPELESS = 2.0
"""What is thought to take more than so many times the cycles of the best is not worth trying."""
_LOOP_OVERHEAD = 0.25
"""Cycles that counting and branching cost each iteration beside the arithmetic."""


@dataclass(frozen=True, slots=True)
class RegisterTile:
    """`rows` × `columns` results, in elements; `columns` is a multiple of the vector length."""

    rows: int
    columns: int


@functools.lru_cache(maxsize=4096)
def choose_tile(
    rows: int, columns: int, target: Target, bits: int, most_rows: int = 1 << 30
) -> RegisterTile:
    """The best tile for an output of `rows` × `columns` elements of `bits` width.

    `most_rows` bounds the rows of a tile, for inputs whose rows meet in one set of the cache.

    >>> from mlc.target import Target
    >>> avx2 = Target("x", "x86_64-linux-gnu", "haswell", "", 256, 16)
    >>> choose_tile(384, 384, avx2, 32)
    RegisterTile(rows=6, columns=16)
    >>> one_port = Target("y", "x86_64-linux-gnu", "znver4", "", 512, 32, fma_ports=1)
    >>> choose_tile(49, 512, one_port, 32)
    RegisterTile(rows=7, columns=16)
    """
    candidates = candidate_tiles(rows, columns, target, bits)
    costs = {
        tile: busy_cycles(rows, columns, tile, target, bits) * _unevenness(columns, tile)
        for tile in candidates
        if min(2, rows, most_rows) <= tile.rows <= most_rows  # one row would have a panel to itself
    }
    most = _AS_GOOD * min(costs.values())
    good = [tile for tile, cost in costs.items() if cost <= most]
    best = min(good, key=lambda tile: (tile.columns, abs(tile.rows - _ROWS)))
    if best.rows >= rows:
        whole = [tile for tile in good if tile.rows >= rows]
        best = max(whole, key=lambda tile: (columns % tile.columns == 0, tile.columns))
    return replace(best, rows=-(-rows // -(-rows // best.rows)))


def busy_cycles(rows: int, columns: int, tile: RegisterTile, target: Target, bits: int) -> float:
    """Cycles that multipliers and loads take for one step of the reduction over the output."""
    tiles = _tiles(rows, columns, tile, target.lanes(bits))
    return sum(count * _bound(*registers, target, _SLACK) for count, registers in tiles)


def _bound(rows: int, vectors: int, target: Target, slack: float = 1.0) -> float:
    """Cycles that a tile takes at least for one step of the reduction."""
    loads = (rows + _panel(vectors, target)) / _LOADS_PER_CYCLE
    return max(rows * vectors / target.fma_ports, slack * loads, slack * target.fma_latency)


def _panel(vectors: int, target: Target) -> int:
    """Loads of the column panel for one step of the reduction."""
    return vectors * max(1, target.vector_bits // 256)


def _unevenness(columns: int, tile: RegisterTile) -> float:
    """Panels that do not divide the columns have to be filled up, which costs memory."""
    return 1.0 if columns % tile.columns == 0 else _UNEVEN_PENALTY


def candidate_tiles(rows: int, columns: int, target: Target, bits: int) -> tuple[RegisterTile, ...]:
    """Every tile that fits the registers and is not larger than the output in either way."""
    lanes = target.lanes(bits)
    most_vectors = -(-columns // lanes)
    found = []
    for vectors in range(1, most_vectors + 1):
        most_rows = rows_that_fit(vectors, target)
        if most_rows < 1:
            break
        found += [
            RegisterTile(count, vectors * lanes) for count in range(1, min(rows, most_rows) + 1)
        ]
    return tuple(found)


def promising_tiles(rows: int, columns: int, target: Target, bits: int) -> tuple[RegisterTile, ...]:
    """The candidates that the rule does not think hopeless: it is a rule, not a measurement."""
    lanes = target.lanes(bits)
    costs = {
        tile: cycles(rows, columns, tile, lanes, target)
        for tile in candidate_tiles(rows, columns, target, bits)
    }
    most = _HOPELESS * min(costs.values())
    return tuple(tile for tile, cost in costs.items() if cost <= most)


def rows_that_fit(vectors: int, target: Target) -> int:
    """The rows of a tile of so many vectors: they, the vectors and one broadcast row must fit.

    With a single row the column vectors are operands in memory and take no registers.
    """
    registers = target.vector_registers
    many = (registers - 1 - vectors) // vectors
    single = 2 * target.fma_latency * target.fma_ports
    return many if many > 1 else int(vectors <= min(single, registers - 2))


def cycles(rows: int, columns: int, tile: RegisterTile, lanes: int, target: Target) -> float:
    """Cycles for one step of the reduction over the whole output."""
    tiles = _tiles(rows, columns, tile, lanes)
    return sum(count * tile_cycles(*registers, target) for count, registers in tiles)


def tile_cycles(rows: int, vectors: int, target: Target) -> float:
    """Cycles for one step of the reduction in one tile."""
    overhead = rows * _ROW_COST + _panel(vectors, target) * _COLUMN_COST + _LOOP_OVERHEAD
    return _bound(rows, vectors, target) + overhead


def _tiles(
    rows: int, columns: int, tile: RegisterTile, lanes: int
) -> Iterator[tuple[int, tuple[int, int]]]:
    """How many tiles there are of which rows and vectors, those at the edges included."""
    for row_count, tile_rows in _pieces(rows, tile.rows):
        for column_count, tile_columns in _pieces(columns, tile.columns):
            yield row_count * column_count, (tile_rows, -(-tile_columns // lanes))


def _pieces(extent: int, size: int) -> list[tuple[int, int]]:
    """How many tiles of which extent: whole ones, then the smaller one at the end."""
    whole, rest = divmod(extent, size)
    return [(count, length) for count, length in ((whole, size), (1, rest)) if count and length]
