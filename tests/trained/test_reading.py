"""Reading a picture: where is text, which way up is it, what does it say?

The three networks come without fixed shapes; each specialises itself on what it is shown.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from bench.zoo.feeds import lines
from mlc.demo.lines import read_alphabet, spell
from mlc.demo.models import DETECTION, DIRECTION, RECOGNITION
from mlc.demo.picture import TEXTS, draw_picture
from mlc.demo.reader import Network, detect, recognise
from tests.trained.engines import Array, Both

SLOW = pytest.mark.slow  # each shape of these networks takes seconds to compile


@cache
def network(path: Path) -> Network:
    """The model at `path` for inputs of any shape; it has one output."""
    both = Both(path)

    def call(array: Array) -> Array:
        (result,) = both({"x": array}).values()
        return result

    return call


def for_any_shape(path: Path, shape: tuple[int, ...]) -> Network:
    del shape
    return network(path)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(draw_picture())


@SLOW
def test_every_word_is_read(picture: Image.Image) -> None:
    boxes = detect(for_any_shape, DETECTION.path(), picture)
    words = recognise(for_any_shape, RECOGNITION.path(), picture, boxes)
    assert [word.text for word in words] == list(TEXTS)


def test_lines_are_found(picture: Image.Image) -> None:
    """In the upper left of the picture there are five of its lines."""
    boxes = detect(for_any_shape, DETECTION.path(), picture.crop((64, 0, 544, 288)))
    assert len(boxes) == 5


@SLOW
def test_no_lines_on_an_empty_board(picture: Image.Image) -> None:
    empty = Image.effect_noise((224, 96), 4).convert("RGB")
    assert detect(for_any_shape, DETECTION.path(), empty) == []


def read(batch: Array) -> list[str]:
    alphabet = read_alphabet(onnx.load(RECOGNITION.path()))
    return [spell(steps, alphabet)[0] for steps in network(RECOGNITION.path())(batch)]


@pytest.mark.parametrize(
    ("width", "count"),
    [(192, 3), pytest.param(320, 1, marks=SLOW), pytest.param(320, 3, marks=SLOW)],
)
def test_lines_are_read(width: int, count: int) -> None:
    """Alone, side by side, and squeezed."""
    texts = ["DEPARTURES", "Lindau Harbour", "San Sebastian"]
    assert read(lines(width, count)["x"]) == texts[:count]


@pytest.mark.parametrize("count", [1, pytest.param(3, marks=SLOW)])
def test_lines_upside_down(count: int) -> None:
    upright = lines(192, count)["x"]
    assert network(DIRECTION.path())(upright).argmax(axis=1).tolist() == [0] * count
    turned = np.ascontiguousarray(upright[:, :, ::-1, ::-1])
    assert network(DIRECTION.path())(turned).argmax(axis=1).tolist() == [1] * count
