"""When the cost model learns anew, when a little more, and what it says before it knows."""

from __future__ import annotations

import numpy as np

from mlc.autotune.learner import FEWEST, Learner
from tests.autotune.fakes import Pessimist

ROW = np.zeros(3, np.float32)


def test_it_learns_anew_when_the_samples_have_grown() -> None:
    model = Pessimist()
    learner = Learner(model, step=4, growth=2.0)
    for _ in range(40):
        learner.add("task", ROW, 1.0)
        learner.learn()
    assert model.fitted[0] == FEWEST
    anew = [number for number in model.fitted if number > 0]
    assert anew == [12, 24]
    assert model.fitted == [12, -16, -20, 24, -28, -32, -36, -40]


def test_nothing_is_known_at_first() -> None:
    learner = Learner(Pessimist())
    assert not learner.guided
    assert learner.scores([ROW, ROW]).tolist() == [0.0, 0.0]
    for _ in range(FEWEST):
        learner.add("task", ROW, 1.0)
    learner.learn()
    assert learner.guided


def test_without_a_model_nothing_is_learnt() -> None:
    learner = Learner(None)
    for _ in range(100):
        learner.add("task", ROW, 1.0)
    learner.learn()
    assert not learner.guided
