"""Between pictures and networks: cutting out lines of text, and spelling what was recognised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from PIL import Image

from mlc.demo.boxes import Box

Array = npt.NDArray[Any]

LINE_HEIGHT = 48
_BLANK = 0


def as_input(picture: Image.Image) -> Array:
    """RGB bytes to floats from −1 to 1 in the order blue, green, red: [3, height, width]."""
    scaled = np.asarray(picture, np.float32)[..., ::-1] / np.float32(127.5) - np.float32(1)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def cut_line(picture: Image.Image, box: Box, longest: int) -> Array:
    """The text in `box`, level and 48 high: [3, 48, width], the width at most `longest`."""
    width = min(longest, max(8, round(LINE_HEIGHT * box.length / box.height)))
    (left, top), (right, right_y), _, (bottom_x, bottom) = box.corners()
    # Where the pixel (column, row) of the cut comes from: the affine map of the three corners.
    coefficients = (
        (right - left) / width,
        (bottom_x - left) / LINE_HEIGHT,
        left,
        (right_y - top) / width,
        (bottom - top) / LINE_HEIGHT,
        top,
    )
    cut = picture.transform(
        (width, LINE_HEIGHT), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    return as_input(cut)


def as_batch(lines: Sequence[Array], width: int) -> Array:
    """Lines of several widths as one array [lines, 3, 48, width], zero behind each."""
    batch = np.zeros((len(lines), 3, LINE_HEIGHT, width), np.float32)
    for row, line in zip(batch, lines, strict=True):
        row[:, :, : line.shape[2]] = line
    return batch


def read_alphabet(model: onnx.ModelProto) -> list[str]:
    """The characters that the network knows, which its file carries: the blank comes first."""
    metadata = {item.key: item.value for item in model.metadata_props}
    return ["", *metadata["character"].splitlines(), " "]


def spell(probabilities: Array, alphabet: Sequence[str]) -> tuple[str, float]:
    """The likeliest text of [steps, characters] and how sure the network is, from 0 to 1.

    Greedy decoding of connectionist temporal classification (Graves et al. 2006): the best
    character of each step, repeats once, blanks dropped.
    """
    best = probabilities.argmax(axis=1)
    kept = (best != _BLANK) & np.diff(best, prepend=_BLANK).astype(bool)
    text = "".join(alphabet[index] for index in best[kept])
    sure = float(probabilities.max(axis=1)[kept].mean()) if kept.any() else 0.0
    return text.strip(), sure
