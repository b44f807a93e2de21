"""Small networks with random weights: a multi-layer perceptron, an LSTM and a bidirectional GRU."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import TensorProto

from bench.zoo.builder import GraphBuilder


def mlp(batch: int) -> onnx.ModelProto:
    """784 → 512 → 256 → 10 with ReLU between."""
    net = GraphBuilder(seed=30)
    tensor = net.node("Relu", net.linear("x", 784, 512))
    tensor = net.node("Relu", net.linear(tensor, 512, 256))
    return net.model(
        "mlp",
        {"x": (TensorProto.FLOAT, (batch, 784))},
        {"logits": (net.linear(tensor, 256, 10), (batch, 10))},
    )


def tiny_mlp(batch: int) -> onnx.ModelProto:
    """16 → 16 → 4: so small that only the cost of the call is left."""
    net = GraphBuilder(seed=31)
    tensor = net.node("Relu", net.linear("x", 16, 16))
    return net.model(
        "tiny_mlp",
        {"x": (TensorProto.FLOAT, (batch, 16))},
        {"logits": (net.linear(tensor, 16, 4), (batch, 4))},
    )


def lstm(batch: int) -> onnx.ModelProto:
    """Two LSTM layers of 256 over 64 steps of 128 features, and a Gemm on the last step."""
    net = GraphBuilder(seed=32)
    tensor = _recurrent(net, "LSTM", "x", 128, 256, gates=4)
    tensor = _recurrent(net, "LSTM", tensor, 256, 256, gates=4)
    last = net.node("Gather", tensor, net.constant(-1, "int64"), axis=0)
    return net.model(
        "lstm",
        {"x": (TensorProto.FLOAT, (64, batch, 128))},
        {"y": (net.linear(last, 256, 64), (batch, 64))},
    )


def gru(batch: int) -> onnx.ModelProto:
    """A bidirectional GRU of 2 × 96 over 32 steps of 64 features; all steps are given back."""
    net = GraphBuilder(seed=33)
    tensor = _recurrent(net, "GRU", "x", 64, 96, gates=3, directions=2, linear_before_reset=1)
    return net.model(
        "gru", {"x": (TensorProto.FLOAT, (32, batch, 64))}, {"y": (tensor, (32, batch, 192))}
    )


def _recurrent(
    net: GraphBuilder,
    op: str,
    tensor: str,
    features: int,
    hidden: int,
    gates: int,
    directions: int = 1,
    **attrs: Any,
) -> str:
    """One layer, steps first; the directions end up side by side in the last dimension."""
    spread = hidden**-0.5
    weights = net.normal(directions, gates * hidden, features, spread=features**-0.5)
    recurrence = net.normal(directions, gates * hidden, hidden, spread=spread)
    bias = net.normal(directions, 2 * gates * hidden, spread=0.1)
    if directions == 2:
        attrs["direction"] = "bidirectional"
    sequence, _ = net.node(
        op, tensor, weights, recurrence, bias, outputs=2, hidden_size=hidden, **attrs
    )
    if directions == 1:
        return str(net.node("Squeeze", sequence, net.integers(1)))
    beside = net.node("Transpose", sequence, perm=[0, 2, 1, 3])
    return str(net.node("Reshape", beside, net.integers(0, 0, directions * hidden)))
