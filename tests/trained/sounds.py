"""Sounds made of sines: tones, noise, and a voice that says vowels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float32]

# The first three formants of a, i, u, e and o in Hz (Peterson and Barney 1952, men).
_FORMANTS = np.array(
    [
        [730.0, 1090.0, 2440.0],
        [270.0, 2290.0, 3010.0],
        [300.0, 870.0, 2240.0],
        [530.0, 1840.0, 2480.0],
        [570.0, 840.0, 2410.0],
    ]
)
_BANDWIDTHS = (60.0, 90.0, 120.0)
_STRENGTHS = (1.0, 0.5, 0.25)
_HARMONICS = 40


def tone(rate: int, seconds: float, *hertz: float) -> Sound:
    """Sines of the given frequencies together, `rate` samples a second, each up to 0.3."""
    time = np.arange(int(rate * seconds)) / rate
    waves = [0.3 * np.sin(2 * np.pi * frequency * time) for frequency in hertz]
    return np.sum(waves, axis=0).astype(np.float32)


def noise(rate: int, seconds: float) -> Sound:
    """The hiss of an empty line."""
    samples = np.random.default_rng(0).standard_normal(int(rate * seconds))
    return (0.02 * samples).astype(np.float32)


def voice(rate: int, seconds: float) -> Sound:
    """Five vowels again and again: syllables with a pitch that moves.

    Each harmonic of the pitch is as strong as the resonances of the mouth let it through.
    """
    time = np.arange(int(rate * seconds)) / rate
    pitch = 120 + 25 * np.sin(2 * np.pi * 2.3 * time) + 8 * np.sin(2 * np.pi * 5 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    vowels = len(_FORMANTS)
    place = time / seconds * 2 * vowels % vowels
    formants = [
        np.interp(place, np.arange(vowels + 1), np.append(column, column[0]))
        for column in _FORMANTS.T
    ]
    sound = np.zeros_like(time)
    for harmonic in range(1, _HARMONICS):
        frequency = harmonic * pitch
        gain = sum(
            strength / (1 + ((frequency - formant) / bandwidth) ** 2)
            for formant, bandwidth, strength in zip(formants, _BANDWIDTHS, _STRENGTHS, strict=True)
        )
        heard = frequency < rate / 2
        sound += np.where(heard, gain / harmonic**0.5 * np.sin(harmonic * phase), 0)
    sound *= np.clip(np.sin(2 * np.pi * 3.2 * time), 0, 1) ** 0.5
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)
