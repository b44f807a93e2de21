"""What is measured besides faults: comparisons, early stops, kernels with constants and threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mlc.autotune.extract import extract_tasks
from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.measurement import MeasureInput, Measurement, MeasureOptions
from mlc.errors import TuningError
from mlc.importers.onnx import import_model
from mlc.ir.text import parse_func, print_func
from mlc.passes.schedule.templates.select import schedule_group
from mlc.passes.schedule.trace import Trace
from tests.autotune.kernels import HOST, PLAIN, candidate, refused, vectorized
from tests.autotune.measure.candidates import CRASH, WRONG
from tests.small_network import network

OPTIONS = MeasureOptions(repeats=3, min_repeat_ms=0.1)


@pytest.fixture(scope="module")
def measurer() -> Iterator[Measurer]:
    with Measurer(OPTIONS) as made:
        yield made


@pytest.mark.parametrize("threads", [1, 3])
def test_all_kernels_of_a_network(measurer: Measurer, threads: int) -> None:
    tasks = extract_tasks(import_model(network()), HOST, threads)
    items = [
        MeasureInput.of(
            task.func, schedule_group(task.group, HOST, threads).trace, HOST, threads
        )
        for task in tasks
    ]  # fmt: skip
    assert [item.task_key for item in items] == [task.key for task in tasks]
    found = [measurement for _, measurement in measurer.measure(items)]
    assert [each.status for each in found] == ["ok"] * len(tasks)


def test_the_limits_are_known_where_it_measures_itself(measurer: Measurer) -> None:
    found = measurer.limits(HOST, 1)
    assert found is not None
    assert min(found.flops, found.bytes) > 1e8
    for elsewhere in (
        Measurer(OPTIONS, command=["emulator"]),
        Measurer(OPTIONS, executor=_Nobody()),
    ):
        with elsewhere:
            assert elsewhere.limits(HOST, 1) is None


class _Nobody:
    def submit(self, function: object, /, *args: object) -> None:
        raise AssertionError("nothing is asked")


def test_nothing_to_measure(measurer: Measurer) -> None:
    assert list(measurer.measure([])) == []


def test_a_leader_that_is_faster_is_accepted(measurer: Measurer) -> None:
    found = measurer.compare(candidate(), candidate(vectorized()), rounds=9)
    assert found.accepted
    assert found.speedup > 1.5
    assert len(found.rounds) == found.default.samples == found.leader.samples == 9
    default, leader = found.default.seconds, found.leader.seconds
    assert default is not None
    assert leader is not None
    assert default > leader


def test_a_leader_that_is_slower_is_not(measurer: Measurer) -> None:
    found = measurer.compare(candidate(vectorized()), candidate(), rounds=9)
    assert not found.accepted
    assert found.speedup < 0.7


def test_comparing_with_something_that_does_not_build(measurer: Measurer) -> None:
    found = measurer.compare(candidate(), candidate(refused()))
    assert not found.accepted
    assert (found.default.status, found.leader.status) == ("lost", "build-error")
    found = measurer.compare(candidate(refused()), candidate())
    assert (found.default.status, found.leader.status) == ("build-error", "lost")


def test_comparing_with_something_wrong(measurer: Measurer) -> None:
    found = measurer.compare(WRONG, WRONG)
    assert not found.accepted
    assert found.leader.status == "wrong"
    assert found.leader.message.startswith("candidate 0: out0: 16 of 16 elements are off")


def test_comparing_different_tasks(measurer: Measurer) -> None:
    with pytest.raises(TuningError) as caught:
        measurer.compare(candidate(), CRASH)
    assert str(caught.value) == "only candidates of one task and machine can be compared"


def test_cold_caches() -> None:
    options = replace(OPTIONS, cold=True)
    with Measurer(options, builders=1) as measurer:
        ((_, found),) = measurer.measure([candidate(vectorized())])
        assert found.ok
        assert found.samples == 3
        assert measurer.compare(candidate(), candidate(vectorized()), rounds=3).leader.ok


def test_losers_are_given_up_early() -> None:
    """The plain loops are several times slower than the vectorised ones."""
    func = parse_func(print_func(PLAIN).replace("64", "2048"))
    items = [MeasureInput.of(func, trace, HOST) for trace in (vectorized(), Trace())]
    statuses = {}
    for factor in (0.0, 1.0):
        with Measurer(replace(OPTIONS, abandon_factor=factor), builders=1) as measurer:
            statuses[factor] = [found for _, found in measurer.measure(items)]
    patient, hasty = statuses[0.0][1], statuses[1.0][1]
    assert (patient.samples, patient.message) == (3, "")
    assert hasty.message == "abandoned: much slower than the best"
    assert hasty.samples == 2
    assert hasty.ok


def test_building_while_running() -> None:
    with Measurer(OPTIONS, builders=1, overlap=True) as measurer:
        found = dict(measurer.measure([candidate(), candidate(vectorized()), candidate()]))
    assert [found[number].status for number in range(3)] == ["ok"] * 3


def test_stopping_in_the_middle(measurer: Measurer) -> None:
    for _number, found in measurer.measure([candidate()] * 30):
        assert found.ok
        break
    ((_, found),) = measurer.measure([candidate(vectorized())])
    assert found.ok


def test_a_closed_measurer() -> None:
    measurer = Measurer(OPTIONS)
    measurer.close()
    with pytest.raises(TuningError) as caught:
        list(measurer.measure([candidate()]))
    assert str(caught.value) == "the measurer is closed"


def test_json_of_inputs_and_measurements() -> None:
    item = candidate(vectorized())
    assert MeasureInput.from_json(item.to_json()) == item
    found = Measurement("ok", 1e-3, 0.5, 3, 1.0, 2.0, "remark")
    assert Measurement.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("status", "seconds", "message"),
    [
        ("fine", None, "there is no status 'fine' of a measurement"),
        ("ok", None, "a measurement with status 'ok' took None"),
        ("crash", 1.0, "a measurement with status 'crash' took 1.0"),
    ],
)
def test_impossible_measurements(status: str, seconds: float | None, message: str) -> None:
    with pytest.raises(TuningError) as caught:
        Measurement(status, seconds)  # type: ignore[arg-type]
    assert str(caught.value) == message
