"""The space of the contraction template: which values of which knobs are worth trying.

A knob is left out where it has nothing to choose, so that few points make equal loops: the loops
are as if it had the first of its values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

from mlc.ir.rewrite import buffers_of
from mlc.passes.lower.group import Group, Stage
from mlc.passes.schedule.templates.base import Machine, Space
from mlc.passes.schedule.templates.fetch_ahead import prefetch_choices
from mlc.passes.schedule.templates.matrix import (
    Shape,
    can_pack_rows,
    pack_choices,
    reduction_length,
)
from mlc.passes.schedule.templates.register_tile import (
    RegisterTile,
    choose_tile,
    promising_tiles,
)

Values = tuple[int | str | bool, ...]

_UNROLLS = (1, 2, 4, 8, 16)
_BLOCKS = (2, 4, 8, 16, 32)
_CHANNELS = (16, 64, 256)
_DEPTHS = (64, 128, 256, 512, 1024)
_PAGE = 4096
_ROWS_IN_ONE_SET = 8
"""Ways of the first-level cache on the CPUs there are."""
_LARGEST_TILES = (8, 32)
"""Rows and columns of a large register tile: what is not larger needs no blocks of tiles."""
_PANELS_TO_PACK_ROWS = 4
"""Packed rows must be read for so many panels of columns at least."""


def contraction_spaces(
    group: Group, anchor: Stage, shape: Shape, machine: Machine
) -> tuple[Space, ...]:
    """For each number of columns a box with the reduction whole; where it is long, one in parts."""
    both = {"order": ("columns", "rows"), **_packing(group, anchor, shape)}
    whole = {
        **both,
        **_walk(anchor, shape),
        **_sharing(anchor, shape, machine),
        **_fetching(group, anchor, shape, machine),
    }
    depths = tuple(depth for depth in _DEPTHS if depth < reduction_length(anchor))
    parts = {**both, "depth": depths, "parts": ("inside", "outside")}
    bits = anchor.node.output.type.dtype.bits
    tiles = tile_choices(
        promising_tiles(shape.rows, shape.columns // shape.groups, machine.target, bits),
        default_tile(group, anchor, shape, machine),
    )
    return tuple(
        {**tile, **rest} for rest in ((whole, parts) if depths else (whole,)) for tile in tiles
    )


def tile_choices(tiles: Iterable[RegisterTile], default: RegisterTile) -> list[dict[str, Values]]:
    """The knobs `rows` and `columns`, by columns: how many rows fit depends on them."""
    wanted = {*tiles, default}
    return [
        {
            "rows": tuple(sorted(tile.rows for tile in wanted if tile.columns == columns)),
            "columns": (columns,),
        }
        for columns in sorted({tile.columns for tile in wanted})
    ]


def default_tile(group: Group, anchor: Stage, shape: Shape, machine: Machine) -> RegisterTile:
    """The best tile by the rule of `register_tile`."""
    ways = _ROWS_IN_ONE_SET if _rows_collide(group, anchor, shape) else shape.rows
    bits = anchor.node.output.type.dtype.bits
    return choose_tile(shape.rows, shape.columns // shape.groups, machine.target, bits, ways)


def _rows_collide(group: Group, anchor: Stage, shape: Shape) -> bool:
    """Whether neighbouring rows of the input lie a multiple of a page apart.

    Their elements then compete for one set of the first-level cache.
    """
    source = buffers_of(group.func).get(anchor.inputs[0])
    if source is None:  # a constant of one element
        return False
    axis, step = len(source.shape) - 2, 1
    if anchor.node.op == "conv":
        axis = shape.row_axes[-1]
        step = cast("tuple[int, ...]", anchor.node.attrs["strides"])[-1]
    apart = step * source.strides[axis] * source.dtype.bytes
    return apart % _PAGE == 0 and shape.depth > 1


def _packing(group: Group, anchor: Stage, shape: Shape) -> dict[str, Values]:
    found: dict[str, Values] = {}
    packs = pack_choices(group, anchor)
    if len(packs) > 1:
        found["pack"] = packs
    panels = shape.columns // _LARGEST_TILES[1]
    if panels >= _PANELS_TO_PACK_ROWS and can_pack_rows(group, anchor, shape):
        found["pack_rows"] = (False, True)
    return found


def _walk(anchor: Stage, shape: Shape) -> dict[str, Values]:
    """How the loops around the register tile and those over the reduction go."""
    length = reduction_length(anchor)
    found: dict[str, Values] = {"unroll": tuple(n for n in _UNROLLS if length % n == 0)}
    sizes = (shape.rows, shape.columns // shape.groups)
    most = max(size // tile for size, tile in zip(sizes, _LARGEST_TILES, strict=True))
    blocks = tuple(block for block in _BLOCKS if block < most)
    if blocks:
        found["block"] = (0, *blocks)
    if anchor.node.op != "conv":
        return found
    kernel = anchor.node.inputs[1].type.static_shape[2:]
    channels = tuple(n for n in _CHANNELS if n < length and length % n == 0)
    if math.prod(kernel) > 1 and channels:
        found["channels"] = (0, *channels)
    if len(shape.row_axes) > 1:
        found["algorithm"] = ("implicit_gemm", "direct")
    return found


def _fetching(group: Group, anchor: Stage, shape: Shape, machine: Machine) -> dict[str, Values]:
    """Whether row tiles fetch the next panel of weights."""
    weights = buffers_of(group.func).get(anchor.inputs[1])
    if weights is None or weights.scope != "constant":
        return {}
    rows = default_tile(group, anchor, shape, machine).rows
    choices = prefetch_choices(shape.weight_bytes, shape.rows, rows, machine)
    return {"prefetch": choices} if choices else {}


def _sharing(anchor: Stage, shape: Shape, machine: Machine) -> dict[str, Values]:
    """The threads share tile loops, or only what is around them where that is enough."""
    if machine.threads == 1:
        return {}
    dims = anchor.node.output.type.static_shape
    around = math.prod([dims[axis] for axis in shape.outer]) * shape.groups
    return {"shared": (0, 1, 2) if around >= machine.threads else (1, 2)}
