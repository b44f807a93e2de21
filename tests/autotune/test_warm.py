"""What other models and machines taught: samples for the model, seeds for the search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlc.autotune.extents import extents_of
from mlc.autotune.measurement import MeasureInput, Measurement
from mlc.autotune.records import Database, Record
from mlc.autotune.seeds import Seed, Seeds, moved
from mlc.autotune.space import TaskSpace, candidate_of
from mlc.autotune.task import Task
from mlc.autotune.warm import spaced, warm_up
from mlc.backends.llvm.targets import resolve
from mlc.passes.schedule.templates.base import Knobs, Space
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
    assert seeds.near(second, TaskSpace(second, MACHINE), 1) == [records[0].knobs]


def test_other_machines_are_other_tasks_with_the_same_seeds(database: Database) -> None:
    task = tasks()[0]
    elsewhere = replace(MACHINE, target=resolve("x86-64-v4"), threads=2)
    records = fill(database, task, 3, elsewhere)
    student, seeds = learner(), Seeds()
    assert warm_up(student, seeds, database, MACHINE, {task.key}) == 3
    (name,) = {sample.task for sample in student.samples}
    assert name.startswith(task.key)
    assert name != task.key
    boxes = TaskSpace(task, MACHINE).boxes
    assert seeds.near(task, TaskSpace(task, MACHINE), 1) == [moved(records[0].knobs or {}, boxes)]


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


def some_matmul() -> tuple[Task, TaskSpace]:
    task = tasks()[0]
    return task, TaskSpace(task, MACHINE)


def test_seeds_are_those_of_the_nearest_tasks() -> None:
    task, space = some_matmul()
    near, far = (extents_of(task.func)._replace(columns=columns) for columns in (48, 24 * 64))
    seeds = Seeds()
    for key, extents, steps in (("far", far, 1), ("near", near, 2)):
        seeds.add(Seed(key, extents, {**space.default, "unroll": steps}, 1.0))
    seeds.add(Seed("other", near, {"template": "elementwise"}, 1.0))
    assert [knobs["unroll"] for knobs in seeds.near(task, space, 9)] == [2, 1]
    assert [knobs["unroll"] for knobs in seeds.near(task, space, 1)] == [2]
    seeds.add(Seed(task.key, far, {**space.default, "unroll": 4}, 1.0), "elsewhere")
    assert [knobs["unroll"] for knobs in seeds.near(task, space, 2)] == [4, 2]


def test_the_fastest_of_several_tasks_come_before_the_next_of_one() -> None:
    task, space = some_matmul()
    extents = extents_of(task.func)
    seeds = Seeds()
    for steps in (8, 2, 1):
        seeds.add(Seed("near", extents, {**space.default, "unroll": steps}, 1.0 * steps))
    seeds.add(Seed("far", extents._replace(rows=1), {**space.default, "unroll": 4}, 1.0))
    assert [knobs["unroll"] for knobs in seeds.near(task, space, 3)] == [1, 4, 2]


def test_few_points_of_a_task_are_kept_each_once() -> None:
    task, space = some_matmul()
    seeds = Seeds()
    for steps, seconds in ((1, 4.0), (2, 1.0), (8, 3.0), (2, 2.0), (4, 2.0)):
        knobs = {**space.default, "unroll": steps}
        seeds.add(Seed("k", extents_of(task.func), knobs, seconds))
    assert [knobs["unroll"] for knobs in seeds.near(task, space, 9)] == [2, 4, 8]


def test_points_that_meet_in_one_are_one() -> None:
    task, space = some_matmul()
    seeds = Seeds()
    for key, rows in (("first", 1000), ("second", 2000)):
        seeds.add(Seed(key, extents_of(task.func), {**space.default, "rows": rows}, 1.0))
    (only,) = seeds.near(task, space, 9)
    assert only in space


def test_a_point_is_moved_knob_by_knob() -> None:
    box: Space = {
        "tile": (2, 4, 16),
        "order": ("rows", "columns"),
        "block": (0, 4),
        "pack": (True, False),
    }
    knobs: Knobs = {"tile": 7, "order": "columns", "block": 3, "unroll": 4}
    assert moved(knobs, (box,)) == {"tile": 4, "order": "columns", "block": 4, "pack": True}
    assert moved({"order": "diagonal", "block": 0}, (box,)) == {
        "tile": 2,
        "order": "rows",
        "block": 0,
        "pack": True,
    }


def test_a_point_is_moved_to_the_box_of_its_kind() -> None:
    direct: Space = {"algorithm": ("direct",), "rows": (4, 8), "unroll": (1, 2)}
    narrow: Space = {"algorithm": ("winograd",), "rows": (2,), "columns": (16,)}
    wide: Space = {"algorithm": ("winograd",), "rows": (2,), "columns": (64,)}
    knobs: Knobs = {"algorithm": "winograd", "rows": 8, "columns": 48}
    assert moved(knobs, (direct, narrow, wide)) == {
        "algorithm": "winograd",
        "rows": 2,
        "columns": 64,
    }


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task.key[:8])
def test_what_is_moved_can_be_scheduled(task: Task) -> None:
    space = TaskSpace(task, MACHINE)
    foreign: Knobs = {
        "template": task.template,
        "rows": 13,
        "columns": 80,
        "block": 5,
        "vectors": 3,
    }
    point = moved(foreign, space.boxes)
    assert point in space
    assert candidate_of(task, point, MACHINE) is not None
