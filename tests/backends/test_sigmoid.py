"""sigmoid over the whole range, also where exp overflows."""

from __future__ import annotations

import numpy as np

from mlc.backends.llvm.math import MATH
from mlc.ir.dtype import F32
from tests.backends.math_kernel import apply


def test_sigmoid_runs_from_zero_to_one() -> None:
    x = np.append(np.linspace(-200, 200, 200_001), [-np.inf, np.inf]).astype(np.float32)
    found = apply(MATH["sigmoid"].emit, [x], F32)
    with np.errstate(over="ignore"):
        expected = 1 / (1 + np.exp(-x.astype(np.float64)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-7)
    assert np.isnan(apply(MATH["sigmoid"].emit, [np.array([np.nan], np.float32)], F32)).all()
