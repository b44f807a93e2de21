"""Races of leaders: heats in both orders, and what chance alone would do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bench.tuned.searches import by_chance, race, raced
from mlc.autotune.measurement import Comparison, Measurement
from mlc.errors import TuningError

OK = Measurement("ok", 1.0)


class Track:
    """Times what it is given as it is named; whoever is loaded first takes a tenth longer."""

    def __init__(self, noise: tuple[float, ...] = (1.0,)) -> None:
        self.noise = noise
        self.heats: list[tuple[float, float, int]] = []

    def compare(self, first: float, second: float, rounds: int) -> Comparison:
        self.heats.append((first, second, rounds))
        factors = [self.noise[number % len(self.noise)] for number in range(rounds)]
        table = tuple((1.1 * first * factor, second) for factor in factors)
        return Comparison(OK, OK, 1.0, True, table)


class Refusing:
    def compare(self, first: float, second: float, rounds: int) -> Comparison:
        failed = Measurement("crash", message="signal 11")
        return Comparison(failed, failed)


def tuner(seconds: float | None, key: str = "a") -> Any:
    best = None
    if seconds is not None:
        best = SimpleNamespace(seconds=seconds, proposal=SimpleNamespace(key=key, seconds=seconds))
    return SimpleNamespace(
        task=SimpleNamespace(template="contraction", locs=("n1", "n2")),
        best=best,
        input_of=lambda proposal: proposal.seconds,
        problem=SimpleNamespace(space=SimpleNamespace(size=10)),
        trials=[0] * 8,
        recalled=0,
        default_seconds=None,
    )


def test_each_is_loaded_first_in_every_other_heat() -> None:
    track = Track()
    ratios = race(track, tuner(2.0), tuner(4.0, "b"), 10)
    assert track.heats == [(4.0, 2.0, 3), (2.0, 4.0, 3)] * 2
    assert ratios == pytest.approx(([2.2] * 3 + [2 / 1.1] * 3) * 2)


def test_what_only_the_place_in_memory_decides_is_neither_faster_nor_slower() -> None:
    row = raced(Track(), tuner(2.0), tuner(2.0, "b"), 40)
    assert row["ratio"] == pytest.approx(1.0, abs=0.01)
    assert not row["faster"]
    assert not row["slower"]


@pytest.mark.parametrize(
    ("ours", "faster", "slower"), [(1.5, True, False), (2.0, False, False), (2.6, False, True)]
)
def test_who_is_faster_is_what_most_rounds_say(ours: float, faster: bool, slower: bool) -> None:
    row = raced(Track((0.8, 1.0, 1.05)), tuner(ours), tuner(2.0, "b"), 40)
    assert (row["faster"], row["slower"]) == (faster, slower)


def test_the_same_loops_need_no_race() -> None:
    track = Track()
    assert race(track, tuner(2.0), tuner(3.0), 10) == [1.0]
    assert track.heats == []


def test_a_task_without_a_leader_has_no_race() -> None:
    with pytest.raises(TuningError) as caught:
        race(Track(), tuner(None), tuner(2.0), 10)
    assert str(caught.value) == "nothing was measured of contraction: n1 + n2"
    with pytest.raises(TuningError) as caught:
        race(Refusing(), tuner(1.0), tuner(2.0, "b"), 10)
    assert str(caught.value) == "no race of contraction: n1 + n2: signal 11"


@pytest.mark.parametrize(
    ("won", "lost", "expected"), [(10, 0, 2 / 1024), (0, 0, 1.0), (6, 4, 0.75)]
)
def test_equals_win_evenly(won: int, lost: int, expected: float) -> None:
    assert by_chance(won, lost) == pytest.approx(expected, abs=0.005)
    assert by_chance(won, lost) == by_chance(lost, won)
