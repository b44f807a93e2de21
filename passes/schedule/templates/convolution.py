"""convolution: 3×3 convolutions of stride 1 or 2, directly or by Winograd's algorithm.

The algorithm is a knob. The default compares estimated cycles: the products of the direct form
against those of the transformed one plus its transforms and what moves between the caches; neither
can be faster than its weights come from memory, and Winograd's are 4 (F(4×4)) or 1.8 times (F(2×2))
as many, of stride 2 even 9 or 2.8 times. Everything else about the direct form is the `contraction`
template's.

Knobs: `algorithm` ("direct" or "implicit_gemm" with the knobs of that template, "winograd2",
"winograd4" with those of `bilinear`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from mlc.errors import ScheduleError
from mlc.ir.graph import Node
from mlc.ir.operator import Kind
from mlc.passes.lower.group import Group
from mlc.passes.schedule.bilinear.winograd import TAPS
from mlc.passes.schedule.bilinear.winograd_matrices import transforms
from mlc.passes.schedule.primitives import winograd
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import (
    Knobs,
    Machine,
    Space,
    inline_cheap,
    kind_of,
)
from mlc.passes.schedule.templates.bilinear import (
    Products,
    arrange,
    even_chunks,
    knobs_of,
    spaces_around,
    tiling_of,
)
from mlc.passes.schedule.templates.contraction import Contraction
from mlc.passes.schedule.templates.register_tile import (
    RegisterTile,
    choose_tile,
    cycles,
)

_OUTPUTS: Mapping[str, int] = {"winograd2": 2, "winograd4": 4}
_PLAIN = "implicit_gemm"
_TRANSFORM_COST: Mapping[tuple[int, int], float] = {
    (1, 2): 80.0,
    (1, 4): 560.0,
    (2, 2): 220.0,
    (2, 4): 1200.0,
}
"""Vector instructions that the input and output transforms of one tile take, for one vector of
channels each, loads and stores included; by stride and outputs."""
_MEMORY_BYTES_PER_CYCLE = 5.0
_SHARED_CACHE_BYTES_PER_CYCLE = 24.0
_MOVES = 3
"""Times that what does not fit a cache moves: written, fetched to be written, and read."""
_NOT_HIDDEN = 0.25
"""The part of the shorter of two things done at a time that costs time all the same."""
_FEWEST_CHANNELS = 16
_DIRECT = Contraction()


@dataclass(frozen=True, slots=True)
class _Sizes:
    batch: int
    channels: int
    filters: int
    height: int
    width: int
    stride: int

    def tiles(self, outputs: int) -> int:
        """Tiles of `outputs` × `outputs` results in all images."""
        return self.batch * -(-self.height // outputs) * -(-self.width // outputs)

    def elements(self, outputs: int) -> int:
        """Products of a tile, for each channel and filter."""
        return transforms(outputs, TAPS, self.stride).products ** 2


@dataclass(frozen=True, slots=True)
class Convolution:
    """Schedules groups around a 3×3 convolution of floats that Winograd could compute.

    For each stride there is a template of its own: strided ones gain less from Winograd, so that
    other templates are worth trying.
    """

    stride: int = 1

    @property
    def name(self) -> str:
        """By the stride."""
        return "convolution" if self.stride == 1 else "strided_convolution"

    def matches(self, group: Group) -> bool:
        """One contraction, a plain 3×3 convolution with constant weights and enough channels."""
        anchors = [stage for stage in group.stages if kind_of(stage) is Kind.CONTRACTION]
        if len(anchors) != 1 or not _is_plain(anchors[0].node, self.stride):
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
        boxes = [box for name in _OUTPUTS for box in _winograd_spaces(sizes, name, machine)]
        return (*direct, *boxes)

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
        bits = anchor.node.output.type.dtype.bits
        schedule = inline_cheap(Schedule(group.func), group)
        try:
            schedule = winograd(
                schedule,
                anchor.outputs[0],
                _OUTPUTS[str(knobs["algorithm"])],
                **tiling_of(knobs, machine, bits),
            )
        except ScheduleError:
            return _DIRECT.apply(group, _DIRECT.default(group, machine), machine)
        return arrange(schedule, "winograd", anchor.inputs[1], knobs, machine)


def _node(group: Group) -> Node:
    return next(stage.node for stage in group.stages if kind_of(stage) is Kind.CONTRACTION)


def _is_plain(node: Node, stride: int) -> bool:
    if node.op != "conv" or node.output.type.rank != 4 or not node.output.type.dtype.is_float:
        return False
    filters, channels, *kernel = node.inputs[1].type.static_shape
    steps = {"strides": stride, "dilations": 1, "before": 0, "after": 0}
    plain = all(node.attrs[name] == (step, step) for name, step in steps.items())
    wide = min(filters, channels) >= _FEWEST_CHANNELS
    return kernel == [TAPS, TAPS] and plain and wide and node.attrs["groups"] == 1


def _sizes(node: Node) -> _Sizes:
    batch, filters, height, width = node.output.type.static_shape
    stride = cast("tuple[int, ...]", node.attrs["strides"])[0]
    channels = node.inputs[1].type.static_shape[1]
    return _Sizes(batch, channels, filters, height, width, stride)


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
    estimates = {
        chunk: _winograd_cycles(sizes, outputs, chunk, machine)
        for chunk in even_chunks(_products(sizes, outputs), machine)
    }
    chunk = min(estimates, key=estimates.__getitem__)
    knobs = {"algorithm": algorithm, **knobs_of(_products(sizes, outputs), chunk, machine)}
    return knobs, estimates[chunk]


def _winograd_cycles(sizes: _Sizes, outputs: int, chunk: int, machine: Machine) -> float:
    """Cycles of the products, the transforms, and of moving what the caches do not hold.

    Weights come from memory once, and again for every chunk from the cache that holds them, while
    the products are computed; what can be hidden is not hidden wholly.
    """
    target = machine.target
    lanes = target.lanes(32)
    tiles, elements = sizes.tiles(outputs), sizes.elements(outputs)
    tile = choose_tile(chunk, sizes.filters, target, 32)
    products = tiles / chunk * cycles(chunk, sizes.filters, tile, lanes, target)
    products *= elements * sizes.channels
    vectors = (-(-sizes.channels // lanes) - (-sizes.filters // lanes)) / 2
    transformed = tiles * vectors * _TRANSFORM_COST[sizes.stride, outputs] / target.fma_ports
    weights = 4.0 * elements * sizes.channels * sizes.filters
    again = (-(-tiles // chunk) - 1) * _cycles_to_read(weights, target.l2_bytes, machine)
    stream = weights / _MEMORY_BYTES_PER_CYCLE + again
    held = 4.0 * elements * chunk * (sizes.channels + sizes.filters)
    moved = _MOVES * tiles / chunk * _cycles_to_read(held, target.l2_bytes // 2, machine)
    hidden = min(products, stream)
    return max(products, stream) + _NOT_HIDDEN * hidden + transformed + moved


def _cycles_to_read(size: float, near: int, machine: Machine) -> float:
    """Cycles to read bytes that were used before, beyond those of a cache of `near` bytes."""
    if size <= near:
        return 0.0
    fits = size <= machine.target.l3_bytes // 4
    return size / (_SHARED_CACHE_BYTES_PER_CYCLE if fits else _MEMORY_BYTES_PER_CYCLE)


def _winograd_spaces(sizes: _Sizes, algorithm: str, machine: Machine) -> list[Space]:
    outputs = _OUTPUTS[algorithm]
    default, _ = _winograd_choice(sizes, algorithm, outputs, machine)
    spaces = spaces_around(_products(sizes, outputs), default, machine)
    return [{"algorithm": (algorithm,), **space} for space in spaces]


def _products(sizes: _Sizes, outputs: int) -> Products:
    elements, tiles = sizes.elements(outputs), sizes.tiles(outputs)
    return Products(elements, tiles, sizes.channels, sizes.filters)
