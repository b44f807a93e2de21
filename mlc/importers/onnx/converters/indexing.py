"""Gathering and scattering by indices."""

from __future__ import annotations

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import I64
from mlc.ir.graph import Value

_REDUCTIONS = ("none", "add", "mul", "max", "min")


def _gather(builder: Builder, node: NodeView) -> list[Value]:
    data = node.input(0)
    axis = node.axis("axis", data.type.rank, 0)
    return [builder.emit("gather", data, node.input(1), axis=axis)]


def _gather_elements(builder: Builder, node: NodeView) -> list[Value]:
    data = node.input(0)
    axis = node.axis("axis", data.type.rank, 0)
    return [builder.emit("gather_elements", data, node.input(1), axis=axis)]


def _gather_nd(builder: Builder, node: NodeView) -> list[Value]:
    batch_dims = node.integer("batch_dims", 0)
    return [builder.emit("gather_nd", node.input(0), node.input(1), batch_dims=batch_dims)]


def _reduction(node: NodeView) -> str:
    reduction = node.text("reduction", "none")
    if reduction not in _REDUCTIONS:
        raise ModelError(f"{node.op_type}: reduction '{reduction}' is unknown")
    return reduction


def _scatter_elements(builder: Builder, node: NodeView) -> list[Value]:
    data = node.input(0)
    return [
        builder.emit(
            "scatter_elements",
            *node.present(),
            axis=node.axis("axis", data.type.rank, 0),
            reduction=_reduction(node),
        )
    ]


def _scatter_nd(builder: Builder, node: NodeView) -> list[Value]:
    return [builder.emit("scatter_nd", *node.present(), reduction=_reduction(node))]


def _one_hot(builder: Builder, node: NodeView) -> list[Value]:
    """Indices may count from the end; those out of range give a row of the off value."""
    indices, values = node.input(0), node.input(2)
    depth = int(builder.required(node.input(1), "OneHot: the depth").item())
    off, on = builder.required(values, "OneHot: the values").reshape(-1)
    return [
        builder.emit(
            "one_hot",
            builder.cast(indices, I64),
            depth=depth,
            axis=node.axis("axis", indices.type.rank + 1, -1),
            on_value=on.item(),
            off_value=off.item(),
            dtype=values.type.dtype,
        )
    ]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "OneHot": _one_hot,
    "Scatter": _scatter_elements,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
}
