"""Keeps records where the disk may be full for a while: what cannot be written waits in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from mlc.autotune.records import Record
from mlc.errors import TuningError


class Store(Protocol):
    """What records are written to."""

    def add_all(self, records: Iterable[Record]) -> None:
        """Keep records, all or none of them; raises `TuningError` where that cannot be."""


class Keeper:
    """Adds records to a store; those that it refuses are tried again with the next."""

    def __init__(self, database: Store) -> None:
        self.database = database
        self.waiting: list[Record] = []
        self.trouble = ""

    def add(self, record: Record) -> None:
        """Keep a record; on disk when this returns, unless there is `trouble`."""
        self.waiting.append(record)
        self.flush()

    def flush(self) -> None:
        """Try to write everything that waits."""
        if not self.waiting:
            return
        try:
            self.database.add_all(self.waiting)
        except TuningError as error:
            self.trouble = error.message
        else:
            self.waiting.clear()
            self.trouble = ""
