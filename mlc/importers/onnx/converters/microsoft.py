"""Widespread operators of onnxruntime's own domain, com.microsoft."""

from __future__ import annotations

from mlc.errors import UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.matmul import matmul
from mlc.importers.onnx.converters.normalization import layer_norm, layer_normalization
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.graph import Value


def _gelu(approximate: str) -> Converter:
    """GELU of the input plus a bias where there is one."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x, bias = node.input(0), node.optional(1)
        if bias is not None:
            x = builder.emit("add", x, bias)
        return [builder.emit("gelu", x, approximate=approximate)]

    return convert


def _quick_gelu(builder: Builder, node: NodeView) -> list[Value]:
    """X * sigmoid(alpha * x)."""
    x = node.input(0)
    gate = builder.emit("sigmoid", builder.scaled(x, node.number("alpha", 1.702)))
    return [builder.emit("mul", x, gate)]


def _fused_matmul(builder: Builder, node: NodeView) -> list[Value]:
    if node.flag("transBatchA") or node.flag("transBatchB"):
        raise UnsupportedError("FusedMatMul: transposed batches are not supported")
    a, b = node.input(0), node.input(1)
    result = matmul(
        builder,
        a,
        b,
        transpose_a=node.flag("transA") and a.type.rank > 1,
        transpose_b=node.flag("transB") and b.type.rank > 1,
    )
    return [builder.scaled(result, node.number("alpha", 1.0))]


def _skip_layer_normalization(builder: Builder, node: NodeView) -> list[Value]:
    """Layer normalisation of input + skip (+ bias); the fourth output is that sum."""
    total = builder.emit("add", node.input(0), node.input(1))
    bias = node.optional(4)
    if bias is not None:
        total = builder.emit("add", total, bias)
    if node.has_output(1) or node.has_output(2):
        raise UnsupportedError("SkipLayerNormalization: mean and deviation are not supported")
    axis, epsilon = total.type.rank - 1, node.number("epsilon", 1e-12)
    result = layer_norm(builder, total, node.input(2), node.optional(3), axis, epsilon)
    return [result, result, result, total]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "BiasGelu": _gelu("none"),
    "FastGelu": _gelu("tanh"),
    "FusedMatMul": _fused_matmul,
    "Gelu": _gelu("none"),
    "LayerNormalization": layer_normalization,
    "QuickGelu": _quick_gelu,
    "SkipLayerNormalization": _skip_layer_normalization,
}
