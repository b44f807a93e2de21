"""Which notes are played? Two seconds of sound to the keys of a piano."""

from __future__ import annotations

import numpy as np
import pytest

from bench.zoo.files import BASIC_PITCH
from tests.trained.engines import Array, Both
from tests.trained.sounds import tone, voice

RATE, SAMPLES = 22050, 43844
NOTES = "StatefulPartitionedCall:1"  # [sounds, times, keys]
INPUT = "serving_default_input_2:0"
LOWEST = 27.5  # Hz, the key furthest left: A0


def played(*hertz: float) -> Array:
    """Tones at these frequencies as the network takes them: [1, samples, 1]."""
    return tone(RATE, SAMPLES / RATE + 0.1, *hertz)[None, :SAMPLES, None]


def key(hertz: float) -> int:
    return round(12 * float(np.log2(hertz / LOWEST)))


def strongest(notes: Array, count: int) -> list[int]:
    """The keys that sound most over all times."""
    return sorted(notes.mean(axis=0).argsort()[-count:].tolist())


@pytest.fixture(scope="module")
def both() -> Both:
    return Both(BASIC_PITCH.path())


def test_a_tone(both: Both) -> None:
    notes = both({INPUT: played(440)})[NOTES][0]
    assert strongest(notes, 1) == [key(440)]
    assert notes[20:-20, key(440)].min() > 0.5


@pytest.mark.slow
def test_chords_side_by_side(both: Both) -> None:
    """A fifth and a third in one batch; a voice, which is lower than both."""
    fifth, third = (220.0, 329.63), (523.25, 659.26)
    said = voice(RATE, SAMPLES / RATE + 0.1)[None, :SAMPLES, None]
    notes = both({INPUT: np.concatenate([played(*fifth), played(*third), said])})[NOTES]
    assert strongest(notes[0], 2) == [key(hertz) for hertz in fifth]
    assert strongest(notes[1], 2) == [key(hertz) for hertz in third]
    assert notes[2].mean(axis=0).argmax() < key(220)


@pytest.mark.slow
def test_silence(both: Both) -> None:
    silent = both({INPUT: np.zeros((1, SAMPLES, 1), np.float32)})[NOTES]
    assert silent.max() < 0.3
