"""What the importer's tests share: running an imported graph, and building small models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx.checker
import onnx.parser
import onnxruntime

from mlc.importers.onnx import import_model
from mlc.ir.graph import Graph
from mlc.ir.interpret import run_graph


def parse(
    text: str, opset: int = 17, *, domains: Sequence[tuple[str, int]] = ()
) -> onnx.ModelProto:
    """A model from a graph in ONNX's text form."""
    imports = ", ".join(f'"{domain}": {version}' for domain, version in (("", opset), *domains))
    model: onnx.ModelProto = onnx.parser.parse_model(
        f"<ir_version: 8, opset_import: [{imports}]>\n{text}"
    )
    return model


def random_inputs(graph: Graph, seed: int = 0) -> dict[str, np.ndarray]:
    """Normal numbers for floats, small numbers for integers, coins for booleans."""
    random = np.random.default_rng(seed)
    feeds = {}
    for value in graph.inputs:
        shape, dtype = value.type.static_shape, value.type.dtype
        if dtype.is_float:
            array = random.standard_normal(shape)
        else:
            array = random.integers(0, 2 if dtype.kind == "bool" else 5, shape)
        feeds[value.name] = array.astype(dtype.numpy)
    return feeds


def assert_agrees(model: onnx.ModelProto, *, rtol: float = 1e-5, atol: float = 1e-5) -> Graph:
    """Import `model`, run it on random input and compare every output with onnxruntime's."""
    graph = import_model(model)
    feeds = random_inputs(graph)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, feeds)
    results = run_graph(graph, feeds)
    assert list(results) == [output.name for output in model.graph.output]
    for found, wanted in zip(results.values(), expected, strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol)
    return graph


def operators(graph: Graph) -> list[str]:
    """The core operators of a graph, in order."""
    return [node.op for node in graph.nodes]
