"""Checkpoints are read as data: what would run code is refused."""

from __future__ import annotations

import io

import pytest

from tests.trained.checkpoint import read_checkpoint, read_pickle


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02cos\nsystem\nU\x04true\x85R.", "a checkpoint may not hold SHORT_BINSTRING"),
        (
            b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
            "a checkpoint may not call os system",
        ),
        (b"\x80\x02X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93.", "may not hold STACK_GLOBAL"),
    ],
)
def test_calls_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_pickle(io.BytesIO(content))


def test_other_files_are_refused() -> None:
    with pytest.raises(ValueError, match="not a PyTorch checkpoint of the old format"):
        read_checkpoint(b"\x80\x02K\x01.")
