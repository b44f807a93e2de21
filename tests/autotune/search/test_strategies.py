"""Every strategy: nothing twice, nothing refused, the same by seed, an end; and who finds more."""

from __future__ import annotations

import pytest

from mlc.autotune.search.base import spread
from mlc.autotune.search.evolutionary import Evolutionary
from mlc.autotune.search.model_only import ModelOnly
from mlc.autotune.search.strategies import STRATEGIES
from tests.autotune.search.toy import ToyProblem, seconds

MEASURING = [name for name in STRATEGIES if name != "model"]


def run(name: str, seed: int, rounds: int, *, guided: bool = True, width: int = 16) -> list[str]:
    search = STRATEGIES[name](ToyProblem(guided=guided, width=width), seed)
    keys = []
    for _ in range(rounds):
        proposed = search.propose(8)
        search.tell((each, seconds(each)) for each in proposed)
        keys += [each.key for each in proposed]
    return keys


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("name", MEASURING)
def test_the_whole_space_is_proposed_once(name: str, guided: bool) -> None:
    keys = run(name, 1, 10, guided=guided, width=6)
    assert sorted(keys) == sorted(f"{x},{y}" for x in range(6) for y in range(6) if x != y)
    assert run(name, 1, 12, guided=guided, width=6) == keys


@pytest.mark.parametrize("name", STRATEGIES)
def test_equal_seeds_propose_alike(name: str) -> None:
    assert run(name, 3, 5) == run(name, 3, 5)
    if name not in ("grid", "model"):
        assert run(name, 3, 5) != run(name, 4, 5)


@pytest.mark.parametrize("name", MEASURING)
def test_what_was_measured_before_is_not_proposed(name: str) -> None:
    problem = ToyProblem(width=4)
    search = STRATEGIES[name](problem, 0)
    known = [problem.candidate({"x": x, "y": 3, "z": 0}) for x in range(3)]
    search.tell([(known[0], 2.0), (known[1], None), (known[2], 1.0)])
    assert [each.key for _, each in search.ranking] == [known[2].key, known[0].key]
    proposed = [each.key for _ in range(4) for each in search.propose(5)]
    assert len(proposed) == 9
    assert not {each.key for each in known} & set(proposed)


def best_of_runs(name: str) -> list[float]:
    runs = [run(name, seed, 4, width=32) for seed in range(8)]
    points = [[tuple(map(int, key.split(","))) for key in keys] for keys in runs]
    return [min((x - 11) ** 2 + (y - 5) ** 2 for x, y in keys) for keys in points]


@pytest.mark.parametrize(("name", "share"), [("evolutionary", 0.2), ("annealing", 0.7)])
def test_the_model_leads_to_better_points_than_chance(name: str, share: float) -> None:
    assert sum(best_of_runs(name)) < share * sum(best_of_runs("random"))


def test_the_first_proposal_has_the_seeds() -> None:
    problem = ToyProblem()
    elsewhere, foreign = {"x": 7, "y": 3, "z": 1}, {"tile": 4}
    search = Evolutionary(problem, 0)
    search.suggest([foreign, elsewhere])
    assert [each.key for each in search.propose(4)][:1] == ["7,3"]


@pytest.mark.parametrize(("guided", "number"), [(True, 4), (False, 6)])
def test_a_model_that_knows_other_tasks_shares_the_first_proposal(
    guided: bool, number: int
) -> None:
    search = Evolutionary(ToyProblem(guided=guided), 0)
    seeds = [{"x": 15, "y": y, "z": 0} for y in range(6)]
    search.suggest(seeds)
    keys = [each.key for each in search.propose(8)]
    assert keys[:number] == [f"15,{y}" for y in range(number)]
    assert not set(keys[number:]) & {f"15,{y}" for y in range(6)}


def test_a_model_that_knows_other_tasks_chooses_among_many_at_first() -> None:
    def first(guided: bool) -> float:
        searches = [Evolutionary(ToyProblem(guided=guided, width=64), seed) for seed in range(8)]
        return sum(seconds(search.propose(4)[0]) for search in searches)

    assert first(guided=True) < 0.2 * first(guided=False)


def test_a_proposal_keeps_a_share_for_chance() -> None:
    def total(greedy: float) -> float:
        search = Evolutionary(ToyProblem(width=64), 0, greedy=greedy)
        spent = 0.0
        for _ in range(10):
            proposed = search.propose(8)
            search.tell((each, seconds(each)) for each in proposed)
            spent += sum(map(seconds, proposed))
        return spent

    assert total(1.0) < total(0.5) < total(0.0)


def test_few_points_are_tried_for_each_one_proposed() -> None:
    problem = ToyProblem(width=64)
    search = Evolutionary(problem, 0)
    for _ in range(10):
        search.tell((each, seconds(each)) for each in search.propose(8))
    assert problem.asked < 10 * 8 * 5


def test_the_model_alone_proposes_once() -> None:
    search = ModelOnly(ToyProblem(width=8), 0, sample=500)
    best = search.propose(3)
    assert [each.key for each in best] == ["7,5"]
    assert search.propose(3) == []


def test_a_model_that_knows_nothing_proposes_the_default() -> None:
    search = ModelOnly(ToyProblem(guided=False), 0)
    search.problem.space.default = {"x": 1, "y": 0, "z": 0}
    assert [each.key for each in search.propose(3)] == ["1,0"]


def test_a_batch_is_spread() -> None:
    problem = ToyProblem()
    points = [(3, 5), (3, 6), (4, 7), (8, 5)]
    ranked = [problem.candidate({"x": x, "y": y, "z": 0}) for x, y in points]
    assert [each.key for each in spread(ranked, 2)] == ["3,5", "4,7"]
    assert [each.key for each in spread(ranked, 3)] == ["3,5", "4,7", "3,6"]
