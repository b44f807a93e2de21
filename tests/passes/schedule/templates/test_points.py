"""Every value of every knob, in points of small groups: compiled, against the reference."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from mlc.backends.llvm.targets import resolve
from mlc.errors import ScheduleError
from mlc.ir.operators import OPERATORS
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.lower.group import Group
from mlc.passes.schedule.replay import replay
from mlc.passes.schedule.templates.base import Knobs, Machine, Space
from mlc.passes.schedule.templates.select import default_knobs, schedule_group, spaces
from tests.backends.harness import run_compiled
from tests.passes.schedule.templates.single import group_of

PLAIN = {"transpose_a": False, "transpose_b": False}
LAST = (0, 2, 3, 1)
WINDOW = {"strides": (1, 1), "before": (0, 0), "after": (0, 0), "dilations": (1, 1)}
CONV = {**WINDOW, "groups": 1}
POOL = {**WINDOW, "kernel": (3, 3), "strides": (2, 2)}

GROUPS = {
    "product": group_of("matmul", [(13, 80), (80, 40)], PLAIN, constants=[1]),
    "product of inputs": group_of("matmul", [(9, 24), (24, 40)], PLAIN),
    "product with packed columns": group_of(
        "matmul", [(9, 24), (40, 24)], {**PLAIN, "transpose_b": True}
    ),
    "batched product": group_of("matmul", [(3, 7, 72), (3, 72, 20)], PLAIN),
    "long product": group_of("matmul", [(2, 35, 72), (72, 136)], PLAIN, constants=[1]),
    "product of transposed rows": group_of(
        "matmul", [(72, 70), (72, 136)], {**PLAIN, "transpose_a": True}, constants=[1]
    ),
    "wide pointwise": group_of(
        "conv", [(1, 24, 7, 10), (136, 24, 1, 1)], CONV, [LAST, None, LAST], constants=[1]
    ),
    "one row": group_of("matmul", [(1, 130), (130, 70)], PLAIN, constants=[1]),
    "dot": group_of("matmul", [(2, 40), (40, 9)], PLAIN, [None, (1, 0)]),
    "pointwise": group_of(
        "conv", [(1, 72, 5, 6), (20, 72, 1, 1)], CONV, [LAST, None, LAST], constants=[1]
    ),
    "strided": group_of(
        "conv",
        [(1, 32, 9, 11), (20, 32, 3, 3)],
        {**CONV, "strides": (2, 2)},
        [LAST, None, LAST],
        constants=[1],
    ),
    "winograd": group_of(
        "conv", [(1, 16, 9, 8), (20, 16, 3, 3)], CONV, [LAST, None, LAST], constants=[1]
    ),
    "winograd in chunks": group_of(
        "conv", [(1, 16, 14, 15), (20, 16, 3, 3)], CONV, [LAST, None, LAST], constants=[1]
    ),
    "strided winograd": group_of(
        "conv",
        [(1, 16, 20, 27), (20, 16, 3, 3)],
        {**CONV, "strides": (2, 2)},
        [LAST, None, LAST],
        constants=[1],
    ),
    "grouped": group_of(
        "conv",
        [(1, 12, 6, 6), (16, 6, 3, 3)],
        {**CONV, "groups": 2},
        [LAST, None, LAST],
        constants=[1],
    ),
    "depthwise": group_of(
        "conv",
        [(1, 40, 8, 9), (40, 1, 3, 3)],
        {**CONV, "groups": 40},
        [LAST, None, LAST],
        constants=[1],
    ),
    "pooling": group_of("max_pool", [(1, 40, 9, 11)], POOL, [LAST, LAST]),
    "softmax": group_of("softmax", [(6, 150)], {"axis": 1}),
    "mean over an image": group_of("reduce_mean", [(2, 40, 7, 5)], {"axes": (2, 3)}, [LAST]),
    "exp": group_of("exp", [(6, 330)], {}),
    "transpose": group_of("identity", [(3, 24, 36)], {}, [(0, 2, 1), None]),
}


def covering_points(box: Space) -> Iterator[Knobs]:
    """Points of a box in which every value of every knob appears, otherwise at random."""
    rng = random.Random(0)
    columns = [itertools.cycle(rng.sample(values, len(values))) for values in box.values()]
    for _ in range(max(map(len, box.values()))):
        yield dict(zip(box, map(next, columns), strict=True))


def result_of(group: Group, knobs: Knobs | None, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """What the compiled point gives, and what NumPy gives; checks that the trace replays."""
    generator = np.random.default_rng(0)
    stage = group.stages[0]
    shapes = {param.name: param.shape for param in group.func.params}
    values = {n: generator.standard_normal(shapes[n]).astype(np.float32) for n in stage.inputs}
    schedule = schedule_group(group, resolve("host"), threads, knobs)
    assert replay(group.func, schedule.trace).func.body == schedule.func.body
    func = finish_loops(schedule.func)
    found = run_compiled(func, values, threads=threads, params=group.func.params)["out0"]
    inputs = [values[name].astype(np.float64) for name in stage.inputs]
    (wanted,) = OPERATORS[stage.node.op].reference(inputs, stage.node.attrs)
    return found, wanted


def check_points(name: str, threads: int, most: int) -> int:
    """Check so many points, of all boxes in turn; tells how many differ."""
    group, machine = GROUPS[name], Machine(resolve("host"), threads)
    seen: set[object] = set()
    boxes = random.Random(0).sample(spaces(group, machine), len(spaces(group, machine)))
    for knobs in itertools.islice(in_turn(map(covering_points, boxes)), most):
        try:
            func = schedule_group(group, machine.target, threads, knobs).func
        except ScheduleError:
            continue
        if func not in seen:
            seen.add(func)
            found, wanted = result_of(group, knobs, threads)
            bound = 2e-5 * max(1.0, float(np.abs(wanted).max()))
            np.testing.assert_allclose(found, wanted, 1e-5, bound, err_msg=str(knobs))
    return len(seen)


def in_turn(sources: Iterable[Iterator[Knobs]]) -> Iterator[Knobs]:
    """One of each source, then the next of each, until all have ended."""
    for round_ in itertools.zip_longest(*sources):
        yield from (knobs for knobs in round_ if knobs is not None)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", GROUPS)
def test_points_compute_what_numpy_computes(name: str, threads: int) -> None:
    assert check_points(name, threads, 3) > 1


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", GROUPS)
def test_every_value_of_every_knob(name: str, threads: int) -> None:
    assert check_points(name, threads, 1000) > 1


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", GROUPS)
def test_points_of_the_template_of_the_default_apply(name: str, threads: int) -> None:
    machine = Machine(resolve("host"), threads)
    group = GROUPS[name]
    default = default_knobs(group, machine)
    boxes = [box for box in spaces(group, machine) if box["template"] == (default["template"],)]
    for knobs in itertools.islice(in_turn(map(covering_points, boxes)), 20):
        schedule_group(group, machine.target, threads, knobs)
