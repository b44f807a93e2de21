"""How is a word said? A GRU, and a Loop that goes on until the network says that it is over."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trained.engines import Both
from tests.trained.files import G2P_WEIGHTS
from tests.trained.pronunciation import END, LONGEST, PHONEMES, in_numpy, in_onnx, numbers, spelled

# Words of the dictionary of Carnegie Mellon University, and as the package's own readme says
# "activationist", which no dictionary holds.
WORDS = {
    "cat": "K AE1 T",
    "speech": "S P IY1 CH",
    "tensor": "T EH1 N S ER0",
    "activationist": "AE2 K T IH0 V EY1 SH AH0 N IH0 S T",
}


def test_the_alphabet_of_phonemes() -> None:
    assert len(PHONEMES) == 74


@pytest.mark.parametrize("word", WORDS)
def test_pronunciation(both: Both, weights: dict[str, np.ndarray], word: str) -> None:
    said = both({"word": numbers(word)})["said"]
    np.testing.assert_array_equal(said, in_numpy(weights, word))
    assert spelled(said) == WORDS[word]


def test_no_more_than_fits(both: Both, weights: dict[str, np.ndarray]) -> None:
    """The Loop ends by its count where the network has more to say."""
    word = "pneumonoultramicroscopicsilicovolcanoconiosis"
    said = both({"word": numbers(word)})["said"]
    np.testing.assert_array_equal(said, in_numpy(weights, word))
    assert len(said) == LONGEST
    assert END not in said


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    with np.load(G2P_WEIGHTS.path()) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def both(weights: dict[str, np.ndarray]) -> Both:
    return Both(in_onnx(weights))
