"""Traces are JSON, replay to equal functions, and are checked when read."""

from __future__ import annotations

import json

import pytest

from mlc.errors import ScheduleError
from mlc.passes.schedule.primitives import pack, reorder, split, tile
from mlc.passes.schedule.replay import replay
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.trace import Step, Trace
from tests.passes.schedule.kernels import matmul


def test_steps_hold_what_was_given():
    schedule = split(Schedule(matmul()), "j0", 4, names=("o", "i"))
    schedule = reorder(schedule, "j1", "i")
    schedule = pack(schedule, "w", {1: 8}, [(1, "outer"), 0, (1, "inner")])
    assert schedule.trace.steps == (
        Step("split", {"loop": "j0", "factor": 4, "names": ["o", "i"]}),
        Step("reorder", {"loops": ["j1", "i"]}),
        Step(
            "pack",
            {"buffer": "w", "blocks": [[1, 8]], "order": [[1, "outer"], 0, [1, "inner"]]},
        ),
    )


def test_a_primitive_made_of_others_is_one_step():
    schedule = tile(Schedule(matmul()), ["j0", "j1"], [4, 8])
    assert [step.primitive for step in schedule.trace.steps] == ["tile"]


def test_replay_on_an_equal_function_after_json():
    schedule = tile(Schedule(matmul()), ["j0", "j1"], [4, 8])
    schedule = pack(schedule, "w", {1: 8}, [(1, "outer"), 0, (1, "inner")])
    again = replay(matmul(), Trace.from_json(json.loads(json.dumps(schedule.trace.to_json()))))
    assert again == schedule


def test_a_refused_step_changes_nothing():
    schedule = split(Schedule(matmul()), "j0", 4)
    with pytest.raises(ScheduleError):
        split(schedule, "j0", 4)
    assert len(schedule.trace.steps) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"steps": []}, "trace: not a list of steps"),
        ([{"primitive": "split"}], "trace: step 0 is not a primitive with arguments"),
        (
            [{"primitive": "split", "arguments": {}, "x": 1}],
            "trace: step 0 is not a primitive with arguments",
        ),
    ],
)
def test_text_that_is_no_trace(value, message):
    with pytest.raises(ScheduleError) as caught:
        Trace.from_json(value)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step("merge", {}), "replay: there is no primitive 'merge'"),
        (Step("split", {"loop": "j0", "by": 4}), "replay: split takes no 'by'"),
        (
            Step("split", {"loop": "j0"}),
            "replay: split: missing a required argument: 'factor'",
        ),
    ],
)
def test_steps_that_do_not_replay(step, message):
    with pytest.raises(ScheduleError) as caught:
        replay(matmul(), Trace((step,)))
    assert str(caught.value) == message
