"""Support vector regression of ai.onnx.ml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.features import floats
from mlc.importers.onnx.converters.scores import transformed
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import F32
from mlc.ir.graph import Value


@dataclass(frozen=True)
class _Parameters:
    """What kernels depend on; rbf on `gamma` alone, linear on nothing."""

    gamma: float
    offset: float
    degree: float


def _products(builder: Builder, x: Value, vectors: np.ndarray) -> Value:
    """Of each row `[N, F]` with each vector: `[N, vectors]`."""
    weights = builder.constant(vectors.astype(x.type.dtype.numpy))
    return builder.emit("matmul", x, weights, transpose_a=False, transpose_b=True)


def _affine(builder: Builder, x: Value, vectors: np.ndarray, p: _Parameters) -> Value:
    return builder.shifted(builder.scaled(_products(builder, x, vectors), p.gamma), p.offset)


def _linear(builder: Builder, x: Value, vectors: np.ndarray, p: _Parameters) -> Value:
    return _products(builder, x, vectors)


def _polynomial(builder: Builder, x: Value, vectors: np.ndarray, p: _Parameters) -> Value:
    base = _affine(builder, x, vectors, p)
    return builder.emit("pow", base, builder.scalar(p.degree, base.type.dtype))


def _radial(builder: Builder, x: Value, vectors: np.ndarray, p: _Parameters) -> Value:
    """exp(-gamma * |x - v|²)."""
    rows = builder.reshape(x, (x.type.shape[0], 1, x.type.shape[1]))
    apart = builder.emit("sub", rows, builder.constant(vectors.astype(x.type.dtype.numpy)))
    squares = builder.emit("mul", apart, apart)
    distance = builder.emit("reduce_sum", squares, axes=(2,), keepdims=False)
    return builder.emit("exp", builder.scaled(distance, -p.gamma))


def _sigmoid(builder: Builder, x: Value, vectors: np.ndarray, p: _Parameters) -> Value:
    return builder.emit("tanh", _affine(builder, x, vectors, p))


_KERNELS: Mapping[str, Callable[[Builder, Value, np.ndarray, _Parameters], Value]] = {
    "LINEAR": _linear,
    "POLY": _polynomial,
    "RBF": _radial,
    "SIGMOID": _sigmoid,
}


def _regressor(builder: Builder, node: NodeView) -> list[Value]:
    """The kernels of a row with the support vectors, weighted; without any, a linear model."""
    x = floats(builder, node)
    if x.type.rank == 1:
        x = builder.reshape(x, (1, *x.type.shape))
    features = x.type.shape[-1]
    if x.type.rank != 2 or not isinstance(features, int):
        raise builder.unresolved(f"SVMRegressor: the size of {x.type}")
    coefficients, count = np.array(node.numbers("coefficients")), node.integer("n_supports", 0)
    rho = node.numbers("rho", (0.0,))[0]
    if count == 0:
        if coefficients.size != features:
            raise ModelError(f"SVMRegressor: {coefficients.size} coefficients for {x.type}")
        score = _products(builder, x, coefficients.reshape(1, features))
    else:
        score = _weighted(builder, node, x, coefficients, features)
    score = builder.shifted(score, rho)
    if node.flag("one_class"):
        one = builder.scalar(1, score.type.dtype)
        above = builder.emit("greater", score, builder.scalar(0, score.type.dtype))
        score = builder.emit("select", above, one, builder.scalar(-1, score.type.dtype))
    return [builder.cast(transformed(builder, score, node.text("post_transform", "NONE")), F32)]


def _weighted(
    builder: Builder, node: NodeView, x: Value, coefficients: np.ndarray, features: int
) -> Value:
    count, name = node.integer("n_supports"), node.text("kernel_type", "LINEAR")
    vectors = np.array(node.numbers("support_vectors"))
    if vectors.size != count * features or coefficients.size != count:
        raise ModelError(f"SVMRegressor: {vectors.size} numbers are not {count} vectors")
    if name not in _KERNELS:
        raise UnsupportedError(f"SVMRegressor: kernel_type {name} is not supported")
    parameters = _Parameters(*(*node.numbers("kernel_params", ()), 0.0, 0.0, 0.0)[:3])
    kernels = _KERNELS[name](builder, x, vectors.reshape(count, features), parameters)
    return _products(builder, kernels, coefficients.reshape(1, count))


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {"SVMRegressor": _regressor}
