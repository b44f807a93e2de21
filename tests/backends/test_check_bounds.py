"""Code compiled with `check_bounds` reports an access out of bounds, and keeps to its memory."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.ir.stmt import Func
from mlc.ir.text import parse_func
from mlc.passes.loops.pipeline import finish_loops
from tests.backends.harness import run_compiled

X = np.arange(1, 9, dtype=np.float32)
INDEX = np.array([0, 3, 100_000, -5], np.int64)


def function(body: str) -> Func:
    """A kernel of x, whose elements are apart, and of indices; a buffer stands behind each."""
    return parse_func(
        "func f(x: f32[8] strides[3], at: i64[4], none: f32[0,8], y: f32[8]) {\n" + body + "\n}"
    )


WRONG = {
    "a store": "for i in 8 {\n y[i + 3] = x[i]\n }",
    "a store below": "for i in 8 {\n y[i - 3] = x[i]\n }",
    "a load": "for i in 8 {\n y[i] = x[i + 1]\n }",
    "a load far away": "for i in 8 {\n y[i] = x[i + 1000000000]\n }",
    "a vector stored": "for vector i in 8 {\n y[i + 1] = 1.0:f32\n }",
    "a vector loaded": "for vector i in 8 {\n y[i] = y[i + 1]\n }",
    "lanes that lie apart": "for vector i in 8 {\n y[i] = x[i + 1]\n }",
    "lanes stored apart": "for vector i in 8 {\n y[i * 100000] = 1.0:f32\n }",
    "lanes backwards": "for vector i in 8 {\n y[6 - i] = 1.0:f32\n }",
    "lanes anywhere": "for vector i in 4 {\n y[i] = x[at[i]]\n }",
    "lanes stored anywhere": "for vector i in 4 {\n y[at[i]] = 1.0:f32\n }",
    "an empty buffer": "for i in 8 {\n y[i] = none[0, i]\n }",
    "one of many threads": "for parallel i in 8 {\n y[i] = x[max(i, i * 5 - 20)]\n }",
    "a buffer on the stack": (
        "alloc t: f32[4] stack {\n for i in 8 {\n t[i * 2] = x[i]\n }\n y[0] = t[0]\n }"
    ),
}


@pytest.mark.parametrize("body", WRONG.values(), ids=list(WRONG))
@pytest.mark.parametrize("threads", [1, 3])
def test_access_out_of_bounds_is_reported(body: str, threads: int) -> None:
    func = finish_loops(function(body))
    given = {"x": X, "at": INDEX, "none": np.zeros((0, 8), np.float32)}
    run_compiled(func, given, threads=threads, check_bounds=True, status=1)


RIGHT = {
    "whole buffers": "for i in 8 {\n y[i] = x[i]\n }",
    "a vector": "for vector i in 8 {\n y[i] = x[i]\n }",
    "backwards": "for vector i in 8 {\n y[i] = x[7 - i]\n }",
    "an arm not taken": "for i in 8 {\n y[i] = select(i < 7, x[i + 1], 9.0:f32)\n }",
    "many threads": "for parallel i in 8 {\n y[i] = x[i]\n }",
}


@pytest.mark.parametrize("body", RIGHT.values(), ids=list(RIGHT))
@pytest.mark.parametrize("threads", [1, 3])
def test_accesses_in_bounds_are_not(body: str, threads: int) -> None:
    func = finish_loops(function(body))
    given = {"x": X, "at": INDEX, "none": np.zeros((0, 8), np.float32)}
    checked = run_compiled(func, given, threads=threads, check_bounds=True)
    plain = run_compiled(func, given, threads=threads)
    np.testing.assert_array_equal(checked["y"], plain["y"])
    assert np.isfinite(checked["y"]).all()
