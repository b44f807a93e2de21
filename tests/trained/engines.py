"""A model compiled by mlc beside the same model in onnxruntime.

The model comes as people have it, without fixed shapes: the compiled one specialises itself on
what it is called with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

import mlc

Array = npt.NDArray[Any]

LEAST_COSINE = 0.99999
LARGEST_ERROR = 1e-4  # of the range of the output and zero
# Outputs nearer to zero than this, as probabilities of what is certainly absent, are compared as if
# they went that far.
LEAST_RANGE = 1e-2


class Both:
    """Calls both engines, compares them, and gives what the compiled model says."""

    def __init__(self, model: Path | onnx.ModelProto) -> None:
        self.content = model if isinstance(model, Path) else model.SerializeToString()
        self.reference = self._session(onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
        self.module = mlc.compile(model, num_threads=1, cache=False)

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs of the compiled model by name; they must be those of onnxruntime.

        Where the model magnifies rounding, onnxruntime disagrees with itself: with the graph as it
        is and with the graph that it rewrote. There the compiled model may err as much.
        """
        actual = self.module.run(feeds)
        names = [output.name for output in self.reference.get_outputs()]
        assert list(actual) == names
        expected = dict(zip(names, self.reference.run(names, dict(feeds)), strict=True))
        doubts = dict.fromkeys(names, 0.0)
        if any(error(actual[name], expected[name]) > LARGEST_ERROR for name in names):
            plain = self._session(onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
            others = dict(zip(names, plain.run(names, dict(feeds)), strict=True))
            doubts = {name: error(others[name], expected[name]) for name in names}
        for name in names:
            assert_near(name, actual[name], expected[name], max(LARGEST_ERROR, doubts[name]))
        return actual

    def _session(self, level: onnxruntime.GraphOptimizationLevel) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.graph_optimization_level = level
        return onnxruntime.InferenceSession(
            self.content, options, providers=["CPUExecutionProvider"]
        )


def error(left: Array, right: Array) -> float:
    """The largest difference, as a part of the range of `right` and zero."""
    if left.shape != right.shape:
        return np.inf
    one, other = left.astype(np.float64), right.astype(np.float64)
    spread = max(np.ptp(np.append(other, 0)), LEAST_RANGE)
    return float(np.abs(one - other).max(initial=0) / spread)


def assert_near(name: str, left: Array, right: Array, largest: float = LARGEST_ERROR) -> None:
    """The same dtype and shape and, within the tolerance, the same values."""
    assert (left.dtype, left.shape) == (right.dtype, right.shape), name
    if right.dtype.kind != "f":
        np.testing.assert_array_equal(left, right, err_msg=name)
        return
    assert np.isfinite(right).all(), f"{name}: the reference itself is not finite"
    wrong = error(left, right)
    assert wrong <= largest, f"{name}: error {wrong:.2e} of the output's range"
    one, other = left.ravel().astype(np.float64), right.ravel().astype(np.float64)
    if np.abs(other).max(initial=0) > LEAST_RANGE:
        cosine = one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
        assert cosine >= LEAST_COSINE, f"{name}: cosine {cosine:.7f}"
