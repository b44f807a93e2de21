"""strassen: matrix products and convolutions with fewer multiplications.

Never a default: it rounds otherwise than plain sums, and holds sums of the weights, 1.6 to 3.3
times as many. Where it is faster a tuner finds out.

Knobs: `blocks`, the scheme by which they are multiplied, and those of `bilinear`.
"""

from __future__ import annotations

from mlc.errors import ScheduleError
from mlc.ir.operator import Kind
from mlc.ir.rewrite import buffers_of
from mlc.passes.lower.group import Group
from mlc.passes.schedule.bilinear.schemes import SCHEMES, Scheme
from mlc.passes.schedule.primitives import strassen
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import Knobs, Machine, Space, inline_cheap, kind_of
from mlc.passes.schedule.templates.bilinear import (
    Products,
    arrange,
    even_chunks,
    knobs_of,
    spaces_around,
    tiling_of,
)
from mlc.passes.schedule.templates.matrix import anchor_of, reduction_length, shape_of

_FEWEST = 32
"""Terms and columns of a block. Fewer do not make up for the sums of blocks."""
_FEWEST_CHANNELS = 16
"""Of a block, at each position of a kernel: vectors of fewer go on at the next position."""
_FEWEST_ROWS = 8
"""Of a block: the register tile is less full with fewer."""
_CYCLES_PER_SUM = 5.0
"""For a vector of sums of rows or of products: added up, written and read."""
_MEMORY_BYTES_PER_CYCLE = 5.0
_NOT_HIDDEN = 0.25
"""The part of the shorter of two things done at a time that costs time all the same."""
_PROMISING = 1.05
"""Times the cycles of the scheme thought best."""


class StrassenProduct:
    """Schedules groups around a product of many rows by a constant matrix."""

    name = "strassen"

    def matches(self, group: Group) -> bool:
        """One contraction, of floats, with one large matrix of constant weights on its right."""
        anchors = [stage for stage in group.stages if kind_of(stage) is Kind.CONTRACTION]
        if len(anchors) != 1 or anchors[0].node.op not in ("matmul", "conv"):
            return False
        weights = buffers_of(group.func).get(anchors[0].inputs[1])
        constant = weights is not None and weights.scope == "constant" and weights.dtype.is_float
        return constant and _is_matrix(group) and bool(_schemes(group))

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """One for each promising scheme and number of columns of a tile; none if not applicable."""
        if machine.exact or not self._applies(group, machine):
            return ()
        return tuple(
            {"blocks": (blocks,), **space}
            for blocks in _promising(group, machine)
            for space in spaces_around(
                _products(group, SCHEMES[blocks]), _knobs(group, blocks, machine), machine
            )
        )

    def default(self, group: Group, machine: Machine) -> Knobs:
        """The most promising scheme; the tiles or the weights stay in cache."""
        return _knobs(group, _promising(group, machine)[0], machine)

    def _applies(self, group: Group, machine: Machine) -> bool:
        try:
            self.apply(group, self.default(group, machine), machine)
        except ScheduleError:
            return False
        return True

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """Sums of blocks, their products, and sums of these."""
        anchor = anchor_of(group)
        bits = anchor.node.output.type.dtype.bits
        schedule = strassen(
            inline_cheap(Schedule(group.func), group),
            anchor.outputs[0],
            str(knobs["blocks"]),
            **tiling_of(knobs, machine, bits),
        )
        return arrange(schedule, self.name, anchor.inputs[1], knobs, machine)


def _is_matrix(group: Group) -> bool:
    """Whether all rows are multiplied by the same matrix."""
    node = anchor_of(group).node
    if node.op == "matmul":
        return node.inputs[1].type.rank == 2
    return node.attrs["groups"] == 1


def _schemes(group: Group) -> list[str]:
    return [blocks for blocks, scheme in SCHEMES.items() if _is_worthwhile(group, scheme)]


def _is_worthwhile(group: Group, scheme: Scheme) -> bool:
    anchor, products = anchor_of(group), _products(group, scheme)
    depth = reduction_length(anchor)
    if depth % scheme.depth or shape_of(anchor).columns % scheme.columns:
        return False
    large = min(products.channels, products.filters) >= _FEWEST
    return large and depth // scheme.depth >= _FEWEST_CHANNELS and products.tiles >= _FEWEST_ROWS


def _promising(group: Group, machine: Machine) -> list[str]:
    """The schemes that are thought nearly as good as the best, the best one first."""
    cycles = {blocks: _cycles(group, SCHEMES[blocks], machine) for blocks in _schemes(group)}
    most = _PROMISING * min(cycles.values())
    return sorted((blocks for blocks in cycles if cycles[blocks] <= most), key=cycles.__getitem__)


def _cycles(group: Group, scheme: Scheme, machine: Machine) -> float:
    """Cycles of multiplications and sums, while the weights come from memory."""
    products, lanes = _products(group, scheme), machine.target.lanes(32)
    rows, channels, filters = products.tiles, products.channels, products.filters
    multiplied = rows * channels * filters / lanes
    summed = _CYCLES_PER_SUM * rows * (channels + filters) / lanes
    computed = products.elements * (multiplied + summed)
    streamed = products.weight_bytes / _MEMORY_BYTES_PER_CYCLE
    return max(computed, streamed) + _NOT_HIDDEN * min(computed, streamed)


def _products(group: Group, scheme: Scheme) -> Products:
    output = anchor_of(group).node.output.type
    shape = shape_of(anchor_of(group))
    rows = output.elements // shape.columns
    return Products(
        scheme.products,
        -(-rows // scheme.rows),
        shape.depth // scheme.depth,
        shape.columns // scheme.columns,
        output.dtype.bits,
    )


def _knobs(group: Group, blocks: str, machine: Machine) -> Knobs:
    products = _products(group, SCHEMES[blocks])
    chunks = even_chunks(products, machine)
    # Weights that do not stay in the cache go by once.
    chunk = chunks[0 if products.weight_bytes <= machine.target.l2_bytes // 2 else -1]
    return {"blocks": blocks, **knobs_of(products, chunk, machine)}
