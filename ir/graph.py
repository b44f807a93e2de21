"""The graph IR: an immutable, topologically ordered list of nodes over SSA values.

Values, nodes and graphs are compared by identity. Each value is written once, by a node, or is an
input or a constant. `loc` names the nodes of the user's model that a thing came from, and survives
every pass: fusion concatenates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

import numpy as np

from mlc.ir.dtype import DType
from mlc.ir.types import TensorType

Loc = tuple[str, ...]

Attr = Union[
    int, float, bool, str, DType, tuple[int, ...], tuple[float, ...], tuple[str, ...], "Graph"
]
"""What an attribute of a node may be; a fused node carries its body as a `Graph`."""


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor in the graph; `name` is unique in its graph."""

    name: str
    type: TensorType
    loc: Loc = ()


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """An application of the operator `op` of `mlc.ir.operator`."""

    op: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    loc: Loc = ()

    @property
    def output(self) -> Value:
        """The output of a node that has one."""
        (value,) = self.outputs
        return value


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A model or the body of a fused node."""

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[Value, np.ndarray] = field(default_factory=dict)

    def producers(self) -> dict[Value, Node]:
        """The node that writes each value; inputs and constants are absent."""
        return {value: node for node in self.nodes for value in node.outputs}

    def users(self) -> dict[Value, list[Node]]:
        """The nodes that read each value, in order, each node once."""
        table: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                table.setdefault(value, []).append(node)
        return table
