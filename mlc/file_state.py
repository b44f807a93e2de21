"""What tells a file that nobody touched from one that somebody did, without reading it."""

from __future__ import annotations

import os

FileState = tuple[int, int, int, int, int]
"""Device, inode, size in bytes, and the nanoseconds of the last change of contents and of inode.

Whoever writes to a file may set back the former time, but by doing so sets the latter to now.
"""


def file_state(status: os.stat_result) -> FileState:
    """The state of a file, whose contents are as they were while this is as it was."""
    changed = status.st_mtime_ns, status.st_ctime_ns
    return (status.st_dev, status.st_ino, status.st_size, *changed)
