"""Reading a picture: find the lines of text, then spell each of them.

The two networks are made by whoever is asked to: mlc compiles them, onnxruntime interprets them,
and everything around them is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from PIL import Image

from mlc.demo.boxes import Box, find_boxes
from mlc.demo.lines import as_batch, as_input, cut_line, read_alphabet, spell

Array = npt.NDArray[Any]
Network = Callable[[Array], Array]
MakeNetwork = Callable[[Path, tuple[int, ...]], Network]
"""From a model's file and the shape of its input, a network that takes arrays of that shape."""

STRIDE = 32
"""The detection network halves its input five times."""

WIDTHS = (384, 800)
"""Lines are recognised in batches of equal width: short ones, and long ones."""


@dataclass(frozen=True)
class Word:
    """A line of text that was read: where it is, what it says, and how sure that is."""

    box: Box
    text: str
    score: float


def detect(network: MakeNetwork, model: Path, picture: Image.Image) -> list[Box]:
    """The boxes of the lines of text in `picture`."""
    pixels = detection_input(picture)
    probability = network(model, pixels.shape)(pixels)[0, 0]
    scale = picture.width / pixels.shape[3], picture.height / pixels.shape[2]
    return [box.scaled(*scale) for box in find_boxes(probability)]


def detection_input(picture: Image.Image) -> Array:
    """`picture` as [1, 3, height, width], sides rounded to what the network can take."""
    width, height = (max(STRIDE, round(side / STRIDE) * STRIDE) for side in picture.size)
    return as_input(picture.resize((width, height), Image.Resampling.BILINEAR))[None]


def line_batches(picture: Image.Image, boxes: list[Box]) -> dict[int, tuple[list[int], Array]]:
    """For each width that occurs, which boxes have it and their lines as one array."""
    lines = [cut_line(picture, box, WIDTHS[-1]) for box in boxes]
    fitting = [next(width for width in WIDTHS if line.shape[2] <= width) for line in lines]
    groups = {
        width: [index for index, fits in enumerate(fitting) if fits == width] for width in WIDTHS
    }
    return {
        width: (members, as_batch([lines[index] for index in members], width))
        for width, members in groups.items()
        if members
    }


def recognise(
    network: MakeNetwork, model: Path, picture: Image.Image, boxes: list[Box]
) -> list[Word]:
    """What the text in each of the boxes says."""
    alphabet = read_alphabet(onnx.load(model))
    words: dict[int, Word] = {}
    for members, batch in line_batches(picture, boxes).values():
        for index, steps in zip(members, network(model, batch.shape)(batch), strict=True):
            words[index] = Word(boxes[index], *spell(np.asarray(steps), alphabet))
    return [words[index] for index in range(len(boxes))]
