"""The rule of the register tile: what fits, and what is chosen for shapes whose best is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc.backends.llvm.targets import resolve
from mlc.passes.schedule.templates.register_tile import (
    busy_cycles,
    candidate_tiles,
    choose_tile,
)

TARGETS = ["x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64-linux-gnu", "zen4"]
sizes = st.one_of(st.integers(1, 70), st.sampled_from([128, 384, 1000, 4096]))


@given(sizes, sizes, st.sampled_from(TARGETS), st.sampled_from([16, 32, 64]))
def test_every_tile_fits_the_registers(rows: int, columns: int, name: str, bits: int) -> None:
    target = resolve(name)
    lanes = target.lanes(bits)
    tiles = candidate_tiles(rows, columns, target, bits)
    assert tiles
    for tile in tiles:
        vectors, uneven = divmod(tile.columns, lanes)
        assert uneven == 0
        assert 1 <= tile.rows <= rows
        assert tile.columns - lanes < columns
        accumulators = tile.rows * vectors
        held = 1 + vectors if tile.rows > 1 else 1  # one row reads its columns from memory
        assert accumulators + held <= target.vector_registers


@given(sizes, sizes, st.sampled_from(TARGETS))
def test_no_tile_is_much_cheaper_than_the_one_chosen(rows: int, columns: int, name: str) -> None:
    target = resolve(name)
    tiles = candidate_tiles(rows, columns, target, 32)
    chosen = choose_tile(rows, columns, target, 32)
    assert chosen in tiles
    assert chosen.rows > 1 or rows == 1
    best = min(
        busy_cycles(rows, columns, tile, target, 32) for tile in tiles if tile.rows > 1 or rows == 1
    )
    assert busy_cycles(rows, columns, chosen, target, 32) <= 1.04 * best


@given(st.integers(1, 40), st.integers(1, 400), st.integers(1, 8))
def test_rows_that_collide_in_the_cache_bound_the_tile(rows: int, columns: int, most: int) -> None:
    assert choose_tile(rows, columns, resolve("x86-64-v3"), 32, most).rows <= most


@pytest.mark.parametrize(
    ("rows", "columns", "target", "tile"),
    [
        (384, 384, "x86-64-v3", (6, 16)),
        (3136, 64, "x86-64-v3", (6, 16)),
        (1, 8, "x86-64-v3", (1, 8)),
        (3136, 256, "zen4", (7, 16)),
        (128, 768, "zen4", (8, 16)),
    ],
)
def test_known_shapes(rows: int, columns: int, target: str, tile: tuple[int, int]) -> None:
    chosen = choose_tile(rows, columns, resolve(target), 32)
    assert (chosen.rows, chosen.columns) == tile


@pytest.mark.parametrize("target", TARGETS)
def test_large_products_keep_the_multipliers_busy(target: str) -> None:
    """Enough accumulators that none is waited for, and more arithmetic than loads."""
    machine = resolve(target)
    tile = choose_tile(1024, 1024, machine, 32)
    vectors = tile.columns // machine.lanes(32)
    assert tile.rows * vectors >= machine.fma_latency * machine.fma_ports
    assert (tile.rows + vectors) * machine.fma_ports <= 2 * tile.rows * vectors
