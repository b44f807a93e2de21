"""Imports a model of one ONNX node, and runs it in the interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from mlc.importers.onnx import import_model
from mlc.ir.interpret import run_graph


def node_model(
    op_type: str,
    inputs: Sequence[np.ndarray | None],
    *,
    fixed: Sequence[int] = (),
    outputs: int = 1,
    opset: int = 22,
    domain: str = "",
    **attributes: Any,
) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """A model of one node and what to feed it; inputs named by `fixed` are initializers."""
    names = [f"x{k}" if array is not None else "" for k, array in enumerate(inputs)]
    arrays = {name: array for name, array in zip(names, inputs, strict=True) if array is not None}
    held = {f"x{position}" for position in fixed}
    codes = {name: helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in arrays.items()}
    feeds = {name: array for name, array in arrays.items() if name not in held}
    results = [f"y{k}" for k in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op_type, names, results, domain=domain, **attributes)],
        "one",
        [helper.make_tensor_value_info(name, codes[name], a.shape) for name, a in feeds.items()],
        [onnx.ValueInfoProto(name=name) for name in results],
        [onnx.numpy_helper.from_array(arrays[name], name) for name in sorted(held)],
    )
    imports = [helper.make_opsetid(domain, opset)]
    if domain:
        imports.append(helper.make_opsetid("", 22))
    return helper.make_model(graph, opset_imports=imports, ir_version=10), feeds


def run_node(op_type: str, inputs: Sequence[np.ndarray | None], **options: Any) -> list[np.ndarray]:
    """The outputs of one node by the importer and the graph interpreter."""
    model, feeds = node_model(op_type, inputs, **options)
    return list(run_graph(import_model(model), feeds).values())


def reference_node(
    op_type: str, inputs: Sequence[np.ndarray | None], **options: Any
) -> list[np.ndarray]:
    """The outputs of one node by ONNX's reference."""
    model, feeds = node_model(op_type, inputs, **options)
    return [np.asarray(part) for part in ReferenceEvaluator(model).run(None, feeds)]
