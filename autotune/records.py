"""What was measured, kept for the next time: SQLite, safe for several processes at once.

A record is known by its task (the SHA-256 of the plain loops, verified by equality of their text)
and by its machine (triple, CPU, features, threads, precision and versions). What `add` was given is
on disk when it returns. Of each task and machine one record may be accepted: the one that a final
comparison found faster than the default; only accepted records decide how a model is compiled.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final
from urllib.parse import quote

from mlc.autotune.measurement import Measurement
from mlc.autotune.record import (
    MachineKey,
    Record,
    canonical_json,
    digest_of_text,
    machine_key,
)
from mlc.autotune.record_lines import lines_of, machine_from_json, read_lines
from mlc.errors import TuningError
from mlc.passes.schedule.trace import Trace

__all__ = ["SCHEMA_VERSION", "Database", "MachineKey", "Record", "machine_key"]

SCHEMA_VERSION = 1

_BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (key TEXT PRIMARY KEY, func TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS machines (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY,
    task TEXT NOT NULL REFERENCES tasks,
    machine INTEGER NOT NULL REFERENCES machines,
    trace TEXT NOT NULL,
    status TEXT NOT NULL,
    seconds REAL,
    spread REAL NOT NULL,
    samples INTEGER NOT NULL,
    build_seconds REAL NOT NULL,
    run_seconds REAL NOT NULL,
    message TEXT NOT NULL,
    knobs TEXT,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS records_by_task ON records (task, machine, status, seconds);
CREATE TABLE IF NOT EXISTS accepted (
    task TEXT NOT NULL REFERENCES tasks,
    machine INTEGER NOT NULL REFERENCES machines,
    record INTEGER NOT NULL REFERENCES records,
    PRIMARY KEY (task, machine)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS decisions (
    model TEXT NOT NULL,
    machine INTEGER NOT NULL REFERENCES machines,
    decision TEXT NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (model, machine)
) WITHOUT ROWID;
"""

_INSERT = """
INSERT INTO records (task, machine, trace, status, seconds, spread, samples, build_seconds,
                     run_seconds, message, knobs, created)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_SELECT = """
SELECT r.task, t.func, m.key, r.trace, r.status, r.seconds, r.spread, r.samples, r.build_seconds,
       r.run_seconds, r.message, r.knobs, r.created, r.id = a.record
