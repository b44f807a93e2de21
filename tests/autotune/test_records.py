"""Records stay: across processes, on full disks, in files that somebody damaged."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlc.autotune.measurement import Measurement
from mlc.autotune.records import SCHEMA_VERSION, Database, Record, machine_key
from mlc.errors import TuningError
from tests.autotune.kernels import HOST, PLAIN, candidate, record, vectorized

MACHINE = machine_key(HOST, 1)
KEY = candidate().task_key
TEXT = candidate().func_text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tuning.db"


def test_what_was_added_is_there_when_the_file_is_opened_again(path: Path) -> None:
    records = [
        record(2e-3, lanes=4),
        replace(record(1e-3), knobs={"rows": 4, "order": "columns", "packed": True}),
        record(None, "crash", lanes=16),
    ]
    with Database(path) as database:
        database.add_all(records)
    with Database(path) as database:
        assert list(database.records()) == records
        assert list(database.records(KEY, MACHINE)) == records
        assert list(database.records("0" * 64)) == []
        assert list(database.records(KEY, machine_key(HOST, 2))) == []
        assert len(database) == 3


def test_best_is_the_fastest_that_ran() -> None:
    database = Database(":memory:")
    assert database.best(KEY, MACHINE) is None
    for seconds, status, lanes in ((3e-3, "ok", 4), (1e-3, "ok", 8), (2e-3, "ok", 16)):
        database.add(record(seconds, status, lanes))
    database.add(record(None, "wrong", lanes=2))
    found = database.best(KEY, MACHINE)
    assert found is not None
    assert found.trace == vectorized(8)
    assert database.best(KEY, machine_key(HOST, 1, exact=True)) is None


def test_only_an_accepted_record_decides() -> None:
    database = Database(":memory:")
    slow, fast = record(2e-3, lanes=4), record(1e-3, lanes=8)
    database.add_all([slow, fast])
    assert database.accepted(KEY, TEXT, MACHINE) is None
    database.accept(slow)
    assert database.accepted(KEY, TEXT, MACHINE) == slow.trace
    assert database.accepted_record(KEY, MACHINE) == slow
    assert len(database) == 2
    database.accept(fast)
    assert database.accepted(KEY, TEXT, MACHINE) == fast.trace
    assert database.accepted_traces(MACHINE) == {KEY: (TEXT, fast.trace)}
    assert database.accepted_traces(machine_key(HOST, 2)) == {}
    database.reject(KEY, MACHINE)
    assert database.accepted(KEY, TEXT, MACHINE) is None


def test_a_record_can_be_accepted_without_being_added_before() -> None:
    database = Database(":memory:")
    database.accept(record())
    assert list(database.records()) == [record()]


def test_a_key_is_not_believed_without_its_loops() -> None:
    database = Database(":memory:")
    database.accept(record())
    assert database.accepted(KEY, TEXT + " ", MACHINE) is None
    with pytest.raises(TuningError) as caught:
        database.add(replace(record(), func_text=TEXT + " "))
    assert str(caught.value) == f"the key {KEY[:12]}… does not belong to the loops of the task"


def test_decisions_about_whole_models() -> None:
    database = Database(":memory:")
    assert database.decision("model", MACHINE) is None
    database.decide("model", MACHINE, {"variant": "channels-last"})
    database.decide("model", MACHINE, {"variant": "plain"})
    assert database.decision("model", MACHINE) == {"variant": "plain"}
    assert database.decision("model", machine_key(HOST, 2)) is None


def test_all_of_several_records_or_none(path: Path) -> None:
    bad = replace(record(), task_key="0" * 64)
    with Database(path) as database:
        with pytest.raises(TuningError):
            database.add_all([record(), bad])
        assert len(database) == 0


_ADD = """
import sys
from mlc.autotune.records import Database
from tests.autotune.kernels import record
database = Database(sys.argv[1])
for number in range(40):
    database.add(record(1e-3 + float(sys.argv[2]) + number))
