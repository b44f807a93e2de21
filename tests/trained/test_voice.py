"""Is somebody speaking? The six files of one detector: nested If, LSTM, state from call to call."""

from __future__ import annotations

import numpy as np
import pytest

from bench.zoo.files import SILERO
from tests.trained.engines import Array, Both
from tests.trained.sounds import noise, tone, voice

SECONDS = 0.8
FRAMES = {16000: (512, 64), 8000: (256, 32)}  # new samples, and those before them
RATES = [
    ("silero_vad", 16000),
    ("silero_vad", 8000),
    ("silero_vad_16k_op15", 16000),
    ("silero_vad_half", 16000),
    ("silero_vad_op18_ifless", 16000),
    ("silero_vad_op18_ifless", 8000),
    ("silero_vad_openvino_16k", 16000),
]


def frames(sound: Array, rate: int) -> Array:
    """[frames, samples]: each with the end of the one before it in front, the last one whole."""
    new, before = FRAMES[rate]
    padded = np.concatenate([np.zeros(before, np.float32), sound])
    starts = range(0, len(sound) - new + 1, new)
    return np.stack([padded[start : start + before + new] for start in starts])


def listen(both: Both, rate: int, *sounds: Array) -> Array:
    """The probability of speech, [frames, sounds]; the sounds are heard side by side."""
    state = np.zeros((2, len(sounds), 128), np.float32)
    takes_rate = "sr" in [port.name for port in both.module.inputs]
    extra = {"sr": np.array(rate)} if takes_rate else {}
    heard = []
    for frame in np.stack([frames(sound, rate) for sound in sounds], axis=1):
        result = both({"input": frame, "state": state, **extra})
        state = result["stateN"]
        heard.append(result["output"][:, 0])
    return np.stack(heard)


def assert_meaning(speaking: Array, hissing: Array, whistling: Array, silent: Array) -> None:
    """A frame of silence between syllables may pass for silence; noise never for speech."""
    assert speaking.max() > 0.85
    assert speaking.mean() > 0.4
    for quiet in (hissing, whistling, silent):
        assert quiet.max() < 0.15


@pytest.mark.parametrize(("name", "rate"), RATES)
def test_frame_by_frame(name: str, rate: int) -> None:
    both = Both(SILERO[name].path())
    sounds = (
        voice(rate, SECONDS),
        noise(rate, SECONDS),
        tone(rate, SECONDS, 440),
        np.zeros(int(rate * SECONDS), np.float32),
    )
    alone = [listen(both, rate, sound)[:, 0] for sound in sounds]
    assert_meaning(*alone)
    if name != "silero_vad_openvino_16k":  # made for one sound at a time
        together = listen(both, rate, *sounds)
        np.testing.assert_allclose(together.T, alone, atol=1e-4)


def test_one_model_at_both_rates() -> None:
    """The rate is an input: the branch for the other rate is compiled when it is first taken."""
    both = Both(SILERO["silero_vad"].path())
    for rate in (16000, 8000, 16000):
        assert listen(both, rate, voice(rate, 0.3)).max() > 0.5
        assert listen(both, rate, noise(rate, 0.3)).max() < 0.15


def test_many_frames_at_once() -> None:
    """The variant that takes a whole recording hears what the frame by frame one hears."""
    both = Both(SILERO["silero_vad_16k_sequence"].path())
    rate, state = 16000, np.zeros((1, 1, 128), np.float32)
    sounds = (voice(rate, SECONDS), noise(rate, 0.5), tone(rate, 0.5, 440), np.zeros(rate // 4))
    heard = [
        both({"input": frames(sound.astype(np.float32), rate), "h": state, "c": state})
        for sound in sounds
    ]
    assert_meaning(*(result["speech_probs"] for result in heard))
    whole = frames(sounds[0], rate)
    half = len(whole) // 2
    first = both({"input": whole[:half], "h": state, "c": state})
    second = both({"input": whole[half:], "h": first["hn"], "c": first["cn"]})
    joined = np.concatenate([first["speech_probs"], second["speech_probs"]])
    np.testing.assert_allclose(joined, heard[0]["speech_probs"], atol=1e-5)
