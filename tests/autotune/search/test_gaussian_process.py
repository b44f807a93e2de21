"""The Gaussian process: between what is known, far from it, and which distances matter."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.autotune.search.gaussian_process import Floats, GaussianProcess

LINE = np.linspace(0.0, 6.0, 25)
EXPECTED = np.log([0.3, 0.3, 0.01])


def apart(first: Floats, second: Floats) -> Floats:
    """Distances of two kinds between points that have two coordinates."""
    distances: Floats = np.abs(first[:, None, :] - second[None, :, :])
    return distances


def fitted(points: Floats, values: Floats) -> GaussianProcess:
    return GaussianProcess(apart(points, points), values, EXPECTED, EXPECTED)


@pytest.fixture
def points() -> Floats:
    noise = np.random.default_rng(0).permutation(LINE)
    return np.stack([LINE, noise], axis=1)


def test_between_points_the_mean_is_between_their_values(points: Floats) -> None:
    process = fitted(points, np.sin(points[:, 0]))
    between = points[:-1] + np.diff(points, axis=0) / 2
    means, _ = process.predict(apart(between, points))
    assert np.abs(means - np.sin(between[:, 0])).max() < 0.2


def test_far_from_all_points_there_is_doubt_and_the_mean_of_all(points: Floats) -> None:
    values = np.sin(points[:, 0])
    process = fitted(points, values)
    known, far = points[:1], np.array([[1e3, 1e3]])
    (_, mean), (sure, doubtful) = process.predict(apart(np.concatenate([known, far]), points))
    assert mean == pytest.approx(values.mean())
    assert doubtful > 3 * sure


def test_distances_that_say_nothing_lose_their_weight(points: Floats) -> None:
    process = fitted(points, np.sin(points[:, 0]))
    by_value, by_nothing, _ = process.logs
    assert by_value > by_nothing
    assert by_nothing < EXPECTED[1]


def test_noise_is_told_from_what_is_to_be_learnt(points: Floats) -> None:
    clean = np.sin(points[:, 0])
    noisy = clean + 0.5 * np.random.default_rng(1).normal(size=len(clean))
    assert fitted(points, noisy).logs[-1] > fitted(points, clean).logs[-1]


def test_equal_values_leave_no_doubt(points: Floats) -> None:
    means, doubts = fitted(points, np.ones(len(points))).predict(apart(points, points))
    assert means == pytest.approx(1.0)
    assert doubts.max() < 1e-3
