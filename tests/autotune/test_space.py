"""space: sampling, mutation, crossover and enumeration stay inside; equal loops are one."""

from __future__ import annotations

import itertools
import random

import pytest

from mlc.autotune.space import TaskSpace, candidate_of, schedule_point
from mlc.autotune.task import Task, plain_func, task_key
from mlc.backends.llvm.targets import resolve
from mlc.errors import ScheduleError
from mlc.ir.work import work_of
from mlc.passes.lower.group import Group
from mlc.passes.schedule.replay import replay
from mlc.passes.schedule.templates.base import Machine
from mlc.passes.schedule.templates.select import schedule_group, template_for
from tests.passes.schedule.templates.single import group_of
from tests.passes.schedule.templates.test_convolution import group_of as convolution_of

AVX2 = resolve("x86-64-v3")
PLAIN = {"transpose_a": False, "transpose_b": False}
GROUPS = {
    "matmul": group_of("matmul", [(13, 8), (8, 24)], PLAIN, constants=[1]),
    "dot": group_of("matmul", [(2, 32), (32, 9)], PLAIN, [None, (1, 0)]),
    "convolution": convolution_of(32, 32, 8),
    "softmax": group_of("softmax", [(6, 50)], {"axis": 1}),
    "relu": group_of("relu", [(6, 50)], {}),
}


def task_of(group: Group) -> Task:
    func = plain_func(group.func)
    template = template_for(group).name
    return Task(task_key(func), func, group, template, work_of(func), 1, ())


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("name", GROUPS)
def test_the_default_is_a_point_that_makes_the_default_schedule(name: str, threads: int) -> None:
    task, machine = task_of(GROUPS[name]), Machine(AVX2, threads)
    space = TaskSpace(task, machine)
    assert space.default in space
    schedule = schedule_point(task, space.default, machine)
    assert schedule == schedule_group(task.group, AVX2, threads)
    assert replay(task.func, schedule.trace).func.body == schedule.func.body


def test_all_algorithms_get_their_turn() -> None:
    """However few the points of an algorithm are among all."""
    space = TaskSpace(task_of(GROUPS["convolution"]), Machine(AVX2, 1))
    points = list(itertools.islice(space.each_kind(random.Random(0)), 30))
    assert all(point in space for point in points)
    for algorithm in ("winograd2", "winograd4"):
        turns = [n for n, point in enumerate(points) if point["algorithm"] == algorithm]
        assert turns == list(range(turns[0], 30, 3))


@pytest.mark.parametrize("name", GROUPS)
def test_every_way_to_a_new_point_stays_inside(name: str) -> None:
    space = TaskSpace(task_of(GROUPS[name]), Machine(AVX2, 4))
    rng = random.Random(0)
    points = [space.default]
    for _ in range(100):
        points.append(space.sample(rng))
        points.append(space.mutate(rng.choice(points), rng))
        points.append(space.crossover(rng.choice(points), rng.choice(points), rng))
        points += space.neighbours(points[-1])
    assert all(point in space for point in points)
    for box in space.boxes:
        assert any(point.keys() == box.keys() for point in points)


def test_a_mutation_within_a_box_changes_one_knob_or_two() -> None:
    space = TaskSpace(task_of(GROUPS["relu"]), Machine(AVX2, 1))
    rng = random.Random(0)
    for _ in range(50):
        before = space.sample(rng)
        after = space.mutate(before, rng)
        assert 1 <= sum(before[name] != after[name] for name in before) <= 2


def test_neighbours_differ_by_one_step_of_one_knob() -> None:
    space = TaskSpace(task_of(GROUPS["matmul"]), Machine(AVX2, 1))
    (box,) = [each for each in space.boxes if all(space.default[n] in each[n] for n in each)]
    for point in space.neighbours(space.default):
        (changed,) = [name for name in box if point[name] != space.default[name]]
        values = box[changed]
        assert abs(values.index(point[changed]) - values.index(space.default[changed])) == 1


def test_enumeration_gives_every_point_once() -> None:
    space = TaskSpace(task_of(GROUPS["softmax"]), Machine(AVX2, 4))
    points = [tuple(sorted(point.items())) for point in space.enumerate()]
    assert len(points) == len(set(points)) == space.size


def test_equal_loops_are_one_candidate_and_others_are_not() -> None:
    """A tile of nine rows or more is the same in a product of nine rows."""
    task = task_of(group_of("matmul", [(9, 8), (8, 64)], PLAIN, constants=[1]))
    machine = Machine(AVX2, 1)
    space = TaskSpace(task, machine)
    knobs = {**space.default, "rows": 3, "columns": 16}
    first = candidate_of(task, knobs, machine)
    again = candidate_of(task, dict(knobs), machine)
    other = candidate_of(task, {**knobs, "columns": 8}, machine)
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.key == again.key
    assert first.key != other.key


def test_a_template_that_does_not_match_is_refused() -> None:
    task, machine = task_of(GROUPS["relu"]), Machine(AVX2, 1)
    with pytest.raises(ScheduleError) as caught:
        schedule_point(task, {"template": "dot"}, machine)
    assert str(caught.value) == "no template 'dot' schedules this kernel"
    assert candidate_of(task, {"template": "dot"}, machine) is None


def test_generators_with_one_seed_give_one_sequence() -> None:
    space = TaskSpace(task_of(GROUPS["convolution"]), Machine(AVX2, 4))
    left, right = random.Random(7), random.Random(7)
    assert [space.sample(left) for _ in range(20)] == [space.sample(right) for _ in range(20)]
