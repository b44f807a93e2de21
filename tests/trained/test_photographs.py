"""What is in a photograph? A convolutional network with trained weights, in 32 and in 16 bits."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc.demo.published import PublishedFile
from tests.trained.disguise import in_half_precision
from tests.trained.engines import Both
from tests.trained.photographs import CLASSES, pixels, trained


@pytest.fixture(scope="module")
def both() -> Both:
    return Both(trained("batch"))


@pytest.mark.parametrize("file", CLASSES, ids=["cat", "coffee", "palace", "flower"])
def test_a_photograph(both: Both, file: PublishedFile) -> None:
    probabilities = both({"x": pixels(file)[None]})["probabilities"][0]
    assert probabilities.argmax() in CLASSES[file]
    assert probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert CLASSES[file] <= set(probabilities.argsort()[-5:].tolist())


@pytest.mark.slow
def test_photographs_side_by_side(both: Both) -> None:
    pictures = np.stack([pixels(file) for file in CLASSES])
    best = both({"x": pictures})["probabilities"].argmax(axis=1)
    assert all(found in classes for found, classes in zip(best, CLASSES.values(), strict=True))


def test_in_half_precision() -> None:
    model = trained(1)
    whole = mlc.compile(model, num_threads=1, cache=False)
    in_half_precision(model)
    half = mlc.compile(model, num_threads=1, cache=False)
    for file, classes in CLASSES.items():
        picture = pixels(file)[None]
        probabilities = half(picture)
        assert probabilities.argmax() in classes
        assert 0 < np.abs(probabilities - whole(picture)).max() < 0.05
