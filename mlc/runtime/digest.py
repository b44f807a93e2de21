"""The digest of a file's contents, computed by all processors where it is large.

SHA-256 of the SHA-256 digests of its blocks, in order: a tree of depth one. Blocks are hashed side
by side, because a model's weights are what loading it waits for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from mlc.runtime.threads import available_processors

BLOCK_BYTES = 4 << 20
_MOST_THREADS = 8
"""More than this memory cannot feed."""


class KnownDigest(Protocol):
    """Remembers the digest of a file, so that it need not be computed while nothing changes."""

    def vouches(self, status: os.stat_result, digest: str) -> bool:
        """Whether the file with this status is known to have the digest."""

    def learn(self, status: os.stat_result, digest: str) -> None:
        """Remember the digest; the status was taken before the file was read."""


def block_digest(*parts: bytes | memoryview) -> str:
    """The digest, in hexadecimal, of `parts` one after the other; a block ends where a part does.

    >>> block_digest(b"ab") == block_digest(b"a", b"b")
    False
    """
    blocks = list(_blocks(parts))
    threads = min(len(blocks), available_processors(), _MOST_THREADS)
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:  # hashing releases the interpreter's lock
            digests = list(pool.map(_sha256, blocks))
    else:
        digests = list(map(_sha256, blocks))
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _blocks(parts: tuple[bytes | memoryview, ...]) -> Iterator[memoryview]:
    for part in parts:
        view = memoryview(part).cast("B")
        for start in range(0, len(view), BLOCK_BYTES):
            yield view[start : start + BLOCK_BYTES]


def _sha256(block: memoryview) -> bytes:
    return hashlib.sha256(block).digest()
