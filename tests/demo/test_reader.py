"""The whole demo reads its picture."""

from __future__ import annotations

from PIL import Image

from mlc.demo.engines import Engine, compile_network
from mlc.demo.models import DETECTION, RECOGNITION
from mlc.demo.picture import TEXTS, draw_picture
from mlc.demo.reader import detect, recognise


def test_every_word_is_read() -> None:
    picture = Image.fromarray(draw_picture())
    engine = Engine("mlc", compile_network, threads=2)
    boxes = detect(engine, DETECTION.path(), picture)
    words = recognise(engine, RECOGNITION.path(), picture, boxes)
    assert [word.text for word in words] == list(TEXTS)
