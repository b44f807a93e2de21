"""metrics: the definitions on orders whose values are plain to see."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.autotune.metrics import Ranking, pairwise_accuracy, peak_score, regret, top_score

SECONDS = [4.0, 1.0, 2.0, 3.0]


def test_a_perfect_order() -> None:
    scores = [-second for second in SECONDS]
    assert pairwise_accuracy(scores, SECONDS) == 1
    assert peak_score(scores, SECONDS, 1) == 1
    assert regret(scores, SECONDS) == 0


def test_the_reverse_order() -> None:
    assert pairwise_accuracy(SECONDS, SECONDS) == 0
    assert [peak_score(SECONDS, SECONDS, top) for top in (1, 2, 3, 4)] == [1 / 4, 1 / 3, 1 / 2, 1]
    assert [regret(SECONDS, SECONDS, top) for top in (1, 4)] == [3, 0]


def test_one_pair_the_wrong_way_round() -> None:
    assert pairwise_accuracy([0, 2, 3, 1], SECONDS) == pytest.approx(5 / 6)


def test_equal_scores_are_half_right_and_equal_times_do_not_count() -> None:
    assert pairwise_accuracy([1, 1], [1.0, 2.0]) == 0.5
    assert pairwise_accuracy([1, 2, 3], [1.0, 1.0, 0.5]) == 1
    assert pairwise_accuracy([1], [1.0]) == 0.5


def test_pairs_within_the_tolerance_do_not_count() -> None:
    assert pairwise_accuracy([2, 1, 3], [1.0, 1.04, 2.0]) == pytest.approx(1 / 3)
    assert pairwise_accuracy([1, 2, 0], [1.0, 1.04, 2.0]) == pytest.approx(2 / 3)
    assert pairwise_accuracy([1, 2, 0], [1.0, 1.04, 2.0], 0.05) == 1


def test_the_top_score_weighs_tasks_by_their_time() -> None:
    right = Ranking(np.array([2.0, 1.0]), np.array([1.0, 5.0]), 4.0)
    wrong = Ranking(np.array([2.0, 1.0]), np.array([3.0, 1.0]), 2.0)
    assert top_score([right, wrong], 1) == (4 * 1 + 2 * 1) / (4 * 1 + 2 * 3)
    assert top_score([right, wrong], 2) == 1
