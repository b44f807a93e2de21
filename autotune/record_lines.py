"""Records as lines of JSON, to carry them from one machine or database to another.

A line is a task, `{"task": key, "func": text}`, or a record of a task that came before; see
`Record.to_json`, to which `"accepted"` is added. What is read is not trusted: sizes, types and
ranges are checked, the text of a task must parse and give its key, and a trace is only replayed by
primitives that refuse what would change the meaning of the loops.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlc.autotune.measurement import STATUSES, Measurement
from mlc.autotune.record import MachineKey, Record, canonical_json, digest_of_text
from mlc.errors import MlcError, TuningError
from mlc.ir.text import parse_func
from mlc.passes.schedule.templates.base import Knobs
from mlc.passes.schedule.trace import Trace

MAX_LINE = 8 << 20
"""Characters that a line may have."""

_MAX_STEPS = 10_000
_MAX_DEPTH = 8
_MAX_STRING = 10_000
_MAX_THREADS = 4096
_MAX_KNOBS = 200


def lines_of(records: Iterable[tuple[Record, bool]]) -> Iterator[str]:
    """The lines for records and whether each was accepted; every task once, before its records."""
    known: set[str] = set()
    for record, accepted in records:
        if record.task_key not in known:
            known.add(record.task_key)
            yield canonical_json({"task": record.task_key, "func": record.func_text})
        yield canonical_json({**record.to_json(), "accepted": accepted})


def read_lines(lines: Iterable[str]) -> Iterator[tuple[Record, bool]]:
    """The records in lines of JSON; raises `TuningError` with the number of the first bad line."""
    texts: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        read = _read(number, line, texts)
        if read is not None:
            yield read


def _read(number: int, line: str, texts: dict[str, str]) -> tuple[Record, bool] | None:
    """The record in a line; None for a task, which is added to `texts`."""
    try:
        value = _object(line)
        if "func" in value:
            texts.update([_task(value)])
            return None
        return _record(value, texts), value.get("accepted") is True
    except (MlcError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = error.message if isinstance(error, MlcError) else str(error)
        what = f"no {reason}" if isinstance(error, KeyError) else reason
        raise TuningError(f"line {number} is not a tuning record: {what}") from None


def _object(line: str) -> Mapping[str, Any]:
    if len(line) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE} characters")
    value = json.loads(line, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _task(value: Mapping[str, Any]) -> tuple[str, str]:
    key, text = _string(value["task"]), value["func"]
    if not isinstance(text, str):
        raise ValueError("the loops are not a text")
    if digest_of_text(text) != key:
        raise ValueError("the key does not belong to the loops")
    parse_func(text)
    return key, text


def _record(value: Mapping[str, Any], texts: Mapping[str, str]) -> Record:
    key = _string(value["task"])
    if key not in texts:
        raise ValueError("its task did not come before")
    steps = value["trace"]
    if not isinstance(steps, list) or len(steps) > _MAX_STEPS:
        raise ValueError(f"the trace is not a list of at most {_MAX_STEPS} steps")
    _check_json(steps, _MAX_DEPTH)
    return Record(
        key,
        texts[key],
        machine_from_json(value["machine"]),
        Trace.from_json(steps),
        _measurement(value["measurement"]),
        _knobs(value["knobs"]),
        _number(value["created"]),
    )


def machine_from_json(value: Any) -> MachineKey:
    """Read what `MachineKey.to_json` gave."""
    triple, cpu, features, threads, exact, versions = value
    if type(threads) is not int or not 1 <= threads <= _MAX_THREADS or type(exact) is not bool:
        raise ValueError("impossible threads or precision")
    return MachineKey(
        _string(triple), _string(cpu), _string(features), threads, exact, _string(versions)
    )


def _measurement(value: Any) -> Measurement:
    if not isinstance(value, dict) or value["status"] not in STATUSES:
        raise ValueError("there is no such status")
    seconds = None if value["seconds"] is None else _number(value["seconds"])
    if seconds == 0:
        raise ValueError("nothing takes no time")
    return Measurement(
        value["status"],
        seconds,
        _number(value["spread"]),
        int(_number(value["samples"])),
        _number(value["build_seconds"]),
        _number(value["run_seconds"]),
        _string(value["message"]),
    )


def _knobs(value: Any) -> Knobs | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > _MAX_KNOBS:
        raise ValueError("the knobs are no object")
    for name, part in value.items():
        _string(name)
        if not isinstance(part, (int, str)):
            raise ValueError(f"knob '{name}' is neither a whole number nor a text")
    return value


def _check_json(value: Any, depth: int) -> None:
    """Nothing too deep, too long or too large; recursive over lists and objects."""
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        for name in value:
            _string(name)
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            _check_json(part, depth - 1)
    elif isinstance(value, str):
        _string(value)
    elif isinstance(value, (int, float)) and abs(value) >= 1 << 62:
        raise ValueError(f"impossible number {value}")


def _string(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_STRING:
        raise ValueError(f"not a text of at most {_MAX_STRING} characters")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"impossible number {value!r}")
    return float(value)
