"""Puts the nodes of a branch where the `If` stood.

Holds after: every name that the branch gives is new in the model, but for the outputs of the `If`,
which the nodes write; what the branch captures keeps its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx

from mlc.errors import ModelError
from mlc.importers.onnx.conversion import Initializer, initializers
from mlc.importers.onnx.node import node_loc
from mlc.importers.onnx.ordering import sorted_nodes
from mlc.staged.region import Pending


def spliced(
    item: Pending, branch: onnx.GraphProto, fresh: Callable[[str], str]
) -> tuple[list[Pending], dict[str, Initializer]]:
    """The nodes of `branch` in order, and its initializers; `fresh` gives names nobody has."""
    if branch.input:
        raise ModelError("If: a branch has inputs")
    if len(branch.output) < len(item.node.output):
        raise ModelError(
            f"If: a branch gives {len(branch.output)} outputs, expected {len(item.node.output)}"
        )
    own = {
        name: found
        for name, found in initializers(branch, {}).items()
        if isinstance(found, Initializer)
    }
    written = [name for node in branch.node for name in node.output if name]
    stem = f"{item.writes[0]}/{branch.name or 'branch'}" if item.writes else branch.name
    wanted = dict(zip(written, [""] * len(written), strict=True))
    copies: list[tuple[str, str]] = []
    for info, target in zip(branch.output, item.node.output, strict=False):
        if not target:
            continue
        if wanted.get(info.name) == "":
            wanted[info.name] = target
        else:
            copies.append((info.name, target))
    names = {name: target or fresh(f"{stem}/{name}") for name, target in wanted.items()}
    names.update((name, fresh(f"{stem}/{name}")) for name in own)
    known = {read for node in branch.node for read in Pending(node, item.origin).reads}
    nodes = [_renamed(node, names) for node in sorted_nodes(branch, known - set(written))]
    nodes += [
        onnx.NodeProto(
            name=node_loc(item.node), op_type="Identity",
            input=[names.get(source, source)], output=[target],
        )
        for source, target in copies
    ]  # fmt: skip
    return (
        [Pending(node, item.origin) for node in nodes],
        {names[name]: tensor for name, tensor in own.items()},
    )


def _renamed(node: onnx.NodeProto, names: Mapping[str, str]) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = node_loc(node)
    copy.input[:] = [names.get(name, name) for name in node.input]
    copy.output[:] = [names.get(name, name) for name in node.output]
    for attribute in copy.attribute:
        if attribute.HasField("g"):
            _rename_captured(attribute.g, names)
        for graph in attribute.graphs:
            _rename_captured(graph, names)
    return copy


def _rename_captured(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename what a subgraph reads from outside; its own names stay."""
    own = {named.name for named in (*graph.input, *graph.initializer)}
    own.update(name for node in graph.node for name in node.output)
    outer = {name: target for name, target in names.items() if name not in own}
    for node in graph.node:
        node.CopyFrom(_renamed_inputs(node, outer))
    for info in graph.output:
        info.name = outer.get(info.name, info.name)


def _renamed_inputs(node: onnx.NodeProto, names: Mapping[str, str]) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = [names.get(name, name) for name in node.input]
    for attribute in copy.attribute:
        if attribute.HasField("g"):
            _rename_captured(attribute.g, names)
        for graph in attribute.graphs:
            _rename_captured(graph, names)
    return copy