FROM records r JOIN tasks t ON t.key = r.task JOIN machines m ON m.id = r.machine
LEFT JOIN accepted a ON a.task = r.task AND a.machine = r.machine
"""


@final
class Database:
    """Records in a file, made where there is none, or in memory for the path ":memory:".

    `read_only`: an existing file that is never written. `max_bytes`: how large the file may grow.
    Safe for several threads and processes. Every method raises `TuningError` when the file is
    damaged, locked for long, or cannot grow; what was added before is still there then.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, read_only: bool = False, max_bytes: int | None = None
    ) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        with self._guarded():
            self._connection = self._connect(read_only)
            try:
                self._check_schema()
                if not read_only:
                    self._prepare(max_bytes)
            except BaseException:
                self._connection.close()
                raise

    def add(self, record: Record) -> None:
        """Keep a record; it is on disk when this returns."""
        self.add_all([record])

    def add_all(self, records: Iterable[Record]) -> None:
        """Keep several records, all or none of them."""
        with self._writing():
            for record in records:
                self._insert(record)

    def records(
        self, task_key: str | None = None, machine: MachineKey | None = None
    ) -> Iterator[Record]:
        """The records of a task, of a machine, of both, or all, in the order they were added."""
        return (record for record, _ in self._select(task_key, machine))

    def best(self, task_key: str, machine: MachineKey) -> Record | None:
        """The fastest record of a task, accepted or not."""
        rows = self._rows(
            f"{_SELECT} WHERE r.task = ? AND m.key = ? AND r.status = 'ok' "
            "ORDER BY r.seconds, r.id LIMIT 1",
            (task_key, machine.text),
        )
        return _record(rows[0])[0] if rows else None

    def accept(self, record: Record) -> None:
        """Let `record`, which is added if it is not there, decide how its task is compiled."""
        with self._writing():
            self._accept(record)

    def reject(self, task_key: str, machine: MachineKey) -> None:
        """Let the default decide again."""
        with self._writing():
            self._connection.execute(
                "DELETE FROM accepted WHERE task = ? AND machine = ?",
                (task_key, self._machine(machine)),
            )

    def accepted_record(self, task_key: str, machine: MachineKey) -> Record | None:
        """The record that decides how a task is compiled, if one was accepted."""
        rows = self._rows(
            f"{_SELECT} WHERE r.task = ? AND m.key = ? AND r.id = a.record",
            (task_key, machine.text),
        )
        return _record(rows[0])[0] if rows else None

    def accepted(self, task_key: str, func_text: str, machine: MachineKey) -> Trace | None:
        """The trace that decides how a task is compiled; its loops must be equal to `func_text`."""
        found = self.accepted_record(task_key, machine)
        return None if found is None or found.func_text != func_text else found.trace

    def accepted_traces(self, machine: MachineKey) -> dict[str, tuple[str, Trace]]:
        """Loops and trace of every task with an accepted record, by task."""
        rows = self._rows(f"{_SELECT} WHERE m.key = ? AND r.id = a.record", (machine.text,))
        found = (_record(row)[0] for row in rows)
        return {record.task_key: (record.func_text, record.trace) for record in found}

    def decide(self, model_key: str, machine: MachineKey, decision: Mapping[str, Any]) -> None:
        """Keep a decision about a whole model, such as the variant of its graph, as JSON."""
        text = canonical_json(decision)
        with self._writing():
            self._connection.execute(
                "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?)",
                (model_key, self._machine(machine), text, time.time()),
            )

    def decision(self, model_key: str, machine: MachineKey) -> dict[str, Any] | None:
        """What was decided about a whole model."""
        return self.decisions(machine).get(model_key)

    def decisions(self, machine: MachineKey) -> dict[str, dict[str, Any]]:
        """What was decided about each model, by its key."""
        rows = self._rows(
            "SELECT d.model, d.decision FROM decisions d JOIN machines m ON m.id = d.machine "
            "WHERE m.key = ?",
            (machine.text,),
        )
        return {model: json.loads(decision) for model, decision in rows}

    def export_lines(self, path: str | os.PathLike[str]) -> int:
        """Write every record as a line of JSON, the file whole or not at all; their number."""
        target = Path(path)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        rows = self._select(None, None)
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines_of(rows))
            draft.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise TuningError(f"cannot write {target}: {error.strerror}") from None
        return len(rows)

    def import_lines(self, path: str | os.PathLike[str], *, trusted: bool = False) -> int:
        """Add the records of such a file, all or none; gives the number of those that are new.

        They are only known then: to be accepted, a record must win here. A `trusted` file's
        accepted records stay so.
        """
        new = 0
        try:
            with Path(path).open(encoding="utf-8", errors="strict") as file, self._writing():
                for record, accepted in read_lines(file):
                    new += self._number_of(record) is None
                    if accepted and trusted:
                        self._accept(record)
                    elif self._number_of(record) is None:
                        self._insert(record)
        except OSError as error:
            raise TuningError(f"cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise TuningError(f"{path} is not a text") from None
        return new

    def close(self) -> None:
        """Close the file; nothing else works afterwards."""
        with self._guarded():
            self._connection.close()

    def __len__(self) -> int:
        return int(self._rows("SELECT count(*) FROM records", ())[0][0])

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self, read_only: bool) -> sqlite3.Connection:
        where = f"file:{quote(str(self.path))}?mode=ro" if read_only else str(self.path)
        connection = sqlite3.connect(
            where,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            uri=read_only,
        )
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def _check_schema(self) -> None:
        """Refuse a file of another program or of a later version."""
        # In this order: another process may be making the tables, and their version with them.
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version == SCHEMA_VERSION or (version == 0 and tables == 0):
            return
        if version == 0:
            raise TuningError(f"{self.path} is a database of something else than tuning records")
        raise TuningError(
            f"{self.path} has records of schema {version}, this mlc knows {SCHEMA_VERSION}",
            hint="export them as JSON lines with the version that wrote them",
        )

    def _prepare(self, max_bytes: int | None) -> None:
        execute = self._connection.execute
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        if max_bytes is not None:
            (page,) = execute("PRAGMA page_size").fetchone()
            execute(f"PRAGMA max_page_count = {max(1, max_bytes // page)}")
        (version,) = execute("PRAGMA user_version").fetchone()
        if version == 0:
            with self._writing():
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    execute(statement)
                execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _machine(self, machine: MachineKey) -> int:
        """The number of a machine, which is given one now if it has none."""
        self._connection.execute("INSERT OR IGNORE INTO machines (key) VALUES (?)", [machine.text])
        select = "SELECT id FROM machines WHERE key = ?"
        return int(self._connection.execute(select, [machine.text]).fetchone()[0])

    def _insert(self, record: Record) -> int:
        self._add_task(record.task_key, record.func_text)
        found = record.measurement
        knobs = None if record.knobs is None else canonical_json(dict(record.knobs))
        row = (
            record.task_key,
            self._machine(record.machine),
            canonical_json(record.trace.to_json()),
            found.status,
            found.seconds,
            found.spread,
            found.samples,
            found.build_seconds,
            found.run_seconds,
            found.message,
            knobs,
            record.created,
        )
        number = self._connection.execute(_INSERT, row).lastrowid
        assert number is not None
        return number

    def _add_task(self, key: str, text: str) -> None:
        """Keep the loops of a task; those that are there already must be equal."""
        if digest_of_text(text) != key:
            raise TuningError(f"the key {key[:12]}… does not belong to the loops of the task")
        self._connection.execute("INSERT OR IGNORE INTO tasks VALUES (?, ?)", (key, text))
        select = "SELECT func FROM tasks WHERE key = ?"
        if self._connection.execute(select, [key]).fetchone()[0] != text:
            raise TuningError(f"{self.path} has other loops for the task {key[:12]}…")

    def _number_of(self, record: Record) -> int | None:
        trace = canonical_json(record.trace.to_json())
        row = self._connection.execute(
            "SELECT id FROM records WHERE task = ? AND machine = ? AND created = ? AND trace = ?",
            (record.task_key, self._machine(record.machine), record.created, trace),
        ).fetchone()
        return None if row is None else int(row[0])

    def _accept(self, record: Record) -> None:
        number = self._number_of(record)
        if number is None:
            number = self._insert(record)
        self._connection.execute(
            "INSERT OR REPLACE INTO accepted VALUES (?, ?, ?)",
            (record.task_key, self._machine(record.machine), number),
        )

    def _select(self, task: str | None, machine: MachineKey | None) -> list[tuple[Record, bool]]:
        conditions = {"r.task = ?": task, "m.key = ?": None if machine is None else machine.text}
        given = {text: value for text, value in conditions.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        rows = self._rows(f"{_SELECT} {where} ORDER BY r.id", tuple(given.values()))
        return [_record(row) for row in rows]

    def _rows(self, query: str, arguments: tuple[str, ...]) -> list[tuple[Any, ...]]:
        with self._guarded():
            return self._connection.execute(query, arguments).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction: all that happens inside, or nothing."""
        with self._guarded():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One thread at a time; what SQLite complains about becomes a `TuningError`."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise TuningError(
                    f"cannot use the tuning records in {self.path}: {error}", hint=_hint(error)
                ) from None


_HINTS = {
    "full": "make room; nothing that was recorded is lost",
    "locked": "another process is writing for a long time; try again",
    "not a database": "the file is something else, or was damaged",
    "malformed": "the file was damaged; restore it, or start with a new one",
    "unable to open": "see that the folder is there and may be written",
    "readonly": "see that the file may be written",
}


def _hint(error: sqlite3.Error) -> str | None:
    return next((hint for word, hint in _HINTS.items() if word in str(error)), None)


def _record(row: tuple[Any, ...]) -> tuple[Record, bool]:
    """A row of `_SELECT` as a record, and whether it was accepted."""
    task, func, machine, trace, *measured, knobs, created, accepted = row
    record = Record(
        task,
        func,
        machine_from_json(json.loads(machine)),
        Trace.from_json(json.loads(trace)),
        Measurement(*measured),
        None if knobs is None else json.loads(knobs),
        created,
    )
    return record, bool(accepted)
