"""The thread pool in LLVM IR, by JIT: every index once, whatever the load and the callers."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi
import llvmlite.binding as llvm
import numpy as np
import pytest

from mlc.backends.llvm.native.futex import SPIN_NANOSECONDS
from mlc.backends.llvm.native.thread_pool import thread_pool_ir
from tests.backends.pool_bodies import HARNESS, PROTOTYPES

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="the pool has threads on 64-bit Linux only",
)

ffi = cffi.FFI()


@dataclass
class Native:
    engine: llvm.ExecutionEngine
    functions: dict[str, Callable[..., Any]]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self.functions[name]


@pytest.fixture(scope="module")
def native() -> Native:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.get_process_triple()
    module = llvm.parse_assembly(thread_pool_ir(triple) + HARNESS)
    module.triple = triple
    module.verify()
    machine = llvm.Target.from_triple(triple).create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return Native(
        engine,
        {
            name: ffi.cast(prototype, engine.get_function_address(name))
            for name, prototype in PROTOTYPES.items()
        },
    )


@pytest.fixture(params=[0, 1, 3])
def pool(native: Native, request: pytest.FixtureRequest) -> Iterator[Any]:
    created = native.mlc_pool_create(request.param)
    assert (created == ffi.NULL) == (request.param == 0)
    yield created
    native.mlc_pool_destroy(created)


def address(array: np.ndarray) -> Any:
    return ffi.from_buffer(array)


def thread_ids() -> set[str]:
    return {entry.name for entry in Path("/proc/self/task").iterdir()}


def ends(threads: set[str]) -> bool:
    """Whether the threads end; the system shows a joined thread a moment longer."""
    deadline = time.monotonic() + 10
    while threads & thread_ids():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def test_every_index_runs_once_for_every_count(native: Native, pool: Any) -> None:
    counters = np.zeros(1001, np.int32)
    for count in range(1001):
        counters[:] = 0
        native.parallel_for(pool, address(counters), count)
        assert counters[:count].all()
        assert counters.sum() == count


def test_a_negative_count_runs_nothing(native: Native, pool: Any) -> None:
    counters = np.zeros(8, np.int32)
    native.parallel_for(pool, address(counters), -3)
    assert not counters.any()


def test_many_jobs_in_a_row(native: Native, pool: Any) -> None:
    counters = np.zeros(40, np.int32)
    native.rounds(pool, address(counters), 37, 20_000)
    assert counters.tolist() == [20_000] * 37 + [0] * 3


def test_sleeping_workers_wake(native: Native, pool: Any) -> None:
    counters = np.zeros(16, np.int32)
    for _ in range(100):
        time.sleep(SPIN_NANOSECONDS * 3 / 1e9)
        native.parallel_for_slow(pool, address(counters), 16)
    assert counters.tolist() == [100] * 16


def test_a_nested_job_runs_inline(native: Native, pool: Any) -> None:
    counters = np.zeros(50 * 16, np.int32)
    arguments = ffi.new("void *[2]", [pool, address(counters)])
    native.parallel_for_nested(pool, arguments, 50)
    assert (counters == 1).all()


def test_concurrent_callers_share_one_pool(native: Native, pool: Any) -> None:
    results = [np.zeros(101, np.int32) for _ in range(6)]

    def call(counters: np.ndarray) -> None:
        for count in range(101):
            native.rounds(pool, address(counters), count, 50)

    threads = [threading.Thread(target=call, args=(counters,)) for counters in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [50 * (100 - index) for index in range(101)]
    assert [counters.tolist() for counters in results] == [expected] * 6


def test_indices_run_on_several_threads_at_once(native: Native) -> None:
    """Four indices that each wait for the other three: they only meet with four threads."""
    created = native.mlc_pool_create(3)
    met = np.zeros(2 + 4, np.int32)
    native.parallel_for_meeting(created, address(met), 4)
    native.mlc_pool_destroy(created)
    assert met[:2].tolist() == [4, 4]


def test_every_thread_begins_with_a_range_of_its_own(native: Native) -> None:
    """The first four indices wait for each other, so each is the first one of a thread."""
    created = native.mlc_pool_create(3)
    for _ in range(20):
        met = np.zeros(2 + 16, np.int32)
        native.parallel_for_meeting(created, address(met), 16)
        assert met[:2].tolist() == [16, 16]
        assert sorted(met[2:6].tolist()) == [0, 4, 8, 12]
        assert sorted(met[2:].tolist()) == list(range(16))
    native.mlc_pool_destroy(created)


def test_thousand_pools_leave_no_thread_behind(native: Native) -> None:
    before = thread_ids()
    counters = np.zeros(8, np.int32)
    for index in range(1000):
        created = native.mlc_pool_create(2)
        if index % 2:
            native.parallel_for(created, address(counters), 8)
        native.mlc_pool_destroy(created)
    assert counters.tolist() == [500] * 8
    assert ends(thread_ids() - before)


def test_destroying_a_sleeping_pool(native: Native) -> None:
    for _ in range(20):
        before = thread_ids()
        created = native.mlc_pool_create(2)
        workers = thread_ids() - before
        assert len(workers) == 2
        time.sleep(SPIN_NANOSECONDS * 5 / 1e9)
        native.mlc_pool_destroy(created)
        assert ends(workers)


def test_no_pool_for_no_workers(native: Native) -> None:
    assert native.mlc_pool_create(0) == ffi.NULL
    assert native.mlc_pool_create(-5) == ffi.NULL
    native.mlc_pool_destroy(ffi.NULL)


def test_a_busy_machine(native: Native, pool: Any) -> None:
    spin = [sys.executable, "-c", "while True: pass"]
    neighbours = [subprocess.Popen(spin) for _ in os.sched_getaffinity(0)]
    try:
        counters = np.zeros(33, np.int32)
        native.rounds(pool, address(counters), 33, 2000)
        for _ in range(30):
            time.sleep(SPIN_NANOSECONDS * 2 / 1e9)
            native.parallel_for_slow(pool, address(counters), 33)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
    assert counters.tolist() == [2030] * 33


def test_workers_block_signals_but_for_faults(native: Native) -> None:
    before = thread_ids()
    created = native.mlc_pool_create(1)
    (worker,) = thread_ids() - before
    faults, unblockable = {4, 6, 7, 8, 11}, {9, 19}
    deadline = time.monotonic() + 10
    while unblocked_signals(worker) != faults | unblockable:  # a starting thread blocks them all
        assert time.monotonic() < deadline, unblocked_signals(worker)
        time.sleep(0.001)
    native.mlc_pool_destroy(created)


def unblocked_signals(thread: str) -> set[int]:
    status = Path(f"/proc/self/task/{thread}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("SigBlk"))
    blocked = int(line.split()[1], 16)
    return {number for number in range(1, 32) if not blocked >> (number - 1) & 1}


@pytest.mark.parametrize(
    "triple",
    [
        "x86_64-unknown-linux-gnu",
        "aarch64-unknown-linux-gnu",
        "aarch64-linux-musl",
        "wasm32-unknown-unknown",
        "riscv64-unknown-linux-gnu",
    ],
)
def test_assembles_for_every_triple(triple: str) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(thread_pool_ir(triple) + HARNESS)
    module.triple = triple
    module.verify()
    machine = llvm.Target.from_triple(triple).create_target_machine(reloc="pic")
    assembly = machine.emit_assembly(module)
    threaded = triple.partition("-")[0] in ("x86_64", "aarch64")
    assert ("pthread_create" in assembly) == threaded


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_a_worker_leaves_the_callers_processor(native: Native) -> None:
    """Forced together they part; the worker stays inside the set of the pool's creator."""
    allowed = os.sched_getaffinity(0)
    before = thread_ids()
    pool = native.mlc_pool_create(1)
    (worker,) = (int(name) for name in thread_ids() - before)
    here, elsewhere = {min(allowed)}, allowed - {min(allowed)}
    counters = np.zeros(64, np.int32)
    try:
        os.sched_setaffinity(0, here)
        os.sched_setaffinity(worker, here)
        deadline = time.monotonic() + 30
        while os.sched_getaffinity(worker) != elsewhere and time.monotonic() < deadline:
            native.parallel_for_slow(pool, address(counters), counters.size)
            time.sleep(0.0005)
        assert os.sched_getaffinity(worker) == elsewhere
    finally:
        os.sched_setaffinity(0, allowed)
        native.mlc_pool_destroy(pool)


def test_a_worker_stays_in_the_set_it_was_given(native: Native) -> None:
    allowed = os.sched_getaffinity(0)
    only = {min(allowed)}
    counters = np.zeros(64, np.int32)
    try:
        os.sched_setaffinity(0, only)
        before = thread_ids()
        pool = native.mlc_pool_create(1)
        (worker,) = (int(name) for name in thread_ids() - before)
        for _ in range(200):
            native.parallel_for(pool, address(counters), counters.size)
        assert os.sched_getaffinity(worker) == only
        native.mlc_pool_destroy(pool)
    finally:
        os.sched_setaffinity(0, allowed)
    assert (counters == 200).all()
