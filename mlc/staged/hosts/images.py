"""ImageDecoder: files of images, by Pillow where it is installed; no codec is compiled."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlc.errors import InputError, ModelError, UnsupportedError
from mlc.importers.onnx.node import NodeView

try:
    from PIL import Image, UnidentifiedImageError
except ImportError:
    Image = None  # type: ignore[assignment]

Array = np.ndarray[Any, Any]

_FORMATS = ("BMP", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What ONNX says that it reads; Pillow knows many more."""

_MODES: Mapping[str, str] = {"RGB": "RGB", "BGR": "RGB", "Grayscale": "L"}
"""Pixel format → what Pillow calls it."""


def image_decoder(node: NodeView, data: Array) -> list[Array]:
    """The pixels u8[H, W, 3 or 1] of a file u8[bytes].

    Raises `UnsupportedError` without Pillow, `InputError` where the data are no image, or one of
    more pixels than Pillow takes to be safe.
    """
    pixels = node.text("pixel_format", "RGB")
    if pixels not in _MODES:
        raise ModelError(f"ImageDecoder: pixel_format '{pixels}' is none of {', '.join(_MODES)}")
    if Image is None:
        raise UnsupportedError(
            "ImageDecoder: Pillow is not installed", hint="pip install 'mlc-compiler[images]'"
        )
    try:
        with Image.open(io.BytesIO(data.astype(np.uint8).tobytes()), formats=_FORMATS) as image:
            decoded = np.asarray(image.convert(_MODES[pixels]))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError) as error:
        raise InputError(f"ImageDecoder: the data cannot be decoded: {error}") from error
    if pixels == "Grayscale":
        return [decoded[:, :, None]]
    return [np.ascontiguousarray(decoded[:, :, ::-1]) if pixels == "BGR" else decoded]
