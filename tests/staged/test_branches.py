"""Branches that are both computed, because the condition is not known and they cost little."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import mlc
from mlc.runtime.module import Module
from mlc.staged.module import StagedModule
from tests.staged.hosts.agreement import assert_agrees, parse

SIMPLE = """
g (float[2] x, float[1] k) => (y, z) {
  c = Greater (k, k0)
  y, z = If (c) <
    then_branch = yes () => (float[2] a, float[2] b) {
      a = Add (x, k)
      b = Identity (x)
    },
    else_branch = no () => (float[2] d, float[2] e) {
      d = Mul (x, k)
      e = Neg (d)
    }
  >
}"""

# The branch that is not taken would not fit.
MISFIT = """
g (float[2] x, float[3] w, float[1] k) => (y) {
  c = Greater (k, k0)
  y = If (c) <
    then_branch = yes () => (float[2] a) { a = Add (x, k) },
    else_branch = no () => (float[2] b) { b = Add (x, w) }
  >
}"""

OTHER_SHAPES = """
g (float[2] x, float[1] k) => (y) {
  c = Greater (k, k0)
  y = If (c) <
    then_branch = yes () => (float[n] a) { a = Add (x, k) },
    else_branch = no () => (float[n] b) { b = Neg (k) }
  >
}"""


def model_of(text: str) -> onnx.ModelProto:
    zero = "{\n  k0 = Constant <value_floats = [0.0]> ()"
    return parse(text.replace("{", zero, 1))


@pytest.mark.parametrize(
    ("text", "kind"), [(SIMPLE, Module), (OTHER_SHAPES, StagedModule), (MISFIT, StagedModule)]
)
def test_kind_of_module(text: str, kind: type) -> None:
    with mlc.compile(model_of(text), cache=False) as module:
        assert type(module) is kind


@pytest.mark.parametrize("k", [1.5, -2.0])
@pytest.mark.parametrize("text", [SIMPLE, OTHER_SHAPES])
def test_branches(text: str, k: float) -> None:
    feeds = {"x": np.array([1, np.nan], np.float32), "k": np.array([k], np.float32)}
    assert_agrees(model_of(text), feeds)


def test_a_branch_that_would_not_fit() -> None:
    feeds = {"x": np.ones(2, np.float32), "w": np.ones(3, np.float32)}
    with mlc.compile(model_of(MISFIT), cache=False) as module:
        assert module(**feeds, k=np.array([2], np.float32)).tolist() == [3, 3]
        with pytest.raises(mlc.MlcError):
            module(**feeds, k=np.array([-2], np.float32))
