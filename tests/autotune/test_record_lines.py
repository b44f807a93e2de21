"""Records as lines: they carry all from one database to another, and are not believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlc.autotune.record import digest_of_text
from mlc.autotune.records import Database, machine_key
from mlc.errors import TuningError
from tests.autotune.kernels import HOST, candidate, record

MACHINE = machine_key(HOST, 1)
KEY = candidate().task_key


def test_lines_carry_records_to_another_database(tmp_path: Path) -> None:
    lines = tmp_path / "records.jsonl"
    ours, theirs = Database(":memory:"), Database(":memory:")
    records = [record(2e-3, lanes=4), record(1e-3), record(None, "timeout", lanes=16)]
    ours.add_all(records)
    ours.accept(records[1])
    assert ours.export_lines(lines) == 3
    assert theirs.import_lines(lines) == 3
    assert theirs.import_lines(lines) == 0
    assert list(theirs.records()) == records
    assert theirs.accepted_record(KEY, MACHINE) is None
    assert theirs.import_lines(lines, trusted=True) == 0
    assert theirs.accepted_record(KEY, MACHINE) == records[1]
    assert sum('"func"' in line for line in lines.read_text().splitlines()) == 1


Change = Callable[[list[dict[str, Any]]], object]

BAD_LINES: dict[str, tuple[Change, str]] = {
    "other-loops": (
        lambda lines: lines[0].update(func=lines[0]["func"] + " "),
        "line 1 is not a tuning record: the key does not belong to the loops",
    ),
    "no-task": (
        lambda lines: lines.pop(0),
        "line 1 is not a tuning record: its task did not come before",
    ),
    "no-trace": (
        lambda lines: lines[1].pop("trace"),
        "line 2 is not a tuning record: no 'trace'",
    ),
    "a-step-too-strange": (
        lambda lines: lines[1].update(trace=[{"primitive": 7}]),
        "line 2 is not a tuning record: trace: step 0 is not a primitive with arguments",
    ),
    "too-many-steps": (
        lambda lines: lines[1].update(trace=[{"primitive": "split", "arguments": {}}] * 10_001),
        "line 2 is not a tuning record: the trace is not a list of at most 10000 steps",
    ),
    "too-deep": (
        lambda lines: lines[1].update(
            trace=[{"primitive": "split", "arguments": {"loop": [[[[[[["i"]]]]]]]}}]
        ),
        "line 2 is not a tuning record: nested too deeply",
    ),
    "negative-time": (
        lambda lines: lines[1]["measurement"].update(seconds=-1.0),
        "line 2 is not a tuning record: impossible number -1.0",
    ),
    "no-time-at-all": (
        lambda lines: lines[1]["measurement"].update(seconds=0),
        "line 2 is not a tuning record: nothing takes no time",
    ),
    "a-failure-with-a-time": (
        lambda lines: lines[1]["measurement"].update(status="crash"),
        "line 2 is not a tuning record: a measurement with status 'crash' took 0.001",
    ),
    "unknown-status": (
        lambda lines: lines[1]["measurement"].update(status="fine"),
        "line 2 is not a tuning record: there is no such status",
    ),
    "threads": (
        lambda lines: lines[1]["machine"].__setitem__(3, 0),
        "line 2 is not a tuning record: impossible threads or precision",
    ),
    "long-text": (
        lambda lines: lines[1]["measurement"].update(message="x" * 10_001),
        "line 2 is not a tuning record: not a text of at most 10000 characters",
    ),
    "knobs": (
        lambda lines: lines[1].update(knobs={"rows": 1.5}),
        "line 2 is not a tuning record: knob 'rows' is neither a whole number nor a text",
    ),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_lines_add_nothing(tmp_path: Path, name: str) -> None:
    change, message = BAD_LINES[name]
    path = tmp_path / "records.jsonl"
    database = Database(":memory:")
    database.add(record())
    database.export_lines(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    other = Database(":memory:")
    with pytest.raises(TuningError) as caught:
        other.import_lines(path)
    assert str(caught.value) == message
    assert len(other) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1]\n", "line 1 is not a tuning record: not an object"),
        (b'{"task": NaN}\n', "line 1 is not a tuning record: NaN is not a number"),
        (b"\xff\xfe\n", "{path} is not a text"),
    ],
)
def test_files_that_hold_something_else(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(content)
    with pytest.raises(TuningError) as caught:
        Database(":memory:").import_lines(path)
    assert str(caught.value) == message.format(path=path)


def test_a_task_whose_loops_do_not_parse_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps({"task": digest_of_text("not loops"), "func": "not loops"}) + "\n")
    with pytest.raises(TuningError, match=r"^line 1 is not a tuning record: expected 'func'"):
        Database(":memory:").import_lines(path)


def test_no_file_to_import(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    with pytest.raises(TuningError) as caught:
        Database(":memory:").import_lines(path)
    assert str(caught.value) == f"cannot read {path}: No such file or directory"
