"""How closely two engines must agree on a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

LEAST_COSINE = 0.99999
LARGEST_ERROR = 1e-4  # of the range of the output


def reference(path: Path, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """What onnxruntime computes, by output name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def assert_agrees(
    actual: Mapping[str, npt.NDArray[Any]], expected: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Every output has the same name, dtype, shape and, within the tolerance, values."""
    assert list(actual) == list(expected)
    for name, right in expected.items():
        left = actual[name]
        assert (left.dtype, left.shape) == (right.dtype, right.shape), name
        if right.dtype.kind != "f":
            np.testing.assert_array_equal(left, right, err_msg=name)
            continue
        assert np.isfinite(right).all(), f"{name}: the reference itself is not finite"
        one, other = left.ravel().astype(np.float64), right.ravel().astype(np.float64)
        spread = np.ptp(other)
        assert spread > 0, f"{name}: the reference is constant, which tests nothing"
        error = np.abs(one - other).max() / spread
        assert error <= LARGEST_ERROR, f"{name}: error {error:.2e} of the output's range"
        cosine = one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
        assert cosine >= LEAST_COSINE, f"{name}: cosine {cosine:.7f}"
