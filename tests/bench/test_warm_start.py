"""Cold and warm starts: what led a search, and how the trials until near the best are counted."""

from __future__ import annotations

import pytest

from bench.tuned.warm_start import (
    Outcome,
    Plan,
    by_task,
    cold_and_warm,
    figures,
    heaviest,
    together,
)
from mlc.autotune.records import Database
from tests.autotune.fakes import PretendingMeasurer, tasks

PLAN = Plan(tasks=2, trials=6, searches=2, batch=2)


@pytest.fixture
def outcome() -> Outcome:
    """One cold search that is never near the best, one at its end; warm ones that are, and soon."""
    found = Outcome(tasks()[0])
    found.seconds = {"slow": 2.0, "near": 1.01, "best": 1.0}
    found.leaders["cold"] = [[(1, "slow")], [(1, "slow"), (6, "near")]]
    found.leaders["warm"] = [[(1, "slow"), (2, "best")], [(3, "near")]]
    return found


def test_what_is_near_is_judged_by_the_best_of_all_searches(outcome: Outcome) -> None:
    assert outcome.needed("warm", 0.02, 7) == [2, 3]
    assert outcome.needed("warm", 0.001, 7) == [2, 7]


def test_a_search_that_never_gets_there_counts_as_the_trial_after_its_last(
    outcome: Outcome,
) -> None:
    row = figures([outcome], PLAN, [0.02], by_task)
    assert (row["cold 2%"], row["warm 2%"]) == (6.5, 2.5)
    assert row["share 2%"] == pytest.approx(((2 / 7) * (3 / 6)) ** 0.5)


def test_tasks_together_are_near_when_their_sum_is(outcome: Outcome) -> None:
    other = Outcome(tasks()[1])
    other.seconds = {"slow": 0.5, "best": 0.2}
    other.leaders = {"cold": [[(1, "best")]] * 2, "warm": [[(1, "slow"), (4, "best")]] * 2}
    assert together([outcome, other], "cold", 0.02, PLAN) == [7, 6]
    assert together([outcome, other], "warm", 0.02, PLAN) == [4, 4]


def test_both_starts_search_equally_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr("bench.tuned.warm_start.tasks_of", lambda model, threads: tasks())
    known = Database(tmp_path_factory.mktemp("known") / "records.sqlite")
    measurer = PretendingMeasurer()
    outcomes = cold_and_warm("any", PLAN, known, (), measurer)
    assert [outcome.task.key for outcome in outcomes] == [
        task.key for task in heaviest("any", PLAN.tasks, PLAN.threads)
    ]
    for outcome in outcomes:
        led = {steps for each in outcome.leaders.values() for search in each for _, steps in search}
        assert led == outcome.seconds.keys()
        assert [len(each) for each in outcome.leaders.values()] == [2, 2]
    assert len(measurer.measured) > PLAN.tasks * PLAN.trials * 2 * PLAN.searches
