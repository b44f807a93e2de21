"""The digest of large contents."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from mlc.runtime import digest
from mlc.runtime.digest import BLOCK_BYTES, block_digest


def test_is_the_digest_of_the_blocks_digests() -> None:
    data = np.random.default_rng(0).bytes(2 * BLOCK_BYTES + 5)
    blocks = [data[:BLOCK_BYTES], data[BLOCK_BYTES : 2 * BLOCK_BYTES], data[2 * BLOCK_BYTES :]]
    inner = b"".join(hashlib.sha256(block).digest() for block in blocks)
    assert block_digest(data) == hashlib.sha256(inner).hexdigest()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_does_not_depend_on_threads(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(1).bytes(3 * BLOCK_BYTES)
    expected = block_digest(data)
    monkeypatch.setattr(digest, "available_processors", lambda: threads)
    assert block_digest(data) == expected


def test_every_byte_counts() -> None:
    data = bytearray(BLOCK_BYTES + 1)
    before = block_digest(bytes(data))
    data[-1] = 1
    assert block_digest(bytes(data)) != before


def test_nothing() -> None:
    assert block_digest() == block_digest(b"") == hashlib.sha256(b"").hexdigest()
