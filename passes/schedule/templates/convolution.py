"""convolution: 3×3 convolutions of stride 1, directly or by Winograd's algorithm.

The algorithm is a knob. The default compares estimated cycles: the products of the direct form
against those of the transformed one plus its transforms; neither can be faster than its weights
come from memory, and Winograd's are 4 (F(4×4)) or 1.8 times (F(2×2)) as many. Everything else
about the direct form is the `contraction` template's.

Knobs: `algorithm` ("direct" or "implicit_gemm" with the knobs of that template, "winograd2",
"winograd4"), `rows` and `columns` of the register tile, and for Winograd's `chunk`, the tiles that
go through the transforms at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from mlc.errors import ScheduleError
from mlc.ir.graph import Node
from mlc.ir.operator import Kind
from mlc.passes.lower.group import Group
from mlc.passes.schedule.primitives import winograd
from mlc.passes.schedule.primitives.winograd import NESTS
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import (
    Knobs,
    Machine,
    Space,
    attempt,
    inline_cheap,
    kind_of,
)
from mlc.passes.schedule.templates.contraction import Contraction
from mlc.passes.schedule.templates.fetch_ahead import fetch_ahead
from mlc.passes.schedule.templates.matrix import clamped_rows
from mlc.passes.schedule.templates.nests import schedule_nests
from mlc.passes.schedule.templates.register_tile import (
    RegisterTile,
    candidate_tiles,
    choose_tile,
    cycles,
)

_OUTPUTS: Mapping[str, int] = {"winograd2": 2, "winograd4": 4}
_PLAIN = "implicit_gemm"
_TRANSFORM_COST: Mapping[int, float] = {2: 80.0, 4: 560.0}
"""Vector instructions that the input and output transforms of one tile take, for one vector of
channels each, loads and stores included."""
_MEMORY_BYTES_PER_CYCLE = 5.0
_FEWEST_CHANNELS = 16
_LARGEST_CHUNK = 256
"""Tiles at a time, of those a tuner may choose."""
_DIRECT = Contraction()


@dataclass(frozen=True, slots=True)
class _Sizes:
    batch: int
    channels: int
    filters: int
    height: int
    width: int

    def tiles(self, outputs: int) -> int:
        """Tiles of `outputs` × `outputs` results in all images."""
        return self.batch * -(-self.height // outputs) * -(-self.width // outputs)


class Convolution:
    """Schedules groups around a 3×3 convolution of floats that Winograd could compute."""

    name = "convolution"

    def matches(self, group: Group) -> bool:
        """One contraction, a plain 3×3 convolution with constant weights and enough channels."""
        anchors = [stage for stage in group.stages if kind_of(stage) is Kind.CONTRACTION]
        if len(anchors) != 1 or not _is_plain(anchors[0].node):
            return False
        scopes = {param.name: param.scope for param in group.func.params}
        return scopes.get(anchors[0].inputs[1]) == "constant"

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """The direct form's, and one for each of Winograd's."""
        plain: Space = {"algorithm": (_PLAIN,)}
        direct = tuple({**plain, **box} for box in _DIRECT.spaces(group, machine))
        if machine.exact:
            return direct
        sizes = _sizes(_node(group))
        return (*direct, *(_winograd_space(sizes, name, machine) for name in _OUTPUTS))

    def default(self, group: Group, machine: Machine) -> Knobs:
        """The algorithm with the fewest estimated cycles."""
        sizes = _sizes(_node(group))
        direct: Knobs = {**_DIRECT.default(group, machine), "algorithm": _PLAIN}
        if machine.exact:
            return direct
        tile = RegisterTile(int(direct["rows"]), int(direct["columns"]))
        best, fewest = direct, _direct_cycles(sizes, tile, machine)
        for algorithm, outputs in _OUTPUTS.items():
            knobs, estimate = _winograd_choice(sizes, algorithm, outputs, machine)
            if estimate < fewest:
                best, fewest = knobs, estimate
        return best

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """Winograd's nests, or what the contraction template makes of the group."""
        if knobs["algorithm"] not in _OUTPUTS:
            return _DIRECT.apply(group, knobs, machine)
        anchor = next(stage for stage in group.stages if kind_of(stage) is Kind.CONTRACTION)
        schedule = inline_cheap(Schedule(group.func), group)
        try:
            schedule = winograd(
                schedule,
                anchor.outputs[0],
                _OUTPUTS[str(knobs["algorithm"])],
                rows=clamped_rows(knobs, machine, anchor.node.output.type.dtype.bits),
                columns=int(knobs["columns"]),
                lanes=machine.target.lanes(anchor.node.output.type.dtype.bits),
                chunk=int(knobs["chunk"]),
                threads=machine.threads,
            )
        except ScheduleError:
            return _DIRECT.apply(group, _DIRECT.default(group, machine), machine)
        if knobs.get("prefetch"):
            schedule = attempt(fetch_ahead, schedule, f"{anchor.inputs[1]}_winograd", "p_block")
        return schedule_nests(schedule, machine, skip=NESTS)


