"""What the demo shows: the picture in the terminal and as a file, the words, and the times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.segment import Segment, Segments
from rich.style import Style
from rich.table import Table

from mlc.demo.reader import Word

_SURE = (64, 220, 120)
_UNSURE = (255, 170, 60)
_LEAST_SURE = 0.9


def annotate(picture: Image.Image, words: Sequence[Word]) -> Image.Image:
    """A copy of `picture` with a box around each word, and its text in small print above."""
    result = picture.copy()
    draw = ImageDraw.Draw(result)
    font = ImageFont.load_default(15)
    for word in words:
        ink = _SURE if word.score >= _LEAST_SURE else _UNSURE
        corners = word.box.corners()
        draw.polygon(corners, outline=ink, width=2)
        left, top = corners[0]
        label = f"{word.text}  {word.score:.0%}"
        box = draw.textbbox((left, top - 22), label, font=font)
        draw.rectangle((box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2), fill=ink)
        draw.text((left, top - 22), label, font=font, fill=(10, 14, 22))
    return result


def save_whole(picture: Image.Image, path: Path) -> None:
    """Write a PNG that appears whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    picture.save(unfinished, format="PNG")
    unfinished.replace(path)


def in_terminal(picture: Image.Image, columns: int) -> Segments:
    """The picture in half blocks: two pixels above each other in every character."""
    rows = round(picture.height * columns / picture.width / 2)
    pixels = np.asarray(picture.resize((columns, 2 * rows), Image.Resampling.LANCZOS))
    segments: list[Segment] = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        for above, below in zip(upper, lower, strict=True):
            style = Style.parse(f"rgb({_rgb(above)}) on rgb({_rgb(below)})")
            segments.append(Segment("▀", style))
        segments.append(Segment.line())
    return Segments(segments)


def _rgb(pixel: np.ndarray) -> str:
    return ",".join(str(value) for value in pixel.tolist())


def word_table(words: Sequence[Word], written: Sequence[str] | None) -> Table:
    """What was read, and, where it is known what was `written`, whether that is right."""
    table = Table(title="what the picture says", title_justify="left")
    table.add_column("read")
    table.add_column("sure", justify="right")
    table.add_column("where", justify="right", style="dim")
    if written is not None:
        table.add_column("right?", justify="center")
    for word in words:
        place = f"{word.box.x:.0f}, {word.box.y:.0f}"
        row = [word.text, f"{word.score:.0%}", place]
        if written is not None:
            row.append("[green]✓" if word.text in written else "[red]✗")
        table.add_row(*row)
    return table


def time_table(
    names: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]], threads: int
) -> Table:
    """Milliseconds per network and engine, and how much faster the first engine is."""
    table = Table(title=f"milliseconds on {threads} thread(s), medians", title_justify="left")
    table.add_column("network")
    for name in names:
        table.add_column(name, justify="right")
    table.add_column(f"speed of {names[0]}", justify="right", style="bold")
    for label, times in rows:
        cells = [f"{time:.1f}" for time in times]
        table.add_row(label, *cells, f"{times[1] / times[0]:.2f}×")
    return table
