"""compile(tuning=…): accepted records schedule kernels, and only where they are meant for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.autotune import tuned
from mlc.autotune.extract import extract_tasks
from mlc.autotune.measurement import MeasureInput, Measurement
from mlc.autotune.record import Record, machine_key
from mlc.autotune.record_lines import lines_of
from mlc.autotune.records import Database
from mlc.autotune.task import Task
from mlc.backends.llvm.targets import resolve
from mlc.errors import TuningError
from mlc.importers.onnx import import_model
from mlc.passes.schedule.trace import Step, Trace
from tests.small_network import IMAGE, expected, network

TARGET = resolve("host")
MACHINE = machine_key(TARGET, 1)


def relu_task() -> Task:
    """A kernel that two nested loops can show the schedule of."""
    tasks = extract_tasks(import_model(network()), TARGET, 1)
    return next(task for task in tasks if "threshold" in task.locs)


def record(trace: Trace) -> Record:
    item = MeasureInput.of(relu_task().func, trace, TARGET, 1)
    return Record.of(item, Measurement("ok", 1e-6))


def fused_last_loops() -> Trace:
    """A schedule that no template makes: the last nest's loops are unrolled."""
    prefix = relu_task().group.stages[-1].prefix
    return Trace((Step("unroll", {"loop": f"{prefix}i3"}),))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "tuning.db") as made:
        yield made


def compiled(**options: Any) -> mlc.Module:
    module = mlc.compile(network(), **{"num_threads": 1, "cache": False, **options})
    assert isinstance(module, mlc.Module)
    return module


def loops(module: mlc.Module) -> str:
    return module.ir("loops")


def check(module: mlc.Module) -> None:
    for name, wanted in expected().items():
        np.testing.assert_allclose(module.run({"image": IMAGE})[name], wanted, 1e-4, 1e-6)


def test_an_accepted_record_schedules_its_kernel(database: Database, tmp_path: Path) -> None:
    default = loops(compiled())
    database.add(record(fused_last_loops()))
    assert loops(compiled(tuning=database)) == default
    database.accept(record(fused_last_loops()))
    module = compiled(tuning=database, dump=tmp_path / "dump")
    assert loops(module) != default
    assert "for unroll" in loops(module)
    check(module)
    assert loops(compiled(tuning=database.path)) == loops(module)
    assert loops(compiled(tuning=str(database.path))) == loops(module)
    assert "tuning: " in (tmp_path / "dump" / "fusion.txt").read_text()
    assert ": chosen: 1 recorded steps\n" in (tmp_path / "dump" / "fusion.txt").read_text()


@pytest.mark.parametrize("options", [{"num_threads": 2}, {"precision": "exact"}])
def test_records_are_for_one_machine(database: Database, options: dict[str, Any]) -> None:
    database.accept(record(fused_last_loops()))
    assert loops(compiled(tuning=database, **options)) == loops(compiled(**options))


@pytest.mark.parametrize(
    "step",
    [
        Step("unroll", {"loop": "nowhere"}),
        Step("no_such_primitive", {}),
        Step("split", {"loop": ["a"], "factor": {"b": 1}}),
        Step("unroll", {}),
    ],
)
def test_refused_records_leave_the_default(database: Database, tmp_path: Path, step: Step) -> None:
    database.accept(record(Trace((step,))))
    module = compiled(tuning=database, dump=tmp_path / "dump")
    assert loops(module) == loops(compiled())
    check(module)
    noted = [
        line
        for line in (tmp_path / "dump" / "fusion.txt").read_text().splitlines()
        if line.startswith("tuning: ")
    ]
    assert len(noted) == 1
    assert ": refused: " in noted[0]


def test_the_cache_knows_tuned_modules_from_others(database: Database, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    default = loops(compiled(cache=cache))
    assert loops(compiled(cache=cache, tuning=database)) == default
    database.accept(record(fused_last_loops()))
    chosen = loops(compiled(cache=cache, tuning=database))
    assert chosen != default
    assert loops(compiled(cache=cache)) == default
    assert loops(compiled(cache=cache, tuning=database)) == chosen
    assert len(list(cache.iterdir())) == 3


def test_no_database() -> None:
    with pytest.raises(TuningError) as caught:
        compiled(tuning="nowhere.db")
    assert str(caught.value) == (
        "cannot use the tuning records in nowhere.db: unable to open database file\n"
        "  hint: see that the folder is there and may be written"
    )


def test_shipped_records_are_asked_last(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped, other = record(fused_last_loops()), replace(record(Trace()), created=1.0)
    known = [
        (shipped, True),
        (other, False),
        (replace(other, machine=machine_key(TARGET, 7)), True),
    ]
    (tmp_path / "known.jsonl").write_text("".join(f"{line}\n" for line in lines_of(known)))
    assert tuned.shipped_traces(MACHINE, tmp_path) == {
        shipped.task_key: (shipped.func_text, shipped.trace)
    }
    monkeypatch.setattr(
        tuned, "shipped_traces", lambda machine: {shipped.task_key: (shipped.func_text, Trace())}
    )
    assert tuned.tuned_schedules(database, MACHINE)(relu_task().func) == Trace()
    database.accept(shipped)
    assert tuned.tuned_schedules(database, MACHINE)(relu_task().func) == shipped.trace


def test_what_is_shipped_can_be_read() -> None:
    assert tuned.shipped_traces(MACHINE) == {}
