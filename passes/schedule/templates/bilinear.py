"""What schedules of Winograd's and Strassen's algorithms have in common: knobs, and their use.

Knobs: `rows` and `columns` of the register tile of the products; `chunk`, the tiles that go through
the transforms at a time; `strip`, the panels of weights that go through the products and the output
transform at a time, 0 for all; `half_vectors` of channels that the transforms take at a time;
`order` of the loops of the products, outermost first, where threads do not share them; `layout` of
the transformed arrays, for each element of a tile all tiles, for each of the "tiles" its elements,
or so for "blocks" of as many tiles as a register tile has rows; and `prefetch`, whether tiles of
the products fetch the next panel of weights, where these do not stay in cache.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlc.passes.schedule.bilinear.assemble import NESTS, SHARES_PER_THREAD
from mlc.passes.schedule.primitives import pack, reorder
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import Knobs, Machine, Space, attempt
from mlc.passes.schedule.templates.contraction_space import tile_choices
from mlc.passes.schedule.templates.fetch_ahead import fetch_ahead, prefetch_choices
from mlc.passes.schedule.templates.matrix import clamped_rows
from mlc.passes.schedule.templates.nests import schedule_nests
from mlc.passes.schedule.templates.register_tile import RegisterTile, choose_tile, promising_tiles

Dims = tuple[int | tuple[int, str], ...]

_ORDERS = ("element panel block", "element block panel", "panel element block")
_LAYOUTS = ("elements", "tiles", "blocks")
_BY_TILE: Dims = (0, 2, 1, 3)
_BLOCKED: Dims = (0, (2, "outer"), 1, (2, "inner"), 3)
"""Of the dimensions chunk, element, tile, channel of V and M: how they lie in each other."""
_FEWEST_AT_ONCE = 8
"""Tiles; fewer leave a register tile half empty."""
_STRIPS = (1, 2, 4, 8, 16)
_LARGEST_CHUNK = 256
"""Tiles at a time, of those a tuner may choose."""


@dataclass(frozen=True, slots=True)
class Products:
    """`elements` matrix products, each of `tiles` rows, `channels` terms and `filters` columns."""

    elements: int
    tiles: int
    channels: int
    filters: int
    bits: int = 32

    @property
    def tile_bytes(self) -> int:
        """What a tile takes of V and M."""
        return self.bits // 8 * self.elements * (self.channels + self.filters)

    @property
    def weight_bytes(self) -> int:
        """Of the transformed weights."""
        return self.bits // 8 * self.elements * self.channels * self.filters


def even_chunks(products: Products, machine: Machine) -> list[int]:
    """Even shares of all tiles: as much as half the second-level cache holds, and ever more."""
    tiles, one = products.tiles, products.tile_bytes
    most = max(_FEWEST_AT_ONCE, machine.target.l2_bytes // 2 // one)
    chunks = [-(-tiles // -(-tiles // most))]
    while chunks[-1] < tiles and chunks[-1] * one < machine.target.l3_bytes // 4:
        most *= 2
        chunks.append(-(-tiles // -(-tiles // most)))
    return chunks


def knobs_of(products: Products, chunk: int, machine: Machine) -> dict[str, int | str | bool]:
    """The point thought best for chunks of so many tiles."""
    tile = choose_tile(chunk, products.filters, machine.target, products.bits)
    knobs: dict[str, int | str | bool] = {
        "rows": tile.rows,
        "columns": tile.columns,
        "chunk": chunk,
        "strip": 0,
        "half_vectors": 2,
        "order": _ORDERS[0],
        "layout": _LAYOUTS[0],
    }
    choices = prefetch_choices(products.weight_bytes, chunk, tile.rows, machine)
    if choices:
        knobs["prefetch"] = choices[0]
    return knobs


def spaces_around(products: Products, default: Knobs, machine: Machine) -> list[Space]:
    """Tiles of the products, and even shares of all tiles around those of the default.

    Where several threads would have too few chunks they share each nest, in one order, instead.
    """
    target, tiles = machine.target, products.tiles
    chunks = {-(-tiles // count) for count in range(1, tiles + 1)}
    fewest = SHARES_PER_THREAD * machine.threads if machine.threads > 1 else 1
    least = min(_FEWEST_AT_ONCE, tiles)
    walked = {
        chunk
        for chunk in chunks
        if least <= chunk <= _LARGEST_CHUNK and -(-tiles // chunk) >= fewest
    }
    near = walked | {int(default["chunk"])}
    tile = RegisterTile(int(default["rows"]), int(default["columns"]))
    promising = promising_tiles(max(near), products.filters, target, products.bits)
    wide = min(products.channels, products.filters) >= 2 * target.lanes(products.bits)
    strips = tuple(strip for strip in _STRIPS if strip * tile.columns < products.filters)
    rest: Space = {
        "chunk": tuple(sorted(near)),
        "strip": (0, *strips),
        "half_vectors": (1, 2, 4) if wide else (1, 2),
        "order": _ORDERS if walked or strips else _ORDERS[:1],
        "layout": _LAYOUTS,
        **({"prefetch": (False, True)} if "prefetch" in default else {}),
    }
    return [{**choice, **rest} for choice in tile_choices(promising, tile)]


def tiling_of(knobs: Knobs, machine: Machine, bits: int) -> dict[str, int]:
    """What the primitives are told, by the names of their arguments."""
    return {
        "rows": clamped_rows(knobs, machine, bits),
        "columns": int(knobs["columns"]),
        "lanes": machine.target.lanes(bits) * int(knobs.get("half_vectors", 2)) // 2,
        "chunk": int(knobs["chunk"]),
        "strip": int(knobs.get("strip", 0)),
        "threads": machine.threads,
    }


def arrange(
    schedule: Schedule, name: str, weights: str, knobs: Knobs, machine: Machine
) -> Schedule:
    """Order the loops of the products, lay out V and M, fetch weights, finish the other nests.

    `name` is that of the algorithm, `weights` of the buffer before it was transformed.
    """
    order = str(knobs.get("order", _ORDERS[0]))
    if order != _ORDERS[0]:
        schedule = attempt(reorder, schedule, *(f"p_{loop}" for loop in order.split()))
    layout = knobs.get("layout", _LAYOUTS[0])
    if layout != _LAYOUTS[0]:
        blocks, dims = ({2: int(knobs["rows"])}, _BLOCKED) if layout == "blocks" else ({}, _BY_TILE)
        for buffer in (f"{name}_v", f"{name}_m"):
            schedule = pack(schedule, buffer, blocks, dims)
    if knobs.get("prefetch"):
        schedule = attempt(fetch_ahead, schedule, f"{weights}_{name}", "p_block")
    return schedule_nests(schedule, machine, skip=(*NESTS, "p_panel"))
