"""ImageDecoder: files of images become pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mlc.errors import InputError, UnsupportedError
from mlc.staged.hosts import images
from tests.staged.hosts.agreement import parse, run

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)


def encoded(pixels: np.ndarray, file_format: str = "PNG") -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, file_format)
    return np.frombuffer(stream.getvalue(), np.uint8)


def decoded(data: np.ndarray, pixel_format: str) -> np.ndarray:
    model = parse(f"""
    g (uint8[n] x) => (y) {{ y = ImageDecoder <pixel_format = "{pixel_format}"> (x) }}
    """)
    (found,) = run(model, {"x": data})
    return found


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "PPM", "TIFF"])
def test_colours(file_format: str) -> None:
    data = encoded(PIXELS, file_format)
    np.testing.assert_array_equal(decoded(data, "RGB"), PIXELS)
    np.testing.assert_array_equal(decoded(data, "BGR"), PIXELS[:, :, ::-1])


def test_grey_has_one_channel() -> None:
    grey = PIXELS[:, :, 0]
    np.testing.assert_array_equal(decoded(encoded(grey), "Grayscale"), grey[:, :, None])
    np.testing.assert_array_equal(decoded(encoded(grey), "RGB"), np.stack([grey] * 3, axis=2))


def test_data_that_are_no_image() -> None:
    with pytest.raises(InputError) as caught:
        decoded(np.arange(9, dtype=np.uint8), "RGB")
    assert caught.value.message.startswith("ImageDecoder: the data cannot be decoded: ")
    with pytest.raises(InputError):
        decoded(encoded(PIXELS)[:60], "RGB")


def test_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "Image", None)
    with pytest.raises(UnsupportedError) as caught:
        decoded(encoded(PIXELS), "RGB")
    assert caught.value.message == "ImageDecoder: Pillow is not installed"
    assert caught.value.hint == "pip install 'mlc-compiler[images]'"
