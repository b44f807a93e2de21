"""What the models are fed. Seeded, so that every engine and every run sees the same arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from bench.zoo.builder import Array
from bench.zoo.transformer import GPT2, PAST, SEQUENCE
from mlc.demo.picture import draw_picture

# Parts of the demo's picture that hold one line of text each: left, top, right, bottom.
_LINES = ((84, 34, 462, 108), (225, 220, 485, 276), (230, 300, 462, 352), (95, 548, 720, 610))


def normal(name: str, shape: tuple[int, ...], batch: int) -> Mapping[str, Array]:
    """Standard normal values of shape [batch, *shape]."""
    return {name: _random(50).standard_normal((batch, *shape), np.float32)}


def sequence(name: str, steps: int, features: int, batch: int) -> Mapping[str, Array]:
    """Standard normal values of shape [steps, batch, features]."""
    return {name: _random(51).standard_normal((steps, batch, features), np.float32)}


def tokens(batch: int) -> Mapping[str, Array]:
    """Word numbers of sentences of several lengths, zero beyond them, and the mask that says so."""
    words = _random(52).integers(1000, 30000, (batch, SEQUENCE))
    lengths = SEQUENCE - 48 + 16 * (np.arange(batch) % 4)
    mask = (np.arange(SEQUENCE)[None] < lengths[:, None]).astype(np.int64)
    return {"input_ids": words * mask, "attention_mask": mask}


def prompt(length: int, batch: int) -> Mapping[str, Array]:
    """Word numbers of GPT-2's vocabulary."""
    return {"input_ids": _random(53).integers(0, GPT2.vocabulary, (batch, length))}


def step(batch: int) -> Mapping[str, Array]:
    """One word, and the keys and values of those before it."""
    shape = (GPT2.layers, batch, GPT2.heads, PAST, GPT2.head_width)
    random = _random(54)
    past = {name: random.standard_normal(shape, np.float32) for name in ("past_key", "past_value")}
    return {**prompt(1, batch), **past}


def photograph(batch: int) -> Mapping[str, Array]:
    """The demo's picture at half its size, each sample a little darker: [batch, 3, 320, 480]."""
    picture = Image.fromarray(draw_picture()).resize((480, 320), Image.Resampling.BILINEAR)
    samples = [_channels_first(picture) * np.float32(0.9**index) for index in range(batch)]
    return {"x": np.stack(samples)}


def lines(width: int, batch: int) -> Mapping[str, Array]:
    """Lines of text cut out of the demo's picture: [batch, 3, 48, width]."""
    picture = Image.fromarray(draw_picture())
    parts = [picture.crop(_LINES[index % len(_LINES)]) for index in range(batch)]
    sized = [part.resize((width, 48), Image.Resampling.BILINEAR) for part in parts]
    return {"x": np.stack([_channels_first(part) for part in sized])}


def hum(name: str, samples: int, batch: int) -> Mapping[str, Array]:
    """Two seconds of a tone in noise, another tone for each sample: [batch, samples, 1]."""
    time = np.arange(samples) / 22050
    pitch = 220 * 2 ** (np.arange(batch)[:, None] / 12)
    sound = 0.3 * np.sin(2 * np.pi * pitch * time) + _random(55).normal(0, 0.02, (batch, samples))
    return {name: sound.astype(np.float32)[..., None]}


def frame(batch: int) -> Mapping[str, Array]:
    """A frame of noise at 16000 Hz, and what was heard before it."""
    random = _random(56)
    return {
        "input": random.standard_normal((batch, 576), np.float32) * np.float32(0.1),
        "state": random.standard_normal((2, batch, 128), np.float32),
        "sr": np.array(16000),
    }


def file_ends(batch: int) -> Mapping[str, Array]:
    """Bytes of the source code of this module, each sample from another place on."""
    content = np.frombuffer(Path(__file__).read_bytes() * 2, np.uint8).astype(np.int32)
    return {"bytes": np.stack([content[start : start + 2048] for start in range(batch)])}


def _channels_first(picture: Image.Image) -> Array:
    """RGB bytes to floats from −1 to 1 in the order blue, green, red, channels first."""
    scaled = np.asarray(picture, np.float32)[..., ::-1] / np.float32(127.5) - np.float32(1)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
