"""What the graph passes leave open: choices for one model, found by measuring.

A `Variant` is plain data. It holds for graphs of one `model_key`: names of values mean something in
one model only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from mlc.ir.graph import Graph
from mlc.passes.base import Pass
from mlc.passes.pipeline import graph_passes
from mlc.target import Target

OPTIONAL = ("fuse-horizontal",)
"""Passes that a variant may leave out."""


@dataclass(frozen=True, slots=True)
class Variant:
    """`row_major`: values that do not become channels-last; `without`: passes left out."""

    row_major: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def passes(self, target: Target) -> tuple[Pass, ...]:
        """The graph passes of this variant."""
        return graph_passes(target, without=self.without, row_major=self.row_major)

    def to_json(self) -> dict[str, Any]:
        """A value that `json.dumps` takes."""
        return {"row_major": list(self.row_major), "without": list(self.without)}

    @staticmethod
    def from_json(value: object) -> Variant:
        """Read what `to_json` gave; what is something else is the variant without choices.

        >>> Variant.from_json({"row_major": ["y"], "without": []})
        Variant(row_major=('y',), without=())
        >>> Variant.from_json(["y"])
        Variant(row_major=(), without=())
        """
        if not isinstance(value, dict):
            return Variant()
        row_major, without = value.get("row_major", []), value.get("without", [])
        names = isinstance(row_major, list) and all(isinstance(name, str) for name in row_major)
        if not names or not isinstance(without, list) or set(without) - set(OPTIONAL):
            return Variant()
        return Variant(tuple(row_major), tuple(without))


def model_key(graph: Graph) -> str:
    """SHA-256 of the operators, names and types of an imported graph, its weights left out."""
    digest = hashlib.sha256()
    for node in graph.nodes:
        inputs = ",".join(value.name for value in node.inputs)
        outputs = ",".join(f"{value.name}:{value.type}" for value in node.outputs)
        digest.update(f"{outputs} = {node.op}({inputs})\n".encode())
    return digest.hexdigest()
