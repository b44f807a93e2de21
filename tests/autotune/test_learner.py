"""When the cost model learns anew, when a little more, and what it says before it knows."""

from __future__ import annotations

import itertools

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


def test_a_little_is_no_news_to_a_model_that_knows_much() -> None:
    """So that the trees that are added do not grow with every sample."""
    model = Pessimist()
    learner = Learner(model, step=1, growth=100.0)
    for _ in range(320):
        learner.add("task", ROW, 1.0)
        learner.learn()
    seen = [abs(number) for number in model.fitted]
    apart = [later - earlier for earlier, later in itertools.pairwise(seen)]
    assert apart[0] == 1
    assert all(gap >= before // 16 for gap, before in zip(apart, seen, strict=False))
    assert apart[-1] == 18


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
