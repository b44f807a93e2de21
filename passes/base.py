"""What a graph pass is: options as fields of a frozen data class, a kebab-case name, and `run`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from mlc.ir.graph import Graph
from mlc.ir.text import parse_graph, print_graph
from mlc.passes.context import Context


@dataclass(frozen=True)
class Pass(ABC):
    """A rewriting of graphs that keeps what they compute.

    `run` returns a new graph, or the very same object when it changed nothing. It never depends on
    anything but the graph, its own fields and the context.
    """

    name: ClassVar[str]

    @abstractmethod
    def run(self, graph: Graph, context: Context) -> Graph:
        """The rewritten graph."""


def rewrite_text(graph_pass: Pass, text: str) -> str:
    """What a pass makes of the text of a graph: for documentation, and to try things out."""
    return print_graph(graph_pass.run(parse_graph(text), Context()))
