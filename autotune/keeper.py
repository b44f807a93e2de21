"""Keeps records where the disk may be full for a while: what cannot be written waits in memory."""

from __future__ import annotations

from mlc.autotune.records import Database, Record
from mlc.errors import TuningError


class Keeper:
    """Adds records to a database; those that it refuses are tried again with the next."""

    def __init__(self, database: Database) -> None:
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
