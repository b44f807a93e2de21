"""What spares the cache from digesting the weights of an entry at every load.

Digesting them is most of what loading a large model costs. A stamp, a line in the entry's folder,
says which digest its constants were found to have, and in which state their file was. While the
file is in this state, the digest is believed; else the file is digested again.

A stamp proves that since the digest was computed the file was not replaced, and that nobody wrote
to it, cut it or set its times: a time of change that was set back shows in that of the inode. It
holds until the machine starts anew, because what was written shortly before a crash may be lost
though the file has its size and times.

It does not prove that a failing disk gives back what it was given, and it does not see who writes
past the file system, through a mapping made before, or with the clock set back. Nor is it a guard
against malice, as little as a digest: who can write to the folder can change the code.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from mlc.file_state import file_state
from mlc.whole_file import write_whole

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_MOST_BYTES = 1 << 10
_SECOND = 1_000_000_000
_TICK_NANOSECONDS = 20_000_000
"""Two changes further apart than this have different times."""


@dataclass(frozen=True)
class Stamp:
    """The stamp in the file `path`, which need not be there."""

    path: Path

    def vouches(self, status: os.stat_result, digest: str) -> bool:
        """Whether the file with this status is known to have the digest."""
        try:
            with self.path.open("rb") as file:
                return file.read(_MOST_BYTES) == _text(status, digest).encode()
        except OSError:
            return False

    def learn(self, status: os.stat_result, digest: str) -> None:
        """Note the digest of the file that had this status before it was read, or when written.

        Nothing is noted of a file that changed just now, because a further change could bear the
        same time, nor where nothing can be written.
        """
        if _is_settled(status.st_ctime_ns):
            with contextlib.suppress(OSError):
                write_whole(self.path, _text(status, digest))


def _text(status: os.stat_result, digest: str) -> str:
    """All that must be as it was; `OSError` where it is not known when the machine started."""
    return f"{digest} {_BOOT.read_text().strip()} {' '.join(map(str, file_state(status)))}\n"


def _is_settled(changed: int) -> bool:
    """Whether a change from now on has another time; whole seconds are of a coarse clock."""
    tick = 2 * _SECOND if changed % _SECOND == 0 else _TICK_NANOSECONDS
    return time.time_ns() - changed > tick
