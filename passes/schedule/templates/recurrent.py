"""recurrent: layers that go step by step, as register tiles over packed recurrent weights.

    for directions (parallel)
      for steps
        previous = state
        for tiles of units (parallel where it is one direction), tiles of sequences
          acc[rows, gates, units] = projection of the input      in registers
          for k in units
            acc += previous[row, k] (broadcast) * packed[tile, k, gate, units]
          state, output = functions of all gates                 of vectors of units

All gates of a tile of units are computed together, so that states and output follow in registers,
and the weights of a step are read once, in the order in which they lie in memory. Where a gate
needs the state that another gate has changed, there are two such nests, and each gate is packed
alone. Weights that the second-level cache cannot keep are read backwards in every second step, so
that a part of them is still there.

Knobs: `rows`, sequences at once; `vectors` of units at once; `unroll`, steps of the products at
once; `backwards`, whether weights are read so in every second step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlc.ir.rewrite import walk
from mlc.ir.stmt import Alloc
from mlc.passes.lower.group import Group
from mlc.passes.schedule.dependence import read_buffers, written_buffers
from mlc.passes.schedule.location import flatten
from mlc.passes.schedule.primitives import (
    alternate,
    compute_at,
    pack,
    parallel,
    reorder,
    set_scope,
    split,
    split_dim,
    unroll,
    vectorize,
)
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import (
    Knobs,
    Machine,
    Space,
    attempt,
    chain,
    inner_loops,
)
from mlc.passes.schedule.templates.register_tile import candidate_tiles, tile_cycles

_OPERATORS = ("lstm_sequence", "gru_sequence", "rnn_sequence")
_UNROLLS = (1, 2, 4, 8)
_COPIED_AT_ONCE = 64
"""Elements of a state that one iteration of a copy moves."""
SHARED_PRODUCTS = 128 * 1024
"""Multiply-adds of a step from which on it is worth to let threads share it."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Sizes of a layer; `together` gates are computed in one nest, `prefixes` are of its loops."""

    sequences: int
    units: int
    gates: int
    together: int
    bits: int
    prefixes: tuple[str, ...]

    @staticmethod
    def of(group: Group) -> _Shape:
        stage = group.stages[0]
        _, _, sequences, units = stage.node.outputs[0].type.static_shape
        width = stage.node.inputs[0].type.static_shape[3]
        schedule = Schedule(group.func)
        prefixes = [name[:-1] for name in schedule.loops() if name.endswith("_t")]
        products = [name for part in _consumers(schedule, prefixes[0]) for name in part.products]
        together = schedule.buffer(products[0]).shape[1]
        bits = stage.node.outputs[0].type.dtype.bits
        return _Shape(sequences, units, width // units, together, bits, tuple(prefixes))

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights that a step reads."""
        return self.gates * self.units**2 * self.bits // 8

    def lanes(self, machine: Machine) -> int:
        """Elements of a vector."""
        return machine.target.lanes(self.bits)


@dataclass(frozen=True, slots=True)
class _Consumer:
    """A nest over sequences and units, and the temporaries of products that it reads."""

    sequences: str
    units: str
    products: tuple[str, ...]


class Recurrent:
    """Schedules a recurrent layer."""

    name = "recurrent"

    def matches(self, group: Group) -> bool:
        """A recurrent layer on its own, with something to compute."""
        stage = group.stages[0]
        return (
            len(group.stages) == 1
            and stage.node.op in _OPERATORS
            and all(value.type.elements for value in stage.node.outputs)
        )

    def spaces(self, group: Group, machine: Machine) -> tuple[Space, ...]:
        """All tiles that fit the registers, and how the weights are gone through."""
        shape = _Shape.of(group)
        tiles = _tiles(shape, machine)
        box: Space = {
            "rows": tuple(sorted({rows for rows, _ in tiles})),
            "vectors": tuple(sorted({vectors for _, vectors in tiles})),
            "unroll": tuple(steps for steps in _UNROLLS if shape.units % steps == 0),
            "backwards": (False, True),
        }
        return (box,)

    def default(self, group: Group, machine: Machine) -> Knobs:
        """The tile that takes the fewest cycles for a step; among equals the larger one."""
        shape = _Shape.of(group)

        def cost(tile: tuple[int, int]) -> tuple[float, int]:
            return round(_cycles(shape, *tile, machine), 3), -tile[0] * tile[1]

        rows, vectors = min(_tiles(shape, machine), key=cost)
        backwards = shape.weight_bytes > machine.target.l2_bytes // 2
        return {"rows": rows, "vectors": vectors, "unroll": 1, "backwards": backwards}

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        """Tile every nest that reads products, and compute the products inside."""
        shape = _Shape.of(group)
        columns = int(knobs["vectors"]) * shape.lanes(machine)
        schedule = Schedule(group.func)
        consumers = {prefix: _consumers(schedule, prefix) for prefix in shape.prefixes}
        for prefix, nests in consumers.items():
            for nest in nests:
                schedule = _tile(schedule, nest, int(knobs["rows"]), columns)
                for name in nest.products:
                    schedule = _unroll(schedule, f"{name}_r0", int(knobs.get("unroll", 1)))
            schedule = _vectorize_copies(schedule, prefix)
        schedule = _pack(schedule, group, shape, columns)
        for prefix, nests in consumers.items():
            if machine.threads > 1:
                schedule = _share(schedule, prefix, nests, shape)
            if knobs.get("backwards") and len(nests) == 1:
                schedule = attempt(alternate, schedule, f"{nests[0].units}_o", f"{prefix}t")
        return schedule


def _tiles(shape: _Shape, machine: Machine) -> list[tuple[int, int]]:
    """Sequences and vectors of units whose gates fit the registers together."""
    columns = shape.together * shape.units
    lanes = shape.lanes(machine)
    found = []
    for tile in candidate_tiles(shape.sequences, columns, machine.target, shape.bits):
        vectors, rest = divmod(tile.columns // lanes, shape.together)
        if not rest:
            found.append((tile.rows, vectors))
    return found or [(1, 1)]


def _cycles(shape: _Shape, rows: int, vectors: int, machine: Machine) -> float:
    """Cycles for all units and sequences of one element of the state."""
    total = 0.0
    all_vectors = -(-shape.units // shape.lanes(machine))
    for row_count, some in _pieces(shape.sequences, rows):
        for count, part in _pieces(all_vectors, vectors):
            cycles = tile_cycles(some, part * shape.together, machine.target)
            total += row_count * count * cycles
    return total


def _pieces(extent: int, size: int) -> list[tuple[int, int]]:
    """How many tiles of which extent: whole ones, then the smaller one at the end."""
    return [part for part in ((extent // size, size), (1, extent % size)) if all(part)]


def _consumers(schedule: Schedule, prefix: str) -> list[_Consumer]:
    """The nests of a step that read products."""
    buffers, statements = flatten(schedule.loop(f"{prefix}t").body)
    loops = schedule.loops()
    products = [buffer.name for buffer in buffers if f"{buffer.name}_r0" in loops]
    found = []
    for nest in statements:
        used = [name for name in products if name in read_buffers(nest) - written_buffers(nest)]
        if used:
            sequences, units = (loop.var for loop in chain(nest))
            found.append(_Consumer(sequences, units, tuple(used)))
    return found


def _tile(schedule: Schedule, consumer: _Consumer, rows: int, columns: int) -> Schedule:
    """Tile a nest, and compute what it reads in registers."""
    row, column = consumer.sequences, consumer.units
    schedule = split(schedule, row, rows, names=(f"{row}_o", f"{row}_i"))
    schedule = split(schedule, column, columns, names=(f"{column}_o", f"{column}_i"))
    tile = f"{row}_o"
    schedule = reorder(schedule, f"{column}_o", tile, f"{row}_i", f"{column}_i")
    for name in consumer.products:
        schedule = compute_at(schedule, name, tile)
        schedule = set_scope(schedule, name, "register")
    for path in dict.fromkeys(map(tuple, inner_loops(schedule.func.body, tile))):
        schedule = _shape_nest(schedule, path)
    return schedule


def _shape_nest(schedule: Schedule, path: Sequence[str]) -> Schedule:
    """The reduction outside, rows and gates unrolled, units as vectors."""
    *outside, column = sorted(path, key=lambda name: not name.endswith("_r0"))
    if list(path) != [*outside, column]:
        schedule = reorder(schedule, *outside, column)
    for name in outside:
        if not name.endswith("_r0"):
            schedule = unroll(schedule, name)
    return vectorize(schedule, column)


def _unroll(schedule: Schedule, loop: str, steps: int) -> Schedule:
    """So many iterations of a loop at once."""
    if steps == 1:
        return schedule
    names = (f"{loop}_o", f"{loop}_u")
    return unroll(split(schedule, loop, steps, names=names), names[1])


def _vectorize_copies(schedule: Schedule, prefix: str) -> Schedule:
    """Vectors in the nests that set the states and copy them."""
    for name in (f"{prefix}z1", f"{prefix}previous_i1"):
        schedule = split(schedule, name, _COPIED_AT_ONCE, names=(f"{name}_o", f"{name}_v"))
        schedule = vectorize(schedule, f"{name}_v")
    return schedule


def _pack(schedule: Schedule, group: Group, shape: _Shape, columns: int) -> Schedule:
    """Lay the recurrent weights out as the nests read them: a tile of units after the other."""
    name = group.stages[0].inputs[1]
    schedule = split_dim(schedule, name, 1, shape.units)
    panel: tuple[int | tuple[int, str], ...] = (1, (2, "outer"), 3)
    if shape.together == shape.gates:
        panel = ((2, "outer"), 3, 1)
    return pack(schedule, name, {2: columns}, (0, *panel, (2, "inner")))


def _share(schedule: Schedule, prefix: str, nests: Sequence[_Consumer], shape: _Shape) -> Schedule:
    """Give each direction to a thread, or the tiles of a step that takes long enough."""
    name = f"{prefix}d"
    if name in schedule.loops():
        for part in walk(schedule.loop(name)):
            if isinstance(part, Alloc) and part.buffer.scope == "arena":
                schedule = set_scope(schedule, part.buffer.name, "stack")
        return parallel(schedule, name)
    if shape.sequences * shape.gates * shape.units**2 < SHARED_PRODUCTS:
        return schedule
    for nest in nests:
        schedule = parallel(schedule, f"{nest.units}_o")
    return schedule
