"""Measuring by other processes: any executor of `concurrent.futures`, and a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

from mlc.autotune.fleet import connected
from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.measure.remote import answer
from mlc.autotune.measurement import MeasureOptions
from mlc.errors import TuningError
from tests.autotune.kernels import candidate, refused, vectorized
from tests.autotune.measure.candidates import WRONG

OPTIONS = MeasureOptions(repeats=3, min_repeat_ms=0.1)
ITEMS = [candidate(vectorized()), candidate(refused()), WRONG, candidate()]
STATUSES = ["ok", "build-error", "wrong", "ok"]


def check(executor: Any) -> None:
    with Measurer(OPTIONS, executor=executor) as measurer:
        found = dict(measurer.measure(ITEMS))
        assert [found[number].status for number in range(len(ITEMS))] == STATUSES
        comparison = measurer.compare(candidate(), candidate(vectorized()), rounds=5)
    assert comparison.accepted
    assert comparison.speedup > 1.5
    assert len(comparison.rounds) == comparison.leader.samples == 5


def test_threads() -> None:
    with ThreadPoolExecutor(2) as executor:
        check(executor)


def test_processes() -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        check(executor)


class Flaky:
    """An executor whose processes are not there."""

    def submit(self, function: Any, /, *args: Any) -> Future[Any]:
        assert function is answer
        future: Future[Any] = Future()
        future.set_exception(ConnectionResetError("gone"))
        return future


def test_an_executor_that_fails_loses_the_measurement_and_no_more() -> None:
    with Measurer(OPTIONS, executor=Flaky()) as measurer:
        ((number, found),) = measurer.measure([candidate()])
    assert (number, found.status, found.message) == (0, "lost", "ConnectionResetError: gone")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler and two workers, reachable from this machine only."""
    distributed = pytest.importorskip("distributed")
    made = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
    )
    with made:
        yield made


def test_two_workers_of_dask(cluster: Any) -> None:
    with connected(cluster.scheduler_address) as executor:
        check(executor)
        workers = {executor.submit(process_number).result() for _ in range(20)}
    assert len(workers) == 2
    assert os.getpid() not in workers


def process_number() -> int:
    return os.getpid()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "tcp://192.0.2.1:8786",
            (
                "'192.0.2.1' is another machine, and tcp:// lets everybody in\n"
                "  hint: give scheduler and workers certificates, and write tls://"
            ),
        ),
        (
            "tcp://devices.example:8786",
            (
                "'devices.example' is another machine, and tcp:// lets everybody in\n"
                "  hint: give scheduler and workers certificates, and write tls://"
            ),
        ),
        (
            "127.0.0.1",
            (
                "'127.0.0.1' is not the address of a Dask scheduler\n"
                "  hint: write tcp://127.0.0.1:8786"
            ),
        ),
        (
            "tcp://127.0.0.1:port",
            (
                "'tcp://127.0.0.1:port' is not the address of a Dask scheduler\n"
                "  hint: write tcp://127.0.0.1:8786"
            ),
        ),
    ],
)
def test_addresses_that_are_refused(address: str, message: str) -> None:
    with pytest.raises(TuningError) as caught, connected(address):
        pass
    assert str(caught.value) == message
