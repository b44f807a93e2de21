"""Matrices: MatMul, Gemm and Det."""

from __future__ import annotations

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.graph import Value


def matmul(
    builder: Builder, a: Value, b: Value, *, transpose_a: bool = False, transpose_b: bool = False
) -> Value:
    """The product of two tensors as NumPy's `matmul`, vectors included."""
    left = builder.reshape(a, (1, *a.type.shape)) if a.type.rank == 1 else a
    right = builder.reshape(b, (*b.type.shape, 1)) if b.type.rank == 1 else b
    result = builder.emit("matmul", left, right, transpose_a=transpose_a, transpose_b=transpose_b)
    shape = list(result.type.shape)
    if b.type.rank == 1:
        del shape[-1]
    if a.type.rank == 1:
        del shape[-1 if b.type.rank == 1 else -2]
    return builder.reshape(result, shape)


def _matmul(builder: Builder, node: NodeView) -> list[Value]:
    return [matmul(builder, node.input(0), node.input(1))]


def gemm(builder: Builder, node: NodeView) -> list[Value]:
    """Alpha * A @ B + beta * C."""
    a, b, c = node.input(0), node.input(1), node.optional(2)
    if a.type.rank != 2 or b.type.rank != 2:
        raise ModelError(f"Gemm: inputs {a.type} and {b.type} must be matrices")
    result = matmul(builder, a, b, transpose_a=node.flag("transA"), transpose_b=node.flag("transB"))
    result = builder.scaled(result, node.number("alpha", 1.0))
    if c is None:
        return [result]
    return [builder.emit("add", result, builder.scaled(c, node.number("beta", 1.0)))]


def _det(builder: Builder, node: NodeView) -> list[Value]:
    return [builder.emit("det", node.input(0))]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Det": _det,
    "Gemm": gemm,
    "MatMul": _matmul,
}
