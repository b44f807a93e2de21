"""strassen: matrix products and convolutions with fewer multiplications.

Never a default: it rounds otherwise than plain sums, and holds 7/4 or 49/16 of the weights. Where
it is faster a tuner finds out.

Knobs: `levels`, how often the sides are halved, and those of `bilinear`.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlc.errors import ScheduleError
from mlc.ir.operator import Kind
from mlc.ir.rewrite import buffers_of
from mlc.passes.lower.group import Group
from mlc.passes.schedule.bilinear.strassen import STRASSEN
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

_FEWEST: Mapping[int, int] = {1: 48, 2: 32}
"""By levels: terms and columns of a block. Fewer do not make up for the sums of blocks."""
_FEWEST_CHANNELS = 16
"""Of a block, at each position of a kernel: vectors of fewer go on at the next position."""
_FEWEST_ROWS = 8
"""Of a block: the register tile is less full with fewer."""


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
        return constant and _is_matrix(group) and bool(_levels(group))

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """One for each number of levels and of columns of a tile; none where it does not apply."""
        if machine.exact or not self._applies(group, machine):
            return ()
        return tuple(
            {"levels": (levels,), **space}
            for levels in _levels(group)
            for space in spaces_around(
                _products(group, levels), _knobs(group, levels, machine), machine
            )
        )

    def default(self, group: Group, machine: Machine) -> Knobs:
        """The fewest levels; the tiles or the weights stay in cache."""
        return _knobs(group, _levels(group)[0], machine)

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
            int(knobs["levels"]),
            **tiling_of(knobs, machine, bits),
        )
        return arrange(schedule, self.name, anchor.inputs[1], knobs, machine)


def _is_matrix(group: Group) -> bool:
    """Whether all rows are multiplied by the same matrix."""
    node = anchor_of(group).node
    if node.op == "matmul":
        return node.inputs[1].type.rank == 2
    return node.attrs["groups"] == 1


def _levels(group: Group) -> list[int]:
    return [levels for levels in _FEWEST if _is_worthwhile(_products(group, levels), group, levels)]


def _is_worthwhile(products: Products, group: Group, levels: int) -> bool:
    anchor = anchor_of(group)
    halved = [shape_of(anchor).columns, reduction_length(anchor)]
    if any(size % (1 << levels) for size in halved):
        return False
    large = min(products.channels, products.filters) >= _FEWEST[levels]
    channels = reduction_length(anchor) >> levels
    return large and channels >= _FEWEST_CHANNELS and products.tiles >= _FEWEST_ROWS


def _products(group: Group, levels: int) -> Products:
    output = anchor_of(group).node.output.type
    shape = shape_of(anchor_of(group))
    rows = output.elements // shape.columns
    elements = STRASSEN.products**levels
    return Products(
        elements,
        -(-rows // (1 << levels)),
        shape.depth >> levels,
        shape.columns >> levels,
        output.dtype.bits,
    )


def _knobs(group: Group, levels: int, machine: Machine) -> Knobs:
    products = _products(group, levels)
    chunks = even_chunks(products, machine)
    # Weights that do not stay in the cache go by once.
    chunk = chunks[0 if products.weight_bytes <= machine.target.l2_bytes // 2 else -1]
    return {"levels": levels, **knobs_of(products, chunk, machine)}
