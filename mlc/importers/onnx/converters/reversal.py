"""ReverseSequence: the first elements of each sequence in opposite order."""

from __future__ import annotations

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import I64
from mlc.ir.graph import Value


def _reverse_sequence(builder: Builder, node: NodeView) -> list[Value]:
    """Element t of a sequence of length n comes from n - 1 - t where t < n, else from t."""
    x, lengths = node.input(0), node.input(1)
    time, batch = node.integer("time_axis", 0), node.integer("batch_axis", 1)
    if {time, batch} != {0, 1} or x.type.rank < 2:
        raise ModelError(f"ReverseSequence: axes {time} and {batch} of {x.type} are not 0 and 1")
    perm = (batch, time, *range(2, x.type.rank))
    rows = builder.transpose(x, perm)
    shape = rows.type.shape[:2]
    step = builder.iota(shape, 1, I64)
    length = builder.reshape(builder.cast(lengths, I64), (shape[0], 1))
    mirrored = builder.emit("sub", builder.shifted(length, -1), step)
    place = builder.emit("select", builder.emit("less", step, length), mirrored, step)
    indices = builder.reshape(place, (*shape, 1))
    return [builder.transpose(builder.emit("gather_nd", rows, indices, batch_dims=1), perm)]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {"ReverseSequence": _reverse_sequence}