def _node(group: Group) -> Node:
    return next(stage.node for stage in group.stages if kind_of(stage) is Kind.CONTRACTION)


def _is_plain(node: Node) -> bool:
    if node.op != "conv" or node.output.type.rank != 4 or not node.output.type.dtype.is_float:
        return False
    weights = node.inputs[1].type.static_shape
    ones = all(cast("tuple[int, ...]", node.attrs[k]) == (1, 1) for k in ("strides", "dilations"))
    padded = any((*cast("tuple[int, ...]", node.attrs["before"]), *_after(node)))
    wide = min(weights[0], weights[1]) >= _FEWEST_CHANNELS
    return weights[2:] == (3, 3) and ones and not padded and wide and node.attrs["groups"] == 1


def _after(node: Node) -> tuple[int, ...]:
    return cast("tuple[int, ...]", node.attrs["after"])


def _sizes(node: Node) -> _Sizes:
    batch, filters, height, width = node.output.type.static_shape
    return _Sizes(batch, node.inputs[1].type.static_shape[1], filters, height, width)


def _direct_cycles(sizes: _Sizes, tile: RegisterTile, machine: Machine) -> float:
    target = machine.target
    rows = sizes.height * sizes.width
    lanes = target.lanes(32)
    depth = 9 * sizes.channels
    products = sizes.batch * depth * cycles(rows, sizes.filters, tile, lanes, target)
    stream = 4 * depth * sizes.filters / _MEMORY_BYTES_PER_CYCLE
    return max(products, stream)


def _winograd_choice(
    sizes: _Sizes, algorithm: str, outputs: int, machine: Machine
) -> tuple[Knobs, float]:
    """Knobs of one algorithm, and the cycles they are thought to take."""
    target = machine.target
    lanes = target.lanes(32)
    tiles, elements = sizes.tiles(outputs), (outputs + 2) ** 2
    chunk = _chunk(sizes, tiles, elements, machine)
    tile = choose_tile(chunk, sizes.filters, target, 32)
    products = tiles / chunk * cycles(chunk, sizes.filters, tile, lanes, target)
    products *= elements * sizes.channels
    vectors = (-(-sizes.channels // lanes) - (-sizes.filters // lanes)) / 2
    transforms = tiles * vectors * _TRANSFORM_COST[outputs] / target.fma_ports
    stream = 4 * elements * sizes.channels * sizes.filters / _MEMORY_BYTES_PER_CYCLE
    knobs: Knobs = {
        "algorithm": algorithm,
        "rows": tile.rows,
        "columns": tile.columns,
        "chunk": chunk,
    }
    return knobs, max(products, stream) + transforms


def _winograd_space(sizes: _Sizes, algorithm: str, machine: Machine) -> Space:
    """Tiles of the products, and even shares of all tiles around those of the default."""
    default, _ = _winograd_choice(sizes, algorithm, _OUTPUTS[algorithm], machine)
    tiles = sizes.tiles(_OUTPUTS[algorithm])
    chunks = {-(-tiles // count) for count in range(1, tiles + 1)}
    near = {chunk for chunk in chunks if 8 <= chunk <= _LARGEST_CHUNK} | {int(default["chunk"])}
    products = candidate_tiles(max(near), sizes.filters, machine.target, 32)
    return {
        "algorithm": (algorithm,),
        "rows": tuple(sorted({tile.rows for tile in products})),
        "columns": tuple(sorted({tile.columns for tile in products})),
        "chunk": tuple(sorted(near)),
    }


def _chunk(sizes: _Sizes, tiles: int, elements: int, machine: Machine) -> int:
    """As many tiles as keep both transformed arrays in half the second-level cache.

    Where the transformed weights don't fit the cache they are read once per chunk, so that chunks
    are then made as large as the last-level cache allows.
    """
    target = machine.target
    one = 4 * elements * (sizes.channels + sizes.filters)
    weights = 4 * elements * sizes.channels * sizes.filters
    room = target.l2_bytes // 2 if weights <= target.l2_bytes else target.l3_bytes // 8
    most = max(8, room // one)
    count = -(-tiles // most)
    return -(-tiles // count)
