"""How long at least one of several threads was busy."""

from __future__ import annotations

import threading
import time


class Busy:
    """A context that threads enter while they work; `seconds` counts each moment once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._since = 0.0
        self._before = 0.0

    @property
    def seconds(self) -> float:
        """Until now."""
        with self._lock:
            running = time.perf_counter() - self._since if self._inside else 0.0
            return self._before + running

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._since = time.perf_counter()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._before += time.perf_counter() - self._since
