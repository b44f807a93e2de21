"""The nine "light" models of the `onnx` wheel's backend tests, with weights filled in.

Their files hold the real architectures, but each weight is one repeated number. Here every weight
becomes an initialiser: He-normal for convolutions and Gemm, plausible statistics for BatchNorm, and
the last layer is scaled so that its outputs spread by 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, version_converter

from bench.zoo.builder import OPSET, Array, finish

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)
LOGIT_SPREAD = 2.0


def light(name: str, batch: int) -> onnx.ModelProto:
    """The light model `name` of the onnx wheel for `batch` images, with seeded weights."""
    published = onnx.load(FOLDER / f"light_{name}.onnx")
    graph = version_converter.convert_version(published, OPSET).graph
    nodes, placeholders = _without_placeholders(graph)
    roles = _roles(nodes)
    random = np.random.default_rng(NAMES.index(name))
    weights = [
        _filled(tensor, value, roles[tensor], random, batch)
        for tensor, value in placeholders.items()
        if tensor in roles
    ]
    inputs = [value for value in graph.input if value.name not in placeholders]
    for value in (*inputs, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    model = finish(helper.make_graph(nodes, name, inputs, graph.output, weights))
    _spread_logits(model)
    return model


def _without_placeholders(
    graph: onnx.GraphProto,
) -> tuple[list[onnx.NodeProto], dict[str, Array]]:
    """Nodes and weights, without Dropout (nothing in inference) and nodes that only make weights.

    The weights are views of single numbers, so they cost no memory yet.
    """
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    renamed: dict[str, str] = {}
    nodes = []
    for node in graph.node:
        node.input[:] = [renamed.get(tensor, tensor) for tensor in node.input]
        first = node.input[0] if node.input else ""
        if node.op_type == "Dropout":
            renamed[node.output[0]] = first
        elif node.op_type == "Constant":
            weights[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "ConstantOfShape" and first in weights:
            weights[node.output[0]] = np.broadcast_to(np.float32(0), weights[first].tolist())
        elif node.op_type == "Unsqueeze" and first in weights:
            axes = tuple(weights[node.input[1]].tolist())
            weights[node.output[0]] = np.expand_dims(weights[first], axes)
        else:
            nodes.append(node)
    return nodes, weights


def _roles(nodes: list[onnx.NodeProto]) -> dict[str, tuple[str, int, bool]]:
    """For each tensor that a node reads first: operator, position, and whether Gemm transposes."""
    roles: dict[str, tuple[str, int, bool]] = {}
    for node in nodes:
        transposed = any(attr.name == "transB" and attr.i for attr in node.attribute)
        for position, tensor in enumerate(node.input):
            roles.setdefault(tensor, (node.op_type, position, transposed))
    return roles


def _filled(
    name: str,
    value: Array,
    role: tuple[str, int, bool],
    random: np.random.Generator,
    batch: int,
) -> onnx.TensorProto:
    """The weight `name` with seeded values; the target of a Reshape gets its batch instead."""
    if role[0] == "Reshape" and value.dtype == np.int64 and value[0] == 1:
        value = np.concatenate([[batch], value[1:]])
    elif value.dtype == np.float32 and value.size > 1:
        value = _values(value.shape, role, random)
    return numpy_helper.from_array(value, name)


def _values(
    shape: tuple[int, ...], role: tuple[str, int, bool], random: np.random.Generator
) -> Array:
    """Random values that suit a weight's role: (operator, position, whether Gemm transposes)."""
    low, high, spread = 0.0, 0.0, 0.05
    match role:
        case "Conv", 1, _:
            spread = (2 / np.prod(shape[1:])) ** 0.5
        case "Gemm", 1, transposed:
            spread = (2 / shape[1 if transposed else 0]) ** 0.5
        case ("BatchNormalization", 1, _) | ("Mul", _, _):
            low, high = 0.7, 1.3
        case "BatchNormalization", 4, _:
            low, high = 0.6, 1.4
        case "BatchNormalization", _, _:
            spread = 0.1
    if high > low:
        return np.asarray(random.uniform(low, high, shape), np.float32)
    return np.asarray(random.standard_normal(shape, np.float32) * np.float32(spread))


def image_inputs(model: onnx.ModelProto, seed: int = 100) -> Mapping[str, Array]:
    """Standard normal values for each input of `model` that is not a weight."""
    weights = {tensor.name for tensor in model.graph.initializer}
    random = np.random.default_rng(seed)
    return {
        value.name: random.standard_normal(
            [dim.dim_value for dim in value.type.tensor_type.shape.dim], np.float32
        )
        for value in model.graph.input
        if value.name not in weights
    }


def _spread_logits(model: onnx.ModelProto) -> None:
    """Scale the weights of the last Conv or Gemm, so that a softmax after it is no one-hot."""
    last = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")][-1]
    model.graph.output.append(
        helper.make_tensor_value_info(last.output[0], TensorProto.FLOAT, None)
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    model.graph.output.pop()
    (logits,) = session.run([last.output[0]], image_inputs(model))
    scale = np.float32(LOGIT_SPREAD / logits.std())
    for tensor in model.graph.initializer:
        if tensor.name in last.input[1:]:
            value = numpy_helper.to_array(tensor) * scale
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
