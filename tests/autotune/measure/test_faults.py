"""Whatever a candidate does is a status of its measurement, and the next one is measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.measurement import MeasureInput, Measurement, MeasureOptions
from mlc.autotune.records import Database, Record
from tests.autotune.kernels import candidate, refused, vectorized
from tests.autotune.measure.candidates import CRASH, HANG, HUGE, WRONG

OPTIONS = MeasureOptions(repeats=3, min_repeat_ms=0.1, run_limit_seconds=20.0)
UNCHECKED = replace(OPTIONS, check=False, run_limit_seconds=1.0)
FINE = candidate(vectorized())


@pytest.fixture(scope="module")
def measurer() -> Iterator[Measurer]:
    with Measurer(OPTIONS) as made:
        yield made


@pytest.fixture(scope="module")
def unchecked() -> Iterator[Measurer]:
    with Measurer(UNCHECKED, builders=1) as made:
        list(made.measure([candidate()]))  # what starting workers takes is not the candidates'
        yield made


def measured(measurer: Measurer, *items: MeasureInput) -> list[Measurement]:
    found = dict(measurer.measure(items))
    assert list(found) == list(range(len(items)))
    return list(found.values())


def test_fine(measurer: Measurer) -> None:
    plain, fast = measured(measurer, candidate(), FINE)
    assert (plain.status, fast.status) == ("ok", "ok")
    assert plain.seconds is not None
    assert fast.seconds is not None
    assert 0 < fast.seconds < plain.seconds
    assert fast.samples == OPTIONS.repeats
    assert fast.build_seconds > 0
    assert fast.run_seconds > 0
    assert fast.message == ""


def test_refused(measurer: Measurer) -> None:
    bad, fine = measured(measurer, candidate(refused()), FINE)
    assert (bad.status, bad.message) == ("build-error", "split: loop 'nowhere' not found")
    assert fine.ok


def test_wrong(measurer: Measurer) -> None:
    bad, fine = measured(measurer, WRONG, FINE)
    assert (bad.status, bad.seconds) == ("wrong", None)
    assert bad.message.startswith("out0: 16 of 16 elements are off, by up to ")
    assert fine.ok


def test_crash(unchecked: Measurer) -> None:
    bad, fine = measured(unchecked, CRASH, FINE)
    assert (bad.status, bad.message) == ("crash", "died of SIGSEGV")
    assert fine.ok


def test_endless_loop(unchecked: Measurer) -> None:
    bad, fine = measured(unchecked, HANG, FINE)
    assert (bad.status, bad.message) == ("timeout", "killed after 1 s")
    assert fine.ok


def test_out_of_memory(unchecked: Measurer) -> None:
    bad, fine = measured(unchecked, HUGE, FINE)
    assert bad.status == "out-of-memory"
    assert bad.message.startswith("Unable to allocate 59.6 GiB")
    assert fine.ok


def test_plain_loops_that_crash(measurer: Measurer) -> None:
    bad, again, fine = measured(measurer, CRASH, CRASH, FINE)
    assert (bad.status, bad.message) == ("crash", "build: died of SIGSEGV")
    assert (again.status, again.message) == (bad.status, bad.message)
    assert fine.ok


def test_a_worker_that_is_killed_once_is_replaced() -> None:
    with Measurer(replace(UNCHECKED, run_limit_seconds=30.0)) as measurer:
        runners = workers_of(measurer)
        assert measured(measurer, FINE)[0].ok
        (worker,) = runners.pids()
        os.kill(worker, signal.SIGKILL)
        (found,) = measured(measurer, FINE)
        assert found.ok
        assert runners.pids() != [worker]


def test_a_worker_that_is_killed_again_and_again_is_lost() -> None:
    with Measurer(replace(UNCHECKED, run_limit_seconds=30.0)) as measurer:
        runners = workers_of(measurer)
        measured(measurer, FINE)
        done = threading.Event()

        def kill() -> None:
            while not done.wait(0.3):
                for worker in runners.pids():
                    os.kill(worker, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        (found,) = measured(measurer, HANG)
        done.set()
        killer.join()
        assert (found.status, found.message) == ("lost", "killed from outside by SIGKILL")
        assert measured(measurer, FINE)[0].ok


def workers_of(measurer: Measurer):  # type: ignore[no-untyped-def]
    station = measurer._station
    assert station is not None
    return station.runners


def test_closing_ends_all_processes() -> None:
    measurer = Measurer(UNCHECKED, builders=2)
    measured(measurer, FINE, candidate())
    station = measurer._station
    assert station is not None
    pids = station.builders.pids() + station.runners.pids()
    assert len(pids) >= 2
    measurer.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    measurer.close()


_INTERRUPTED = """
import sys
from dataclasses import replace
from mlc.autotune.measure.measurer import Measurer
from tests.autotune.measure.test_faults import FINE, UNCHECKED
from tests.autotune.measure.candidates import HANG
if __name__ == "__main__":
    with Measurer(replace(UNCHECKED, run_limit_seconds=1.0), builders=1) as measurer:
        list(measurer.measure([FINE]))
        station = measurer._station
        print(*station.builders.pids(), *station.runners.pids(), flush=True)
        list(measurer.measure([HANG]))
"""


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_workers_do_not_outlive_who_asked(signal_number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    time.sleep(0.5)
    process.send_signal(signal_number)
    process.communicate()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() and not is_zombie(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker is still there"
        time.sleep(0.1)


def is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_every_fault_is_on_record(unchecked: Measurer) -> None:
    database = Database(":memory:")
    items = [CRASH, candidate(refused()), HUGE, FINE]
    for number, found in unchecked.measure(items):
        database.add(Record.of(items[number], found))
    statuses = [entry.measurement.status for entry in database.records()]
    assert statuses == ["crash", "build-error", "out-of-memory", "ok"]
