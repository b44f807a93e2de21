"""Runs a single ONNX node in onnxruntime, to judge references by someone else's implementation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper


def onnx_node(
    op_type: str,
    inputs: Sequence[np.ndarray | None],
    outputs: int = 1,
    opset: int = 18,
    **attributes: Any,
) -> list[np.ndarray]:
    """The outputs of one node; an input that is None is left out."""
    names = [f"x{k}" if array is not None else "" for k, array in enumerate(inputs)]
    feeds = {name: array for name, array in zip(names, inputs, strict=True) if array is not None}
    results = [f"y{k}" for k in range(outputs)]
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in feeds.items()
    ]
    node = helper.make_node(op_type, names, results, **attributes)
    empty = [onnx.ValueInfoProto(name=name) for name in results]
    graph = helper.make_graph([node], "one", infos, empty)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, feeds))
