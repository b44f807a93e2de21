"""What exporters do to models without changing what they compute."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Disguise = Callable[[onnx.ModelProto], None]


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs(attribute.g)


def unsort(model: onnx.ModelProto) -> None:
    """Nodes in any order, not each behind those that it reads."""
    for graph in graphs(model.graph):
        nodes = list(graph.node)
        random.Random(0).shuffle(nodes)
        del graph.node[:]
        graph.node.extend(nodes)


def weights_as_constants(model: onnx.ModelProto) -> None:
    """Nodes that give constants instead of initialisers."""
    for graph in list(graphs(model.graph)):
        for tensor in graph.initializer:
            graph.node.append(helper.make_node("Constant", [], [tensor.name], value=tensor))
        del graph.initializer[:]


def weights_as_inputs(model: onnx.ModelProto) -> None:
    """Initialisers that are listed among the inputs, as all were before IR version 4."""
    for tensor in model.graph.initializer:
        value = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(value)


def foreign_domains(model: onnx.ModelProto) -> None:
    """Operator sets that no node uses."""
    used = {opset.domain for opset in model.opset_import}
    for domain in ("com.microsoft.nchwc", "ai.onnx.ml", "ai.onnx.training", "org.example"):
        if domain not in used:
            model.opset_import.append(helper.make_opsetid(domain, 1))


def open_batch(text: str) -> Disguise:
    """The first dimension of each input that is open becomes −1, or the words given."""

    def disguise(model: onnx.ModelProto) -> None:
        for value in model.graph.input:
            dims = value.type.tensor_type.shape.dim
            if dims and not dims[0].dim_value:
                dims[0].ClearField("dim_param")
                if text:
                    dims[0].dim_param = text
                else:
                    dims[0].dim_value = -1

    return disguise


def no_shapes_inside(model: onnx.ModelProto) -> None:
    """No value but the inputs has a shape, not even a rank."""
    for graph in graphs(model.graph):
        del graph.value_info[:]
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")


def in_half_precision(model: onnx.ModelProto) -> None:
    """All floats but the inputs and outputs of the model have 16 bits."""
    graph = model.graph
    del graph.value_info[:]
    for tensor in graph.initializer:
        tensor.CopyFrom(_halved(tensor))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
            if attribute.type == onnx.AttributeProto.TENSOR:
                attribute.t.CopyFrom(_halved(attribute.t))
    for value, to, values in (
        *((value, TensorProto.FLOAT16, graph.input) for value in graph.input),
        *((value, TensorProto.FLOAT, graph.output) for value in graph.output),
    ):
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        inside = f"{value.name} in 16 bits"
        for node in graph.node:
            names = node.input if values is graph.input else node.output
            names[:] = [inside if name == value.name else name for name in names]
        ends = [value.name, inside] if values is graph.input else [inside, value.name]
        graph.node.append(helper.make_node("Cast", ends[:1], ends[1:], to=to))


def _halved(tensor: onnx.TensorProto) -> onnx.TensorProto:
    if tensor.data_type != TensorProto.FLOAT:
        return tensor
    limits = np.finfo(np.float16)
    array = numpy_helper.to_array(tensor).clip(limits.min, limits.max)
    return numpy_helper.from_array(array.astype(np.float16), tensor.name)
