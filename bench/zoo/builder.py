"""A builder of ONNX graphs: one call per node, one per weight, names made up as it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17

Array = npt.NDArray[Any]


class GraphBuilder:
    """Collects nodes and weights; `model` turns them into a `ModelProto`.

    A tensor is named by a string. Weights come from one generator, seeded at construction, so the
    order of calls decides their values.
    """

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}

    def node(self, op: str, *inputs: str, outputs: int = 1, **attrs: Any) -> Any:
        """Append a node; the name of its output, or a tuple of names when there are several."""
        index = len(self._nodes)
        names = tuple(
            f"{op.lower()}_{index}_{k}" if k else f"{op.lower()}_{index}" for k in range(outputs)
        )
        self._nodes.append(helper.make_node(op, inputs, names, name=f"{op}_{index}", **attrs))
        return names if outputs > 1 else names[0]

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """An initialiser holding `value`."""
        name = f"weight_{len(self._weights)}"
        self._weights[name] = numpy_helper.from_array(np.asarray(value, dtype), name)
        return name

    def normal(self, *shape: int, spread: float, centre: float = 0.0) -> str:
        """A normally distributed weight of standard deviation `spread`."""
        values = self.random.standard_normal(shape, np.float32) * np.float32(spread)
        return self.constant(values + np.float32(centre))

    def uniform(self, *shape: int, low: float, high: float) -> str:
        """A uniformly distributed weight."""
        return self.constant(self.random.uniform(low, high, shape))

    def integers(self, *values: int) -> str:
        """An int64 vector, as shapes and axes are given."""
        return self.constant(values, np.int64)

    def linear(self, tensor: str, features_in: int, features_out: int) -> str:
        """A Gemm on a matrix, He-normal, weights stored [out, in] as trainers do."""
        weight = self.normal(features_out, features_in, spread=(2 / features_in) ** 0.5)
        bias = self.normal(features_out, spread=0.05)
        return str(self.node("Gemm", tensor, weight, bias, transB=1))

    def model(
        self,
        name: str,
        inputs: Mapping[str, tuple[int, Sequence[int]]],
        outputs: Mapping[str, tuple[str, Sequence[int]]],
    ) -> onnx.ModelProto:
        """Finish: `inputs` maps name → (element type, shape), `outputs` name → (tensor, shape)."""
        for output, (tensor, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [output], name=output))
        graph = helper.make_graph(
            self._nodes,
            name,
            [
                helper.make_tensor_value_info(key, kind, shape)
                for key, (kind, shape) in inputs.items()
            ],
            [
                helper.make_tensor_value_info(key, TensorProto.FLOAT, shape)
                for key, (_, shape) in outputs.items()
            ],
            list(self._weights.values()),
        )
        return finish(graph)


def finish(graph: onnx.GraphProto, opset: int = OPSET) -> onnx.ModelProto:
    """A model around `graph`."""
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="mlc-zoo", ir_version=8
    )
