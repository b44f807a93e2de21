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
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        content = model if isinstance(model, Path) else model.SerializeToString()
        self.session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self.module = mlc.compile(model, num_threads=1, cache=False)

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs of the compiled model by name; they must be those of onnxruntime."""
        actual = self.module.run(feeds)
        names = [output.name for output in self.session.get_outputs()]
        expected = dict(zip(names, self.session.run(names, dict(feeds)), strict=True))
        assert list(actual) == names
        for name, right in expected.items():
            assert_near(name, np.asarray(actual[name]), right)
        return actual


def assert_near(name: str, left: Array, right: Array) -> None:
    """The same dtype and shape and, within the tolerance, the same values."""
    assert (left.dtype, left.shape) == (right.dtype, right.shape), name
    if right.dtype.kind != "f":
        np.testing.assert_array_equal(left, right, err_msg=name)
        return
    one, other = left.ravel().astype(np.float64), right.ravel().astype(np.float64)
    assert np.isfinite(other).all(), f"{name}: the reference itself is not finite"
    spread = np.ptp(np.append(other, 0))
    error = np.abs(one - other).max() / max(spread, LEAST_RANGE)
    assert error <= LARGEST_ERROR, f"{name}: error {error:.2e} of the output's range"
    if spread > LEAST_RANGE:
        cosine = one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
        assert cosine >= LEAST_COSINE, f"{name}: cosine {cosine:.7f}"
