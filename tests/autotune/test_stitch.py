"""Stitching: what is fastest inside the model, and never a model slower than the default."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from mlc.autotune.model_version import agree, race_tasks
from mlc.autotune.stitch import Stitching, combine, stitch
from mlc.passes.schedule.trace import Step, Trace

QUICK = Stitching(rounds=3)
DEFAULT = Trace()


def trace(name: str) -> Trace:
    return Trace((Step("split", {"loop": name, "factor": 2}),))


A1, A2, B1, B2 = map(trace, ("a1", "a2", "b1", "b2"))


class Model:
    """A pretended compiler: seconds of each task by its schedule, and what switching costs."""

    def __init__(
        self, times: Mapping[str, list[tuple[Trace, float]]], penalty: float = 0.0
    ) -> None:
        self.times = dict(times)
        self.penalty = penalty
        self.wrong: list[Trace] = []
        self.built: list[Mapping[str, Trace]] = []
        self.open = 0

    def build(self, choice: Mapping[str, Trace]) -> Version:
        self.built.append(choice)
        self.open += 1
        return Version(self, choice)

    def seconds_of(self, key: str, used: Trace) -> float:
        return next(seconds for each, seconds in self.times[key] if each == used)


class Version:
    def __init__(self, model: Model, choice: Mapping[str, Trace]) -> None:
        self.model = model
        self.choice = choice

    def task_seconds(self) -> dict[str, float]:
        used = {key: self.choice.get(key, DEFAULT) for key in self.model.times}
        return {key: self.model.seconds_of(key, each) for key, each in used.items()}

    def seconds(self) -> float:
        return sum(self.task_seconds().values()) + self.model.penalty * len(self.choice)

    def outputs(self) -> dict[str, np.ndarray]:
        wrong = any(used in self.model.wrong for used in self.choice.values())
        return {"y": np.array([0.0, 1.0, 5.0 if wrong else 2.0], np.float32)}

    def weight_bytes(self) -> int:
        return 100 + len(self.choice)

    def close(self) -> None:
        self.model.open -= 1


@pytest.fixture
def model() -> Model:
    # Alone, a1 and b1 are the best; in the model, a2 is faster than a1, and b1 loses.
    times = {
        "a": [(DEFAULT, 1.0), (A1, 0.9), (A2, 0.5)],
        "b": [(DEFAULT, 1.0), (B1, 1.2), (B2, 1.1)],
        "c": [(DEFAULT, 1.0)],
    }
    return Model(times)


CANDIDATES = {"a": [A1, A2], "b": [B1, B2], "c": []}


class Disturbed(Version):
    """Another program takes a core in most turns."""

    turns = 0

    def task_seconds(self) -> dict[str, float]:
        self.turns += 1
        slower = 1.0 if self.turns == 4 else 3.0
        return {key: seconds * slower for key, seconds in super().task_seconds().items()}


def test_a_busy_neighbour_does_not_decide(model: Model) -> None:
    versions = [Version(model, {}), Disturbed(model, {"a": A2, "b": B1})]
    default, other = race_tasks(versions, rounds=5)
    assert default == {"a": 1.0, "b": 1.0, "c": 1.0}
    assert other == {"a": 0.5, "b": 1.2, "c": 1.0}


def test_each_task_gets_what_is_fastest_in_the_model(model: Model) -> None:
    stitched = stitch(CANDIDATES, model.build, QUICK)
    assert stitched.choice == {"a": A2}
    assert (stitched.default_seconds, stitched.tuned_seconds) == (3.0, 2.5)
    assert stitched.weight_bytes == (100, 101)
    assert stitched.speedup == pytest.approx(1.2)
    assert (stitched.before["a"], stitched.after["a"]) == (1.0, 0.5)
    assert model.open == 0


def test_a_model_that_gets_slower_keeps_its_defaults(model: Model) -> None:
    model.penalty = 0.6
    stitched = stitch(CANDIDATES, model.build, QUICK)
    assert stitched.choice == {}
    assert stitched.tuned_seconds == stitched.default_seconds == 3.0
    assert stitched.reason == "the whole model did not become faster"
    assert model.open == 0


def test_the_second_attempt_keeps_only_plain_gains(model: Model) -> None:
    model.times["b"] = [(DEFAULT, 1.0), (B1, 0.98), (B2, 0.98)]
    model.penalty = 0.3
    stitched = stitch(CANDIDATES, model.build, QUICK)
    assert {"a": A2, "b": B1} in model.built
    assert stitched.choice == {"a": A2}


def test_nothing_is_built_where_nothing_is_better(model: Model) -> None:
    stitched = stitch({"a": [], "b": []}, model.build, QUICK)
    assert (stitched.choice, model.built) == ({}, [])
    assert stitched.reason == "no task has anything better than its default"


def test_no_gain_in_the_model_keeps_the_defaults(model: Model) -> None:
    stitched = stitch({"b": [B1, B2]}, model.build, QUICK)
    assert (stitched.choice, stitched.reason) == ({}, "no task gained in the model")


def test_wrong_results_are_never_accepted(model: Model) -> None:
    model.wrong = [A2]
    assert stitch(CANDIDATES, model.build, QUICK).choice == {}


def test_versions_are_freed_when_building_fails(model: Model) -> None:
    def build(choice: Mapping[str, Trace]) -> Version:
        if choice:
            raise MemoryError
        return model.build(choice)

    with pytest.raises(MemoryError):
        stitch(CANDIDATES, build, QUICK)
    assert model.open == 0


def test_a_small_gain_does_not_count() -> None:
    times = [{"a": 1.0}, {"a": 0.97}]
    assert combine([{"a": A1}], times, 0.01) == {"a": A1}
    assert combine([{"a": A1}], times, 0.05) == {}


@pytest.mark.parametrize(
    ("left", "same"),
    [([1.0, 2.0005], True), ([1.0, 2.1], False), ([1.0, np.nan], False)],
)
def test_results_agree_within_a_part_of_their_range(left: list[float], same: bool) -> None:
    right = {"y": np.array([1.0, 2.0], np.float32)}
    assert agree(right, {"y": np.array(left, np.float32)}) is same


def test_whole_numbers_must_be_equal() -> None:
    assert not agree({"y": np.array([1, 200])}, {"y": np.array([1, 201])})
    assert agree({"y": np.array([np.nan, np.inf])}, {"y": np.array([np.nan, np.inf])})
