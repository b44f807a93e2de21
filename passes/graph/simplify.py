"""simplify: canonicalize, fold-constants, cse and dead code removal, until nothing changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mlc.ir.graph import Graph
from mlc.ir.graph_edit import remove_dead_code
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.canonicalize import Canonicalize
from mlc.passes.graph.cse import Cse
from mlc.passes.graph.fold_constants import FoldConstants


@dataclass(frozen=True)
class Dce(Pass):
    """Remove the nodes and constants that no output needs."""

    name: ClassVar[str] = "dce"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph."""
        return remove_dead_code(graph)


@dataclass(frozen=True)
class Simplify(Pass):
    """Run `steps` over and over, at most `max_rounds` times."""

    name: ClassVar[str] = "simplify"
    steps: tuple[Pass, ...] = (Dce(), FoldConstants(), Canonicalize(), Cse())
    max_rounds: int = 10

    def run(self, graph: Graph, context: Context) -> Graph:
        """Stops at the first round that changes nothing."""
        for _ in range(self.max_rounds):
            before = graph
            for step in self.steps:
                graph = step.run(graph, context)
            if graph is before:
                break
        return graph
