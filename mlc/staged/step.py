"""Steps that the host takes between stages, for operators that no compiled code computes.

A step is a function `(node, inputs, bodies) -> outputs`. `node` has the attributes by type (its own
`inputs` are empty), `inputs` are the held values in the order of the node, `None` for one left out,
and `bodies` gives the node's subgraphs as functions. It gives as many outputs as the node names, or
more; and raises `MlcError` for what does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import onnx

from mlc.importers.onnx.node import NodeView
from mlc.importers.onnx.registry import find_converter
from mlc.runtime.module import Module
from mlc.staged.held import Array, Held


@dataclass(frozen=True)
class SingleStage:
    """A subgraph that one piece of compiled code computes, for all elements of its inputs.

    `inputs` are the names of what the module takes, in its order; `live` has all values by name, of
    the subgraph's inputs and captured ones. An output is one of the module's `results`, which are
    in its order, a `fixed` array, or the value that `aliases` names.
    """

    module: Module | None
    inputs: tuple[str, ...]
    live: Mapping[str, Held]
    results: tuple[str, ...]
    fixed: Mapping[str, Array]
    aliases: Mapping[str, str]


class Body(Protocol):
    """A subgraph as a function: values of its inputs in order → values of its outputs in order."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the subgraph's inputs."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the subgraph's outputs."""

    def __call__(self, inputs: Sequence[Held]) -> list[Held]:
        """Run the subgraph."""

    def single_stage(self, inputs: Sequence[Held]) -> SingleStage | None:
        """The code for inputs of these types, where it takes no more than one piece."""


Bodies = Callable[[onnx.GraphProto], Body]
"""The body of a subgraph of the node. It is compiled in stages of its own, which are kept from one
call to the next, and reads what it captures from where the node stands."""

Run = Callable[[NodeView, Sequence[Held], Bodies], Sequence[Held]]


def always(node: onnx.NodeProto) -> bool:
    """Every node takes the host's step."""
    return True


def never(node: onnx.NodeProto) -> bool:
    """Nodes take the step only where they must."""
    return False


@dataclass(frozen=True)
class HostStep:
    """How the host computes an operator, and for which nodes.

    Where the operator has a converter too, nodes that read a value that is no plain tensor (a
    sequence, strings, nothing) take the step, and so do nodes that `wants` says yes to.
    Nodes of an operator without converter always take the step.
    """

    run: Run
    wants: Callable[[onnx.NodeProto], bool] = always


Steps = Mapping[tuple[str, str], HostStep]
"""Domain ("" is ONNX's own) and name of the operator → its step."""


def takes_step(
    steps: Steps, node: onnx.NodeProto, domain: str, opset: int, foreign: bool = False
) -> bool:
    """Whether the host computes a node; `foreign`: it reads what is no plain tensor."""
    step = steps.get((domain, node.op_type))
    if step is None:
        return False
    converted = find_converter(domain, node.op_type, opset) is not None
    return not converted or foreign or step.wants(node)
