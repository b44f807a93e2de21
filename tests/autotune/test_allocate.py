"""Which task is tuned next: weights, trends, distance from the limits, turns, and the end."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from mlc.autotune.allocate import (
    Allocation,
    Allocator,
    Progress,
    least_seconds,
    nominal_limits,
)
from mlc.autotune.task import Task, task_key
from mlc.backends.llvm.targets import resolve
from mlc.ir.work import Work
from mlc.passes.schedule.templates.base import Space
from mlc.runtime.roofline import Limits
from tests.passes.schedule.templates.single import group_of

NO_TURNS = Allocation(turns=0.0, threshold=0.0)


def task(key: str, *history: float, weight: float = 1.0, limit: float = 0.1) -> Progress:
    progress = Progress(key, weight, limit, kind=key)
    for best in history:
        progress.note(best, trials=8, cost=1.0)
    return progress


def chosen(*tasks: Progress, options: Allocation = NO_TURNS) -> str | None:
    found = Allocator(tasks, options).next()
    return found and found.key


def test_every_task_is_warmed_up_first() -> None:
    tasks = [task("a"), task("b"), task("c", 1.0)]
    allocator = Allocator(tasks, Allocation(warm_up=2))
    order = []
    for _ in range(5):
        found = allocator.next()
        found.note(1.0, 8, 1.0)
        order.append(found.key)
    assert order == ["a", "b", "a", "b", "c"]


def test_the_task_in_flight_is_waited_for_where_nothing_promises_half_as_much() -> None:
    heavy, light, middling = (
        task(name, 1.0, 1.0, weight=weight) for name, weight in (("a", 5.0), ("b", 1.0), ("c", 3.0))
    )
    assert Allocator([heavy, light], NO_TURNS).next(in_flight=heavy) is heavy
    assert Allocator([heavy, light, middling], NO_TURNS).next(in_flight=heavy) is middling
    assert Allocator([heavy, light], NO_TURNS).next(in_flight=light) is heavy


def test_a_task_in_flight_counts_as_warmed_up() -> None:
    first, second = task("a"), task("b")
    allocator = Allocator([first, second], NO_TURNS)
    assert allocator.next(in_flight=first) is second
    assert Allocator([first], NO_TURNS).next(in_flight=first) is first


def test_the_heavier_task_goes_first() -> None:
    assert chosen(task("a", 1.0), task("b", 1.0, weight=5)) == "b"


def test_the_task_farther_from_its_limit_goes_first() -> None:
    assert chosen(task("a", 1.0, limit=0.9), task("b", 1.0, limit=0.2)) == "b"


def test_a_task_that_still_improves_goes_before_one_that_does_not() -> None:
    assert chosen(task("a", 1.0, 1.0, 1.0, 1.0), task("b", 1.6, 1.4, 1.2, 1.0)) == "b"


def test_a_cheap_round_counts_for_more() -> None:
    slow, quick = task("slow"), task("quick")
    slow.note(1.0, 8, 10.0)
    quick.note(1.0, 8, 1.0)
    assert chosen(slow, quick) == "quick"


def test_similar_tasks_temper_the_hope() -> None:
    near = Progress("near", 1.0, 0.5, kind="window")
    far = Progress("far", 1.0, 0.1, kind="window")
    near.note(1.0, 8, 1.0)
    far.note(1.0, 8, 1.0)
    assert Allocator([near, far]).bound(far) == pytest.approx(0.1 / 0.75)


def test_a_task_beyond_its_limit_still_hopes_a_little() -> None:
    beyond = task("a", 1.0, limit=3.0)
    assert 0 < Allocator([beyond]).gain(beyond) < 0.1


def test_a_task_that_cannot_be_measured_is_hopeless() -> None:
    assert chosen(task("a", math.inf), task("b", 1.0)) == "b"


def test_exhausted_tasks_and_those_without_calls_are_left_out() -> None:
    done, elsewhere = task("a", 1.0), task("b", 1.0, weight=0)
    done.exhausted = True
    assert chosen(done, elsewhere) is None


def test_the_end_is_when_nothing_more_is_expected() -> None:
    stuck = task("a", *[1.0] * 30)
    assert chosen(stuck, options=Allocation(threshold=1e-3)) is None
    assert chosen(stuck) == "a"


def test_turns_forget_nobody() -> None:
    tasks = [task("heavy", 1.0, weight=1e6), task("b", 1.0), task("c", 1.0)]
    allocator = Allocator(tasks, Allocation(turns=0.3, threshold=0.0), seed=1)
    counts = Counter(allocator.next().key for _ in range(200))
    assert counts["heavy"] > 100
    assert min(counts["b"], counts["c"]) > 5


def working(flops: int, moved: int, template: str = "elementwise") -> Task:
    group = group_of("relu", [(6, 50)], {})
    return Task(task_key(group.func), group.func, group, template, Work(flops, moved), 1, ())


def test_the_limit_is_that_of_arithmetic_or_of_memory() -> None:
    limits = Limits(flops=1e11, bytes=2e10)
    boxes: list[Space] = [{"template": ("contraction",)}]
    assert least_seconds(working(10**12, 1), limits, boxes) == pytest.approx(10.0)
    assert least_seconds(working(1, 10**12), limits, []) == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("template", "box", "seconds"),
    [
        ("convolution", {"algorithm": ("implicit_gemm", "direct")}, 144.0),
        ("convolution", {"algorithm": ("winograd2",)}, 64.0),
        ("convolution", {"algorithm": ("winograd4",)}, 36.0),
        ("strided_convolution", {"algorithm": ("winograd2",)}, 100.0),
        ("strided_convolution", {"algorithm": ("implicit_gemm", "winograd4")}, 81.0),
        ("strassen", {"blocks": ("2x2x2",)}, 126.0),
        ("strassen", {"blocks": ("4x2x4", "4x4x4")}, 110.25),
    ],
)
def test_algorithms_of_the_space_may_do_with_fewer_operations(
    template: str, box: Space, seconds: float
) -> None:
    limits, task = Limits(flops=1e11, bytes=2e10), working(144 * 10**11, 1, template)
    boxes: list[Space] = [{"template": ("contraction",), "rows": (1, 2)}]
    boxes.append({"template": (template,), **box})
    assert least_seconds(task, limits, boxes) == pytest.approx(seconds)


def test_nominal_limits_share_the_memory_among_threads() -> None:
    target = resolve("x86-64-v3")
    one, two = nominal_limits(target, 1), nominal_limits(target, 2)
    assert two == Limits(2 * one.flops, one.bytes)
