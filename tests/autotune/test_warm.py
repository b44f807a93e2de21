"""What other models and machines taught: samples for the model, seeds for the search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlc.autotune.measurement import MeasureInput, Measurement
from mlc.autotune.records import Database, Record
from mlc.autotune.seeds import Seed, Seeds
from mlc.autotune.space import TaskSpace, candidate_of
from mlc.autotune.task import Task
from mlc.autotune.warm import spaced, warm_up
from mlc.backends.llvm.targets import resolve
from mlc.ir.work import Work
from mlc.passes.schedule.trace import Step, Trace
from tests.autotune.fakes import MACHINE, learner, tasks


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "records.sqlite")


def fill(database: Database, task: Task, number: int, machine=MACHINE) -> list[Record]:  # type: ignore[no-untyped-def]
    """Some candidates of a task, the first the fastest."""
    made: dict[str, Record] = {}
    for knobs in TaskSpace(task, machine).enumerate():
        found = candidate_of(task, knobs, machine)
        if found is not None and found.key not in made:
            trace = found.schedule.trace
            item = MeasureInput.of(task.func, trace, machine.target, machine.threads)
            seconds = 1e-5 * (1 + len(made))
            made[found.key] = Record.of(item, Measurement("ok", seconds), found.knobs)
            if len(made) == number:
                database.add_all(made.values())
                return list(made.values())
    raise AssertionError(f"the space has {len(made)} candidates")


def test_records_of_other_tasks_teach(database: Database) -> None:
    first, second = tasks()[:2]
    records = fill(database, first, 4)
    fill(database, second, 3)
    student, seeds = learner(), Seeds()
    assert warm_up(student, seeds, database, MACHINE, {second.key}) == 4
    assert {sample.task for sample in student.samples} == {first.key}
    assert sorted(sample.seconds for sample in student.samples) == sorted(
        record.measurement.seconds for record in records
    )
    assert seeds.near(second, 5) == [records[0].knobs]


def test_other_machines_are_other_tasks_with_the_same_seeds(database: Database) -> None:
    task = tasks()[0]
    elsewhere = replace(MACHINE, target=resolve("x86-64-v4"), threads=2)
    records = fill(database, task, 3, elsewhere)
    student, seeds = learner(), Seeds()
    assert warm_up(student, seeds, database, MACHINE, {task.key}) == 3
    (name,) = {sample.task for sample in student.samples}
    assert name.startswith(task.key)
    assert name != task.key
    assert seeds.near(task, 1) == [records[0].knobs]


def test_failures_teach_nothing(database: Database) -> None:
    task = tasks()[0]
    item = MeasureInput.of(task.func, Trace(), MACHINE.target, 1)
    database.add(Record.of(item, Measurement("crash")))
    assert warm_up(learner(), Seeds(), database, MACHINE, set()) == 0


def test_steps_that_apply_no_more_are_left_out(database: Database) -> None:
    task = tasks()[0]
    trace = Trace((Step("split", {"loop": "nothing", "factor": 2}),))
    item = MeasureInput.of(task.func, trace, MACHINE.target, 1)
    database.add(Record.of(item, Measurement("ok", 1e-5)))
    assert warm_up(learner(), Seeds(), database, MACHINE, set()) == 0


def test_only_so_many_are_read(database: Database) -> None:
    for task in tasks()[:2]:
        fill(database, task, 4)
    student = learner()
    assert warm_up(student, Seeds(), database, MACHINE, set(), most=4) == 4


def test_a_ranking_is_thinned_from_end_to_end() -> None:
    ranking = list("abcdefghi")
    assert spaced(ranking, 3) == ["a", "e", "i"]
    assert spaced(ranking, 20) == ranking


def test_seeds_are_those_of_the_nearest_tasks() -> None:
    task = tasks()[0]
    near = Work(task.work.flops * 2, task.work.bytes)
    far = Work(task.work.flops * 64, task.work.bytes)
    seeds = Seeds()
    for key, work, rows in (("far", far, 1), ("near", near, 2), ("slower", near, 2)):
        seeds.add(Seed(key, work, {"template": task.template, "rows": rows}, 1.0))
    seeds.add(Seed("other", near, {"template": "other"}, 1.0))
    assert [knobs["rows"] for knobs in seeds.near(task, 9)] == [2, 1]
    seeds.add(Seed(task.key, far, {"template": task.template, "rows": 9}, 1.0), "elsewhere")
    assert [knobs["rows"] for knobs in seeds.near(task, 2)] == [9, 2]


def test_a_faster_point_takes_the_place_of_a_slower() -> None:
    task = tasks()[0]
    seeds = Seeds()
    for rows, seconds in ((1, 2.0), (2, 1.0), (3, 3.0)):
        seeds.add(Seed("k", task.work, {"template": task.template, "rows": rows}, seconds))
    assert seeds.near(task, 5) == [{"template": task.template, "rows": 2}]
