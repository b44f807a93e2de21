"""A few shapes of SVG, as text, and charts made of them.

Everything that comes from a model is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#a463f2", "#9498a0")


@dataclass(frozen=True)
class Series:
    """Points of one colour under one name; `line` joins them as steps, else they are dots."""

    name: str
    points: Sequence[Point]
    colour: str = COLOURS[0]
    line: bool = True


@dataclass(frozen=True)
class Frame:
    """Where a chart's values lie on the page: sizes in pixels, ranges of both axes."""

    width: int
    height: int
    across: tuple[float, float]
    upward: tuple[float, float]
    margin: int = 34

    def place(self, point: Point) -> Point:
        """The pixel of a point; ranges without extent put everything in the middle."""
        x = _share(point[0], self.across)
        y = _share(point[1], self.upward)
        inner = self.width - 2 * self.margin, self.height - 2 * self.margin
        return self.margin + x * inner[0], self.height - self.margin - y * inner[1]


def chart(
    series: Sequence[Series], across: str, upward: str, width: int = 300, height: int = 190
) -> str:
    """A chart of some series, both axes named, with their least and greatest values."""
    points = [point for each in series for point in each.points if all(map(math.isfinite, point))]
    if not points:
        return ""
    frame = Frame(width, height, _range(p[0] for p in points), _range(p[1] for p in points))
    parts = [_axes(frame, across, upward)]
    parts += [_drawn(each, frame) for each in series]
    return _svg(width, height, parts)


def bars(rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], unit: str) -> str:
    """Horizontal bars, one group per row, one colour per name."""
    longest = max((value for _, values in rows for value in values), default=0.0) or 1.0
    thick, gap, left, width = 9, 8, 260, 760
    parts, y = [], 4.0
    for label, values in rows:
        middle = y + thick * len(values) / 2 + 4
        parts.append(text(left - 6, middle, label, "end"))
        for number, value in enumerate(values):
            length = (width - left - 90) * value / longest
            parts.append(
                f'<rect x="{left}" y="{y:.1f}" width="{length:.1f}" height="{thick - 1}" '
                f'fill="{COLOURS[number]}"><title>{escape(names[number])}</title></rect>'
            )
            parts.append(text(left + length + 4, y + thick - 1, f"{value:.3g} {unit}"))
            y += thick
        y += gap
    return legend(names) + _svg(width, int(y) + 4, parts)


def legend(names: Sequence[str]) -> str:
    """The colours and what they stand for, as a line of HTML."""
    return "<p>" + " ".join(
        f'<span style="color:{colour}">■</span> {escape(name)}'
        for name, colour in zip(names, COLOURS, strict=False)
    ) + "</p>"  # fmt: skip


def text(x: float, y: float, words: str, anchor: str = "start") -> str:
    """Words at a place; `anchor` says which end of them is there."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    inner = "".join(parts)
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{inner}</svg>'


def _drawn(series: Series, frame: Frame) -> str:
    placed = [frame.place(point) for point in series.points if all(map(math.isfinite, point))]
    title = f"<title>{escape(series.name)}</title>"
    if not series.line:
        return "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{series.colour}" '
            f'fill-opacity="0.6">{title}</circle>'
            for x, y in placed
        )
    path = ""
    for number, (x, y) in enumerate(placed):
        path += f"M{x:.1f},{y:.1f}" if number == 0 else f"H{x:.1f}V{y:.1f}"
    return f'<path d="{path}" fill="none" stroke="{series.colour}">{title}</path>'


def _axes(frame: Frame, across: str, upward: str) -> str:
    left, right = frame.margin, frame.width - frame.margin
    top, bottom = frame.margin, frame.height - frame.margin
    line = f'<path d="M{left},{top}V{bottom}H{right}" fill="none" stroke="#888"/>'
    labels = [
        text(left, bottom + 13, f"{frame.across[0]:.3g}"),
        text(right, bottom + 13, f"{frame.across[1]:.3g}", "end"),
        text((left + right) / 2, bottom + 26, across, "middle"),
        text(left - 3, bottom, f"{frame.upward[0]:.3g}", "end"),
        text(left - 3, top + 8, f"{frame.upward[1]:.3g}", "end"),
        text(4, top - 10, upward),
    ]
    return line + "".join(labels)


def _range(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    return min(found), max(found)


def _share(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return (value - low) / (high - low) if high > low else 0.5
