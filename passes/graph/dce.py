"""dce: nodes and constants that no output needs are dropped.

>>> from mlc.passes.base import rewrite_text
>>> print(rewrite_text(Dce(), '''
... graph g(%x: f32[2]) -> (%y) {
...   %a: f32[2] = exp(%x)
...   %y: f32[2] = abs(%x)
... }'''))
graph g(%x: f32[2]) -> (%y) {
  %y: f32[2] = abs(%x)
}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mlc.ir.graph import Graph
from mlc.ir.graph_edit import remove_dead_code
from mlc.passes.base import Pass
from mlc.passes.context import Context


@dataclass(frozen=True)
class Dce(Pass):
    """Dead code elimination, see the top of this file."""

    name: ClassVar[str] = "dce"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph."""
        return remove_dead_code(graph)
