"""All graph passes together on real models keep what they compute, and leave little to run."""

from __future__ import annotations

import pytest

from bench.zoo.light import image_inputs, light
from mlc.importers.onnx import import_model
from mlc.passes.context import Context
from mlc.passes.graph.layout_rules import VIEWS
from mlc.passes.pipeline import graph_passes, run_passes
from tests.passes.graph.rewriting import assert_same_outputs, ops, reasons

KERNELS = {"squeezenet": 50, "shufflenet": 100}
"""No more kernels than this: about one for each convolution, pool, concat and reordering."""


@pytest.mark.parametrize("name", KERNELS)
def test_light_models(name: str) -> None:
    model = light(name, 1)
    graph = import_model(model)
    result = run_passes(graph, graph_passes(), Context(verify="all"))
    assert set(ops(result)) <= {"fused", *VIEWS}
    assert len(reasons(result)) <= KERNELS[name]
    assert_same_outputs(graph, result, image_inputs(model), tolerance=1e-5)
