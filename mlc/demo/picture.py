"""The picture that the demo reads: a departure board, drawn, then photographed at an angle."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Picture = npt.NDArray[np.uint8]

SIZE = (960, 640)
_TITLE = "DEPARTURES"
_ROWS = (
    ("09:42", "Copenhagen", "IC 178", "4"),
    ("09:55", "Lindau Harbour", "RE 3021", "12"),
    ("10:07", "San Sebastian", "TGV 860", "7"),
    ("10:18", "Night Express", "NJ 466", "1"),
    ("10:31", "Mount Pilatus", "S 25", "delayed"),
)
_NOTICE = "Please mind the gap between train and platform"
_COLUMNS = (96, 236, 560, 760)

TEXTS = (_TITLE, *(cell for row in _ROWS for cell in row), _NOTICE)
"""What is written on the board, for checking what was read."""


def draw_picture() -> Picture:
    """The picture as [height, width, 3] RGB bytes; the same at every call."""
    board = Image.new("RGB", SIZE, (18, 24, 38))
    draw = ImageDraw.Draw(board)
    draw.rectangle((0, 0, SIZE[0], 118), fill=(232, 178, 30))
    draw.text((96, 28), _TITLE, font=_font(58), fill=(18, 24, 38))
    for index, row in enumerate(_ROWS):
        top = 150 + index * 76
        if index % 2 == 0:
            draw.rectangle((56, top - 12, SIZE[0] - 56, top + 54), fill=(30, 40, 62))
        for left, cell in zip(_COLUMNS, row, strict=True):
            ink = (255, 140, 90) if cell == "delayed" else (244, 240, 226)
            draw.text((left, top), cell, font=_font(34), fill=ink)
    draw.text((96, 560), _NOTICE, font=_font(28), fill=(150, 190, 230))
    return _photograph(board)


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _photograph(board: Image.Image) -> Picture:
    """Turn it a little, soften it, light it unevenly, and add the grain of a camera."""
    turned = board.rotate(1.6, Image.Resampling.BICUBIC, fillcolor=(74, 80, 88))
    soft = np.asarray(turned.filter(ImageFilter.GaussianBlur(0.6)), np.float32)
    height, width, _ = soft.shape
    light = 1.08 - 0.28 * np.linspace(0, 1, width)[None, :] * np.linspace(0.3, 1, height)[:, None]
    grain = np.random.default_rng(7).normal(0, 5, soft.shape)
    return np.clip(soft * light[..., None] + grain, 0, 255).astype(np.uint8)
