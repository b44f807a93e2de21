"""Boosted trees as their package exports them: doubles, and a batch without any dimension."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trained.engines import Both
from tests.trained.files import SIGNAL_PLAN_TREES


@pytest.fixture(scope="module")
def both() -> Both:
    return Both(SIGNAL_PLAN_TREES.path())


@pytest.mark.parametrize("samples", [1, 40])
def test_trees(both: Both, samples: int) -> None:
    random = np.random.default_rng(samples)
    spread = both({"X": random.standard_normal((samples, 25)) * 10})["Y"]
    assert spread.shape == (samples, 1)
    rare = random.standard_normal((samples, 25))
    rare[:, ::3] = np.nan  # not measured
    rare[:, 1::5] = np.inf
    both({"X": rare})
    both({"X": np.zeros((samples, 25))})