"""


def test_several_processes_write_at_once(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", _ADD, str(path), str(number * 1000)])
        for number in range(4)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    with Database(path) as database:
        found = {entry.measurement.seconds for entry in database.records()}
    assert found == {1e-3 + number * 1000 + step for number in range(4) for step in range(40)}


class Interrupted(sqlite3.Connection):
    """After the first question of the file, another process makes the tables."""

    meanwhile: Callable[[], None] | None = None

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        rows = super().execute(statement, *values)
        if "sqlite_master" in statement or "user_version" in statement:
            other, Interrupted.meanwhile = Interrupted.meanwhile, None
            if other is not None:
                (answer,) = rows.fetchone()
                other()
                return super().execute("SELECT ?", [answer])
        return rows


def test_tables_made_meanwhile_are_no_other_database(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(Interrupted, "meanwhile", lambda: Database(path).close())
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **named: connect(*args, factory=Interrupted, **named)
    )
    with Database(path) as database:
        database.add(record(1e-3))
    assert Interrupted.meanwhile is None


def test_a_writer_that_is_killed_loses_nothing_that_it_was_told_is_kept(path: Path) -> None:
    code = _ADD.replace("range(40)", "range(10**6)") + "\n"
    code = code.replace("number))", "number))\n    print(number, flush=True)")
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(path), "0"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(25)]
    writer.kill()
    told += [int(line) for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    with Database(path) as database:
        kept = [entry.measurement.seconds for entry in database.records()]
    assert kept[: len(told)] == [1e-3 + number for number in told]


def fill(database: Database, added: list[float]) -> None:
    """Add records until one is refused; `added` are the times of those that were not."""
    for number in range(10_000):
        database.add(record(1.0 + number))
        added.append(1.0 + number)


def test_a_full_disk_is_an_error_and_loses_nothing(path: Path) -> None:
    added: list[float] = []
    with Database(path, max_bytes=64 << 10) as database:
        with pytest.raises(TuningError) as caught:
            fill(database, added)
        assert str(caught.value) == (
            f"cannot use the tuning records in {path}: database or disk is full\n"
            "  hint: make room; nothing that was recorded is lost"
        )
        assert len(added) > 10
    with Database(path) as database:
        database.add(record(0.5))
        assert [entry.measurement.seconds for entry in database.records()] == [*added, 0.5]


def test_a_file_that_may_not_grow(path: Path) -> None:
    """The operating system refuses to write, instead of SQLite."""
    with Database(path) as database:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        added: list[float] = []
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
            with pytest.raises(TuningError, match=r"^cannot use the tuning records in "):
                fill(database, added)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        database.add(record(0.5))
    with Database(path) as database:
        assert [entry.measurement.seconds for entry in database.records()] == [*added, 0.5]


def damaged(path: Path) -> None:
    path.write_bytes(b"these are not the records you are looking for" * 100)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")


def newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            damaged,
            (
                "cannot use the tuning records in {path}: file is not a database\n"
                "  hint: the file is something else, or was damaged"
            ),
        ),
        (foreign, "{path} is a database of something else than tuning records"),
        (
            newer,
            (
                "{path} has records of schema 2, this mlc knows 1\n"
                "  hint: export them as JSON lines with the version that wrote them"
            ),
        ),
    ],
)
def test_a_file_that_is_something_else(
    path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(path)
    before = path.read_bytes()
    with pytest.raises(TuningError) as caught:
        Database(path)
    assert str(caught.value) == message.format(path=path)
    assert path.read_bytes() == before


def test_a_torn_file_is_an_error(path: Path) -> None:
    with Database(path) as database:
        database.add_all([record(1.0 + number) for number in range(200)])
    data = bytearray(path.read_bytes())
    data[8192:] = os.urandom(len(data) - 8192)
    path.write_bytes(data)
    with Database(path) as database, pytest.raises(TuningError) as caught:
        list(database.records())
    assert caught.value.message == (
        f"cannot use the tuning records in {path}: database disk image is malformed"
    )


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TuningError) as caught:
        Database(tmp_path / "nowhere" / "tuning.db")
    assert caught.value.hint == "see that the folder is there and may be written"


def test_reading_only(path: Path) -> None:
    with pytest.raises(TuningError, match="unable to open database file"):
        Database(path, read_only=True)
    with Database(path) as database:
        database.add(record())
    with Database(path, read_only=True) as database:
        assert list(database.records()) == [record()]
        with pytest.raises(TuningError) as caught:
            database.add(record())
    assert caught.value.hint == "see that the file may be written"


def test_the_key_of_a_machine() -> None:
    keys = [
        machine_key(HOST, 1),
        machine_key(HOST, 2),
        machine_key(HOST, 1, exact=True),
        machine_key(replace(HOST, cpu="other"), 1),
        machine_key(replace(HOST, features="+other"), 1),
        machine_key(replace(HOST, triple="aarch64-unknown-linux-gnu"), 1),
    ]
    assert len({key.digest for key in keys}) == len(set(keys)) == 6
    assert machine_key(replace(HOST, name="another name"), 1) == keys[0]
    assert keys[0].versions.startswith("mlc-compiler ")


def test_a_record_of_a_measurement() -> None:
    item, found = candidate(vectorized()), Measurement("ok", 1e-3)
    made = Record.of(item, found, {"lanes": 8})
    assert (made.task_key, made.func_text, made.machine) == (KEY, TEXT, MACHINE)
    assert made.ok
    assert made.created > 1.7e9
    assert PLAIN.name == "kernel"
