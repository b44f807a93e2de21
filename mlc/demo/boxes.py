"""From a map of probabilities to boxes around lines of text.

Follows differentiable binarisation (Liao et al. 2020): the network marks the kernels of text lines,
shrunken so that neighbours stay apart; each connected kernel is boxed and grown again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

THRESHOLD = 0.3
LEAST_SCORE = 0.5
LEAST_SIDE = 3.0
GROWTH = 1.6
_ANGLES = np.deg2rad(np.arange(-45, 45, 0.5))


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels: centre, the direction of its text in radians, length and height."""

    x: float
    y: float
    angle: float
    length: float
    height: float
    score: float

    def corners(self) -> list[tuple[float, float]]:
        """Clockwise from the start of the text, top first."""
        along = np.array([np.cos(self.angle), np.sin(self.angle)]) * self.length / 2
        across = np.array([-np.sin(self.angle), np.cos(self.angle)]) * self.height / 2
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        return [
            (self.x + a * along[0] + b * across[0], self.y + a * along[1] + b * across[1])
            for a, b in signs
        ]

    def scaled(self, horizontal: float, vertical: float) -> Box:
        """The box on a picture of another size."""
        mean = (horizontal * vertical) ** 0.5
        return Box(
            self.x * horizontal,
            self.y * vertical,
            self.angle,
            self.length * mean,
            self.height * mean,
            self.score,
        )


def find_boxes(probability: Array) -> list[Box]:
    """The text lines in a [height, width] map of probabilities, top to bottom, left to right."""
    labels = label_components(probability > THRESHOLD)
    rows, columns = np.nonzero(labels)
    order = np.argsort(labels[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    starts = np.flatnonzero(np.diff(labels[rows, columns], prepend=0))
    boxes = []
    for part_rows, part_columns in zip(
        np.split(rows, starts[1:]), np.split(columns, starts[1:]), strict=True
    ):
        if len(part_rows) == 0:
            continue
        score = float(probability[part_rows, part_columns].mean())
        box = _grown(_tightest_box(part_columns + 0.5, part_rows + 0.5, score))
        if score >= LEAST_SCORE and min(box.length, box.height) >= LEAST_SIDE:
            boxes.append(box)
    return _in_reading_order(boxes)


def label_components(mask: Array) -> Array:
    """Number the regions of a boolean [height, width] mask that touch side by side, from 1.

    Runs of each row are joined with those above that they overlap (union-find); 0 is background.
    """
    labels = np.zeros(mask.shape, np.int64)
    parents = [0]
    above: list[tuple[int, int, int]] = []
    for y, row in enumerate(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8)):
        edges = np.flatnonzero(np.diff(row))
        runs = []
        for start, stop in edges.reshape(-1, 2).tolist():
            touching = [_root(parents, label) for a, b, label in above if a < stop and start < b]
            label = min(touching, default=len(parents))
            if not touching:
                parents.append(label)
            for other in touching:
                parents[other] = label
            labels[y, start:stop] = label
            runs.append((start, stop, label))
        above = runs
    roots = [_root(parents, label) for label in range(len(parents))]
    numbers = {root: number for number, root in enumerate(sorted(set(roots)))}
    return np.array([numbers[root] for root in roots])[labels]


def _root(parents: list[int], label: int) -> int:
    while parents[label] != label:
        label = parents[label]
    return label


def _tightest_box(x: Array, y: Array, score: float) -> Box:
    """The smallest rectangle around the points, its text within 45 degrees of level."""
    along = np.outer(np.cos(_ANGLES), x) + np.outer(np.sin(_ANGLES), y)
    across = np.outer(np.cos(_ANGLES), y) - np.outer(np.sin(_ANGLES), x)
    lengths, heights = np.ptp(along, axis=1) + 1, np.ptp(across, axis=1) + 1
    best = int(np.argmin(lengths * heights))
    angle = float(_ANGLES[best])
    u = (along[best].max() + along[best].min()) / 2
    v = (across[best].max() + across[best].min()) / 2
    return Box(
        float(u * np.cos(angle) - v * np.sin(angle)),
        float(u * np.sin(angle) + v * np.cos(angle)),
        angle,
        float(lengths[best]),
        float(heights[best]),
        score,
    )


def _grown(box: Box) -> Box:
    """Undo the shrinking: each side moves outwards by area × growth / perimeter."""
    distance = box.length * box.height * GROWTH / (2 * (box.length + box.height))
    return Box(
        box.x, box.y, box.angle, box.length + 2 * distance, box.height + 2 * distance, box.score
    )


def _in_reading_order(boxes: list[Box]) -> list[Box]:
    """Lines top to bottom, following the picture's mean slope; within a line left to right."""
    slope = float(np.median([np.tan(box.angle) for box in boxes])) if boxes else 0.0
    levels = sorted(boxes, key=lambda box: box.y - slope * box.x)
    ordered: list[Box] = []
    line: list[Box] = []
    for box in levels:
        if line and _level(box, slope) - _level(line[-1], slope) > line[-1].height / 2:
            ordered += sorted(line, key=lambda each: each.x)
            line = []
        line.append(box)
    return ordered + sorted(line, key=lambda each: each.x)


def _level(box: Box, slope: float) -> float:
    return box.y - slope * box.x
