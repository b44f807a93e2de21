"""One stage that can be run: compiled code, what the host does after it, and what remains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import onnx

from mlc.errors import MlcError
from mlc.importers.onnx.expansion import Origin
from mlc.importers.onnx.node import NodeView
from mlc.ir.graph import Graph
from mlc.runtime.module import Module
from mlc.staged.held import Array, Held, is_tensor
from mlc.staged.importing import HostCut, StageImport
from mlc.staged.region import Environment, Region, body_region
from mlc.staged.step import HostStep

CompileGraph = Callable[[Graph], Module]


@dataclass(frozen=True)
class HostCall:
    """A node that the host computes: the node by attributes, its step, and where it stands.

    `bodies` keeps the regions of its subgraphs.
    """

    view: NodeView
    step: HostStep
    origin: Origin
    environment: Environment
    bodies: dict[str, Region] = field(default_factory=dict)

    def body(self, graph: onnx.GraphProto) -> Region:
        """The region of a subgraph of the node."""
        attribute = next(
            (name for name, entry in self.view.attributes.items() if entry.g is graph), ""
        )
        key = f"{next(filter(None, self.view.proto.output), '')}/{attribute or graph.name}"
        if key not in self.bodies:
            self.bodies[key] = body_region(graph, self.environment, self.origin, key)
        return self.bodies[key]


@dataclass(frozen=True)
class Stage:
    """A stage of a model for one signature of the live values.

    It holds for the elements that those in `demands` had when it was made, and for no others.
    """

    module: Module | None
    inputs: tuple[str, ...]
    results: tuple[str, ...]
    cuts: tuple[HostCut, ...]
    fixed: Mapping[str, Array]
    aliases: Mapping[str, str]
    hosts: tuple[HostCall, ...]
    rest: Region | None
    demands: tuple[str, ...] = ()

    def compute(self, live: dict[str, Held]) -> None:
        """Run the compiled code; puts what it gives among the live values."""
        live.update(self.fixed)
        live.update((name, live[source]) for name, source in self.aliases.items())
        if self.module is None:
            return
        given = self.module(*(live[name] for name in self.inputs))
        arrays = given if isinstance(given, tuple) else (given,)
        live.update(zip(self.results, arrays, strict=True))
        for cut in self.cuts:
            live[cut.name] = _cut(live[cut.name], cut.axis, live[cut.count])
        for cut in self.cuts:
            live.pop(cut.count, None)


def _cut(value: Held, axis: int, count: Held) -> Array:
    """The first elements along an axis, in memory of their own: the rest can go."""
    if not is_tensor(value) or not is_tensor(count):
        raise MlcError("a stage gave no tensor")
    size = int(count.item())
    if size == value.shape[axis]:
        return value
    kept: Array = value[(slice(None),) * axis + (slice(size),)].copy()
    return kept


def made_stage(
    found: StageImport,
    compile_graph: CompileGraph,
    hosts: tuple[HostCall, ...],
    demands: tuple[str, ...],
) -> Stage:
    """Compile what was imported."""
    fixed = {name: array.view() for name, array in found.fixed.items()}
    for array in fixed.values():
        array.flags.writeable = False
    return Stage(
        None if found.graph is None else compile_graph(found.graph),
        found.inputs,
        found.results,
        found.cuts,
        fixed,
        found.aliases,
        hosts,
        found.rest,
        demands,
    )
