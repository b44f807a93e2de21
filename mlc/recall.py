"""Which entry of the cache a model file led to, so that a model nobody touched is not read again.

Reading and digesting the weights is most of what finding a compiled model costs. A note, a small
JSON file in the cache folder, is named by a question (a path and everything else the compilation
was told) and holds the answer, a key of the cache, beside the state of every file that was read for
it. It counts only while each of them is the same file, of the same size, unchanged since. Files
that changed just before they were read are not noted: a later change could bear the same time.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from mlc.file_state import FileState, file_state
from mlc.whole_file import write_whole

MOST_NOTES = 1024
_SETTLED_NANOSECONDS = 2_000_000_000
_MOST_BYTES = 1 << 20


def recalled(folder: Path, question: str) -> str | None:
    """The key noted for a question, if every file is as it was."""
    try:
        with (folder / question).open("rb") as file:
            note = json.loads(file.read(_MOST_BYTES))
        states = note["files"]
        unchanged = all(list(file_state(Path(path).stat())) == states[path] for path in states)
        key = note["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return key if unchanged and states and isinstance(key, str) else None


def note(folder: Path, question: str, files: Mapping[Path, FileState], key: str) -> None:
    """Note an answer; where that cannot be, nothing is noted."""
    newest = max((max(state[3:]) for state in files.values()), default=time.time_ns())
    if time.time_ns() - newest < _SETTLED_NANOSECONDS:
        return
    states = {os.fspath(path.absolute()): state for path, state in files.items()}
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        _drop_oldest(folder)
        write_whole(folder / question, json.dumps({"key": key, "files": states}))


def _drop_oldest(folder: Path) -> None:
    notes = sorted((path.stat().st_mtime_ns, path) for path in folder.iterdir())
    for _, path in notes[: max(0, len(notes) - MOST_NOTES + 1)]:
        path.unlink()
