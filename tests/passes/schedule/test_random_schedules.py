"""Whatever is done with legal primitives, the function computes the same."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mlc.ir.verify import verify_func
from mlc.passes.schedule.replay import replay
from mlc.passes.schedule.trace import Trace
from tests.passes.schedule.kernels import KERNELS
from tests.passes.schedule.steps import backwards, random_schedule, results
from tests.strategies import programs


def check(func, schedule):
    verify_func(schedule.func)
    wanted = results(func, func)
    for made in (schedule.func, backwards(schedule.func)):
        found = results(made, func)
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array, err_msg=f"{name}\n{schedule.trace}")
    recorded = json.loads(json.dumps(schedule.trace.to_json()))
    assert replay(func, Trace.from_json(recorded)).func == schedule.func


@settings(max_examples=60)
@given(programs(), st.data())
def test_random_programs(func, data):
    check(func, random_schedule(data, func))


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=25)
@given(st.data())
def test_usual_kernels(name, data):
    check(KERNELS[name], random_schedule(data, KERNELS[name], 16))
