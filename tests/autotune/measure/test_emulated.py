"""A device of another architecture: compiled here, run there; here "there" is an emulator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mlc.autotune.extract import extract_tasks
from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.measurement import MeasureInput, MeasureOptions
from mlc.backends.llvm.targets import resolve
from mlc.importers.onnx import import_model
from mlc.passes.schedule.templates.select import schedule_group
from tests.autotune.kernels import candidate, vectorized
from tests.autotune.measure.candidates import CRASH, HANG, WRONG
from tests.backends.emulator import emulator
from tests.small_network import network

ARM = resolve("aarch64-linux-gnu:neoverse-n1")
OPTIONS = MeasureOptions(repeats=2, run_limit_seconds=60.0)


@pytest.fixture(scope="module", autouse=True)
def _linker(aarch64_linker: list[str]) -> None:
    """There is one."""


@pytest.fixture(scope="module")
def measurer() -> Iterator[Measurer]:
    with Measurer(OPTIONS, command=[emulator()]) as made:
        yield made


def for_arm(item: MeasureInput) -> MeasureInput:
    return replace(item, target=ARM)


def test_right_and_wrong(measurer: Measurer) -> None:
    items = [for_arm(item) for item in (candidate(vectorized(4)), WRONG, candidate())]
    found = dict(measurer.measure(items))
    assert [found[number].status for number in range(3)] == ["ok", "wrong", "ok"]
    assert found[0].samples == OPTIONS.repeats
    assert found[0].seconds is not None


def test_comparing(measurer: Measurer) -> None:
    found = measurer.compare(for_arm(candidate()), for_arm(candidate(vectorized(4))), rounds=3)
    assert (found.default.status, found.leader.status) == ("ok", "ok")
    assert len(found.rounds) == found.leader.samples == 3
    bad = measurer.compare(for_arm(WRONG), for_arm(WRONG), rounds=3)
    assert bad.leader.status == "wrong"
    assert not bad.accepted


def test_faults() -> None:
    options = replace(OPTIONS, check=False, run_limit_seconds=3.0)
    with Measurer(options, command=[emulator()], builders=1) as measurer:
        items = [for_arm(item) for item in (CRASH, HANG, candidate())]
        found = [measurement for _, measurement in measurer.measure(items)]
    assert [each.status for each in found] == ["crash", "timeout", "ok"]
    assert found[0].message.startswith(f"'{emulator()}' ended with ")


def test_kernels_with_prepared_constants_and_threads(measurer: Measurer) -> None:
    tasks = extract_tasks(import_model(network()), ARM, 2)
    items = [
        MeasureInput.of(task.func, schedule_group(task.group, ARM, 2).trace, ARM, 2)
        for task in tasks
    ]
    found = [measurement for _, measurement in measurer.measure(items)]
    assert [each.status for each in found] == ["ok"] * len(tasks)


def test_a_command_that_is_not_there() -> None:
    with Measurer(OPTIONS, command=["no-such-emulator"], builders=1) as measurer:
        ((_, found),) = measurer.measure([for_arm(candidate())])
    assert found.status == "crash"
    assert found.message == "cannot run 'no-such-emulator': No such file or directory"
