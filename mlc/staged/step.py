"""Steps that the host takes between stages, for operators that no compiled code computes.

A step is a function `(node, inputs, bodies) -> outputs`. `node` has the attributes by type (its own
`inputs` are empty), `inputs` are the held values in the order of the node, `None` for one left out,
and `bodies` gives the node's subgraphs as functions. It gives as many outputs as the node names, or
more; and raises `MlcError` for what does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx

from mlc.importers.onnx.node import NodeView
from mlc.staged.held import Held

Body = Callable[[Sequence[Held]], list[Held]]
"""Runs a subgraph: values of its inputs in order → values of its outputs in order."""

Bodies = Callable[[onnx.GraphProto], Body]
"""The body of a subgraph of the node. It is compiled in stages of its own, which are kept from one
call to the next, and reads what it captures from where the node stands."""

Run = Callable[[NodeView, Sequence[Held], Bodies], Sequence[Held]]


def always(node: onnx.NodeProto) -> bool:
    """Every node takes the host's step."""
    return True


@dataclass(frozen=True)
class HostStep:
    """How the host computes an operator, and for which nodes.

    Where the operator has a converter too, nodes that read a value that is no plain tensor (a
    sequence, strings, nothing) take the step, and so do nodes that `wants` says yes to.
    Nodes of an operator without converter always take the step.
    """

    run: Run
    wants: Callable[[onnx.NodeProto], bool] = always
