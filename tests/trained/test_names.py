"""Arabic names in Latin letters: an encoder, and a decoder that takes what was said so far.

Encoder and decoder are two models; the hidden state of the decoder goes from call to call, and the
text before grows, so that every call has a new shape.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from tests.trained.engines import Both
from tests.trained.files import NAMES_DECODER, NAMES_ENCODER, NAMES_VOCABULARY

NAMES = {
    "محمد": "Mohamed",
    "فاطمة": "Fatima",
    "كريم": "Karim",
    "يوسف": "Youssef",
    "سارة": "Sara",
}
EGYPT = ("<EG>", "<ROLE_GIVEN>")
LONGEST = 12


class Translator:
    """Takes the likeliest letter at each step."""

    def __init__(self) -> None:
        self.encoder = Both(NAMES_ENCODER.path())
        self.decoder = Both(NAMES_DECODER.path())
        content = json.loads(NAMES_VOCABULARY.path().read_text(encoding="utf-8"))
        self.letters: list[str] = content["tokens"]

    def __call__(self, names: Sequence[str]) -> list[str]:
        number = {letter: index for index, letter in enumerate(self.letters)}
        rows = [[number[letter] for letter in (*EGYPT, *name, "<EOS>")] for name in names]
        source = np.full((len(rows), max(map(len, rows))), number["<PAD>"], np.int64)
        for row, given in zip(source, rows, strict=True):
            row[: len(given)] = given
        read = self.encoder({"src": source, "src_mask": source == number["<PAD>"]})
        hidden, said = read["hidden_out"], np.full((len(rows), 1), number["<BOS>"], np.int64)
        for _ in range(LONGEST):
            step = self.decoder(
                {
                    "prefix": said,
                    "memory": read["memory_out"],
                    "src_mask": read["src_mask_out"],
                    "hidden": hidden,
                }
            )
            hidden = step["hidden_out"]
            said = np.concatenate([said, step["logprobs"].argmax(axis=1)[:, None]], axis=1)
        texts = ["".join(self.letters[index] for index in row[1:]) for row in said]
        return [text.split("<EOS>")[0] for text in texts]


@pytest.fixture(scope="module")
def translate() -> Translator:
    return Translator()


def test_a_name(translate: Translator) -> None:
    assert translate(["سارة"]) == ["Sara"]


@pytest.mark.slow
def test_names_side_by_side(translate: Translator) -> None:
    """More shapes than are kept: variants go and come again."""
    assert translate(list(NAMES)) == list(NAMES.values())
    assert translate(["كريم"]) == ["Karim"]
