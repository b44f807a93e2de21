"""Boxes around lines of text: regions, the tightest rectangle, reading order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from mlc.demo.boxes import GROWTH, find_boxes, label_components


def flooded(mask: np.ndarray) -> np.ndarray:
    """Regions by flooding from each unseen pixel: slow and plain."""
    labels = np.zeros(mask.shape, np.int64)
    for y, x in np.argwhere(mask):
        if labels[y, x]:
            continue
        number, waiting = labels.max() + 1, [(y, x)]
        while waiting:
            row, column = waiting.pop()
            inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
            if inside and mask[row, column] and not labels[row, column]:
                labels[row, column] = number
                waiting += [(row - 1, column), (row + 1, column)]
                waiting += [(row, column - 1), (row, column + 1)]
    return labels


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_components_are_those_of_flooding(mask: np.ndarray) -> None:
    labels, expected = label_components(mask), flooded(mask)
    pairs = set(zip(labels.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    assert (0, 0) in pairs or mask.all()
    assert labels.max() == expected.max()


def drawn(*rectangles: tuple[float, float, float, float, float]) -> np.ndarray:
    """A map of probabilities: (centre x, centre y, length, height, degrees) each."""
    picture = Image.new("L", (400, 300))
    draw = ImageDraw.Draw(picture)
    for x, y, length, height, degrees in rectangles:
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        corners = [
            (x + a * length * cos - b * height * sin, y + a * length * sin + b * height * cos)
            for a, b in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
        ]
        draw.polygon(corners, fill=255)
    return np.asarray(picture, np.float32) / 255


@pytest.mark.parametrize("degrees", [0, 8, -20, 40])
def test_a_line_is_boxed_and_grown(degrees: float) -> None:
    (box,) = find_boxes(drawn((200, 150, 160, 20, degrees)))
    assert (box.x, box.y) == pytest.approx((200, 150), abs=1.5)
    assert np.rad2deg(box.angle) == pytest.approx(degrees, abs=1)
    distance = 160 * 20 * GROWTH / (2 * (160 + 20))
    assert box.length == pytest.approx(160 + 2 * distance, abs=6)
    assert box.height == pytest.approx(20 + 2 * distance, abs=6)


def test_reading_order() -> None:
    places = [(300, 52, 80, 12, 0), (80, 50, 80, 12, 0), (100, 120, 90, 12, 0)]
    boxes = find_boxes(drawn(*places))
    assert [round(box.x, -1) for box in boxes] == [80, 300, 100]


def test_faint_and_tiny_regions_are_dropped() -> None:
    assert find_boxes(drawn((200, 150, 100, 20, 0)) * np.float32(0.4)) == []
    assert find_boxes(np.zeros((32, 32), np.float32)) == []
