"""The operators that are measured alone: a table of ONNX models of one node each.

Shapes are those of real networks; second operands of contractions are weights, as they are there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.zoo.builder import Array, finish

_OPSET = 20

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """An operator on float32 inputs of given shapes; `weights` are the shapes of constants."""

    group: str
    name: str
    op: str
    inputs: tuple[Shape, ...]
    weights: tuple[Shape, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def model(self) -> onnx.ModelProto:
        """One node, and its seeded weights, of a size that keeps results near one."""
        random = np.random.default_rng(0)
        weights = [
            numpy_helper.from_array(_normal(random, shape) * _spread(shape), f"w{number}")
            for number, shape in enumerate(self.weights)
        ]
        names = [f"x{number}" for number in range(len(self.inputs))]
        names += [tensor.name for tensor in weights]
        inputs = [
            helper.make_tensor_value_info(f"x{number}", TensorProto.FLOAT, shape)
            for number, shape in enumerate(self.inputs)
        ]
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        node = helper.make_node(self.op, names, ["y"], name=self.op, **self.attrs)
        graph = helper.make_graph([node], self.op, inputs, [output], weights)
        return onnx.shape_inference.infer_shapes(finish(graph, _OPSET), strict_mode=True)

    def feeds(self) -> dict[str, Array]:
        """Standard normal values."""
        random = np.random.default_rng(1)
        return {f"x{number}": _normal(random, shape) for number, shape in enumerate(self.inputs)}


def _normal(random: np.random.Generator, shape: Shape) -> Array:
    return random.standard_normal(shape, np.float32)


def _spread(shape: Shape) -> Array:
    """For a convolution's weights [O,I,…] and a product's [K,N]."""
    depth = math.prod(shape[1:]) if len(shape) > 2 else shape[0]
    return np.array(depth**-0.5, np.float32)


_SQUARES = (256, 512, 1024, 2048)
_FEW_ROWS = (1, 4, 8, 16, 32)
_SKINNY = ((768, 3072), (2048, 2048))

# Input channels, output channels, size of the image, kernel, stride.
_RESNET50 = (
    (3, 64, 224, 7, 2),
    (64, 64, 56, 1, 1),
    (64, 64, 56, 3, 1),
    (64, 256, 56, 1, 1),
    (256, 64, 56, 1, 1),
    (256, 128, 56, 1, 1),
    (128, 128, 56, 3, 2),
    (256, 512, 56, 1, 2),
    (128, 512, 28, 1, 1),
    (512, 128, 28, 1, 1),
    (128, 128, 28, 3, 1),
    (512, 256, 28, 1, 1),
    (256, 256, 28, 3, 2),
    (512, 1024, 28, 1, 2),
    (256, 1024, 14, 1, 1),
    (1024, 256, 14, 1, 1),
    (256, 256, 14, 3, 1),
    (1024, 512, 14, 1, 1),
    (512, 512, 14, 3, 2),
    (1024, 2048, 14, 1, 2),
    (512, 2048, 7, 1, 1),
    (2048, 512, 7, 1, 1),
    (512, 512, 7, 3, 1),
)
# Channels, size of the image, kernel, stride.
_DEPTHWISE = (
    (32, 112, 3, 1),
    (96, 112, 3, 2),
    (144, 56, 3, 1),
    (192, 28, 3, 1),
    (384, 14, 3, 1),
    (960, 7, 3, 1),
    (240, 28, 5, 1),
)
_MANY = 1 << 20
_ELEMENTWISE = ("Relu", "Sigmoid", "Tanh", "Exp", "Erf")
_TRANSPOSES: tuple[tuple[Shape, Shape], ...] = (
    ((1024, 1024), (1, 0)),
    ((1, 128, 12, 64), (0, 2, 1, 3)),
    ((1, 12, 128, 64), (0, 1, 3, 2)),
    ((1, 64, 56, 56), (0, 2, 3, 1)),
    ((1, 56, 56, 64), (0, 3, 1, 2)),
)


def _products() -> Iterator[Case]:
    sizes = [(size, size, size) for size in _SQUARES]
    sizes += [(rows, *weights) for weights in _SKINNY for rows in _FEW_ROWS]
    for m, k, n in sizes:
        group = "matmul" if m == k == n else "skinny"
        yield Case(group, f"{m}×{k}×{n}", "MatMul", ((m, k),), ((k, n),))


def _convolution(
    group: str, channels: int, filters: int, size: int, kernel: int, stride: int
) -> Case:
    groups = channels if group == "depthwise" else 1
    attrs = {"strides": [stride] * 2, "pads": [kernel // 2] * 4, "group": groups}
    weights = (filters, channels // groups, kernel, kernel)
    name = f"{kernel}×{kernel} stride {stride} {size}×{size} {channels}→{filters}"
    return Case(group, name, "Conv", ((1, channels, size, size),), (weights,), attrs)


def _convolutions() -> Iterator[Case]:
    for channels, filters, size, kernel, stride in _RESNET50:
        yield _convolution("conv", channels, filters, size, kernel, stride)
    for channels, size, kernel, stride in _DEPTHWISE:
        yield _convolution("depthwise", channels, channels, size, kernel, stride)


def _pools() -> Iterator[Case]:
    shape = (1, 64, 112, 112)
    window = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    yield Case("pool", "maximum 3×3 stride 2 112×112 64", "MaxPool", (shape,), (), window)
    halves = {"kernel_shape": [2, 2], "strides": [2, 2]}
    yield Case("pool", "average 2×2 stride 2 112×112 64", "AveragePool", (shape,), (), halves)
    yield Case("pool", "average of all 7×7 2048", "GlobalAveragePool", ((1, 2048, 7, 7),))


def _rows() -> Iterator[Case]:
    for shape in ((1, 1000), (12 * 128, 128), (128, 30522)):
        yield Case("softmax", _shown(shape), "Softmax", (shape,), (), {"axis": -1})
    for rows, width in ((128, 768), (1024, 1024)):
        weights = ((width,), (width,))
        attrs = {"axis": -1}
        name = _shown((rows, width))
        yield Case("layernorm", name, "LayerNormalization", ((rows, width),), weights, attrs)
    for size in ((128, 3072), (1024, 1024)):
        yield Case("gelu", _shown(size), "Gelu", (size,))


def _elements() -> Iterator[Case]:
    for op in _ELEMENTWISE:
        yield Case("elementwise", f"{op} {_MANY}", op, ((_MANY,),))
    yield Case("elementwise", f"Add {_MANY}", "Add", ((_MANY,), (_MANY,)))
    yield Case("elementwise", "Add 1024×1024 + 1024", "Add", ((1024, 1024), (1024,)))
    for shape, order in _TRANSPOSES:
        name = f"{_shown(shape)} to {' '.join(map(str, order))}"
        yield Case("transpose", name, "Transpose", (shape,), (), {"perm": order})


def _shown(shape: Shape) -> str:
    return "×".join(map(str, shape))


CASES: tuple[Case, ...] = (*_products(), *_convolutions(), *_pools(), *_rows(), *_elements())

GROUPS: tuple[str, ...] = tuple(dict.fromkeys(case.group for case in CASES))
