"""Products and convolutions of com.microsoft that carry an activation or a scale."""

from __future__ import annotations

from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters import convolution, pooling
from mlc.importers.onnx.converters import matmul as products
from mlc.importers.onnx.converters.matmul import matmul
from mlc.importers.onnx.converters.microsoft.activation import activated
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.graph import Value


def _batches_first(builder: Builder, x: Value) -> Value:
    """The first axis moved in front of the last one."""
    rank = x.type.rank
    return builder.transpose(x, (*range(1, rank - 1), 0, rank - 1)) if rank > 2 else x


def _fused_matmul(builder: Builder, node: NodeView) -> list[Value]:
    a, b = node.input(0), node.input(1)
    if node.flag("transBatchA"):
        a = _batches_first(builder, a)
    if node.flag("transBatchB"):
        b = _batches_first(builder, b)
    result = matmul(
        builder,
        a,
        b,
        transpose_a=node.flag("transA") and a.type.rank > 1,
        transpose_b=node.flag("transB") and b.type.rank > 1,
    )
    return [builder.scaled(result, node.number("alpha", 1.0))]


def _fused_gemm(builder: Builder, node: NodeView) -> list[Value]:
    (result,) = products.gemm(builder, node)
    names = ("activation_alpha", "activation_beta", "activation_gamma")
    parameters = [node.number(name) for name in names if node.has(name)]
    return [activated(builder, node, result, node.text("activation", ""), parameters)]


def _fused_conv(builder: Builder, node: NodeView) -> list[Value]:
    """Conv(x, w, b) + z, then the activation."""
    (result,) = convolution.conv(builder, node)
    addend = node.optional(3)
    if addend is not None:
        result = builder.emit("add", result, addend)
    parameters = node.numbers("activation_params", ())
    return [activated(builder, node, result, node.text("activation", ""), parameters)]


def channels_first(builder: Builder, x: Value) -> Value:
    """[N, *spatial, C] as [N, C, *spatial]."""
    rank = x.type.rank
    return builder.transpose(x, (0, rank - 1, *range(1, rank - 1)))


def channels_last(builder: Builder, x: Value) -> Value:
    """[N, C, *spatial] as [N, *spatial, C]."""
    return builder.transpose(x, (0, *range(2, x.type.rank), 1))


def _nhwc_max_pool(builder: Builder, node: NodeView) -> list[Value]:
    moved = channels_first(builder, node.input(0))
    return [channels_last(builder, pooling.max_pooled(builder, node, moved))]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "FusedConv": _fused_conv,
    "FusedGemm": _fused_gemm,
    "FusedMatMul": _fused_matmul,
    "NhwcMaxPool": _nhwc_max_pool,
    "TransposeMatMul": _fused_matmul,
}
