"""simplify: canonicalize, fold-constants, cse and dead code removal, until nothing changes.

>>> from mlc.passes.base import rewrite_text
>>> print(rewrite_text(Simplify(), '''
... graph g(%x: f32[2,3]) -> (%y) {
...   const %a: f32[] = [4]
...   %b: f32[] = sqrt(%a)
...   %u: f32[2,3] = pow(%x, %b)
...   %v: f32[2,3] = mul(%x, %x)
...   %y: f32[2,3] = add(%u, %v)
... }'''))
graph g(%x: f32[2,3]) -> (%y) {
  %u: f32[2,3] = mul(%x, %x)
  %y: f32[2,3] = add(%u, %u)
}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mlc.ir.graph import Graph
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.canonicalize import Canonicalize
from mlc.passes.graph.cse import Cse
from mlc.passes.graph.dce import Dce
from mlc.passes.graph.fold_constants import FoldConstants


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
