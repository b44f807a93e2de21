"""Cutting out lines, and spelling what a network recognised."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mlc.demo.boxes import Box
from mlc.demo.lines import LINE_HEIGHT, as_batch, cut_line, spell

ALPHABET = ["", "a", "b", " "]


def steps(best: str) -> np.ndarray:
    """Probabilities whose best character at each step is the one given; '-' is the blank."""
    indices = ["-ab ".index(char) for char in best]
    return np.where(np.eye(4)[indices] == 1, 0.7, 0.1).astype(np.float32)


@pytest.mark.parametrize(
    ("best", "text"),
    [("ab", "ab"), ("aabb", "ab"), ("a-a", "aa"), ("--a--b-", "ab"), ("a b", "a b"), ("---", "")],
)
def test_spelling(best: str, text: str) -> None:
    spelled, score = spell(steps(best), ALPHABET)
    assert spelled == text
    assert score == pytest.approx(0.7 if text else 0.0)


def test_cutting_levels_the_text() -> None:
    """A bar drawn at an angle comes out level, and fills the cut."""
    picture = Image.new("RGB", (300, 200))
    bar = Image.new("RGB", (120, 24), (255, 255, 255))
    picture.paste(bar, (90, 88))
    turned = picture.rotate(-15, Image.Resampling.BICUBIC, center=(150, 100))
    cut = cut_line(turned, Box(150, 100, np.deg2rad(15), 120, 24, 1.0), longest=400)
    assert cut.shape == (3, LINE_HEIGHT, 240)
    assert cut[:, 4:-4, 4:-4].min() > 0.9


def test_lines_are_padded_with_zeros() -> None:
    lines = [np.ones((3, LINE_HEIGHT, width), np.float32) for width in (10, 16)]
    batch = as_batch(lines, 16)
    assert batch.shape == (2, 3, LINE_HEIGHT, 16)
    assert batch[0, :, :, 10:].max() == 0
    assert batch[1].min() == 1
