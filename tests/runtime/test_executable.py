"""Many threads, many processes, many modules: one result, and nothing left behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.runtime.executable import MAX_IDLE_WORKSPACES, Executable
from tests.runtime import toy

SIZE = 5000


def vectors(seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    x, y = np.random.default_rng(seed).standard_normal((2, SIZE), np.float32)
    return x, y


def threads() -> set[str]:
    return {entry.name for entry in Path("/proc/self/task").iterdir()}


def end(workers: set[str]) -> bool:
    """Whether the threads end; the system shows a joined thread a moment longer."""
    deadline = time.monotonic() + 10
    while workers & threads():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_results_do_not_depend_on_the_threads(num_threads: int) -> None:
    with toy.module((SIZE,), num_threads=num_threads) as module:
        for seed in range(20):
            x, y = vectors(seed)
            np.testing.assert_array_equal(module(x, y), toy.expected(x, y))


@pytest.mark.parametrize("num_threads", [1, 3])
def test_concurrent_calls_do_not_mix(num_threads: int) -> None:
    def check(seed: int) -> bool:
        x, y = vectors(seed)
        expected = toy.expected(x, y)
        return all(np.array_equal(module(x, y), expected) for _ in range(100))

    with toy.module((SIZE,), num_threads=num_threads) as module:
        with ThreadPoolExecutor(12) as callers:
            assert all(callers.map(check, range(24)))
        resources = module._executable._resources
        assert resources is not None
        assert 1 <= len(resources.idle) <= MAX_IDLE_WORKSPACES
        assert resources.threads.pool.users == []


def test_the_pool_starts_with_the_first_call_and_ends_with_close() -> None:
    before = threads()
    module = toy.module((SIZE,), num_threads=4)
    assert not threads() - before
    module(*vectors())
    workers = threads() - before
    module(*vectors())
    assert threads() - before == workers
    assert len(workers) == 3
    module.close()
    assert end(workers)


def test_one_thread_starts_no_pool() -> None:
    before = threads()
    module = toy.module((SIZE,), num_threads=1)
    module(*vectors())
    assert not threads() - before


def test_a_module_nobody_refers_to_ends_its_threads_and_code() -> None:
    before = threads()
    module = toy.module((SIZE,), num_threads=3)
    module(*vectors())
    workers = threads() - before
    assert len(workers) == 2
    code = weakref.ref(module._executable._code)
    del module
    gc.collect()
    assert end(workers)
    assert code() is None


def test_closing_during_calls_lets_them_finish() -> None:
    x, y = vectors()
    expected = toy.expected(x, y)
    for _ in range(20):
        module = toy.module((SIZE,), num_threads=2)
        outcomes: list[bool] = []

        def call(module: Any = module, outcomes: list[bool] = outcomes) -> None:
            try:
                while True:
                    outcomes.append(bool(np.array_equal(module(x, y), expected)))
            except Exception as error:
                outcomes.append(str(error) == "the module is closed")

        callers = [threading.Thread(target=call) for _ in range(3)]
        for caller in callers:
            caller.start()
        while not outcomes:
            time.sleep(0.0005)
        module.close()
        for caller in callers:
            caller.join()
        assert all(outcomes)


def test_a_forked_child_has_its_own_pool() -> None:
    x, y = vectors()
    expected = toy.expected(x, y)
    with toy.module((SIZE,), num_threads=3) as module:
        module(x, y)
        child = os.fork()
        if child == 0:
            right = all(np.array_equal(module(x, y), expected) for _ in range(50))
            os._exit(0 if right and len(threads()) == 3 else 1)
        deadline = time.monotonic() + 30
        while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < deadline, "the child hangs"
            time.sleep(0.01)
        assert os.waitstatus_to_exitcode(ended[1]) == 0
        np.testing.assert_array_equal(module(x, y), expected)


def test_daemon_threads_inside_calls_do_not_disturb_the_exit() -> None:
    script = f"""
import threading, time
import numpy as np
from tests.runtime import toy
module = toy.module(({SIZE},), num_threads=3)
x = np.ones({SIZE}, np.float32)
def loop():
    while True:
        module(x, x)
for _ in range(3):
    threading.Thread(target=loop, daemon=True).start()
time.sleep(0.05)
"""
    for _ in range(5):
        run = subprocess.run(
            [sys.executable, "-c", script], timeout=60, capture_output=True, check=False
        )
        assert (run.returncode, run.stderr) == (0, b"")


def test_constants_on_a_cache_line_are_not_copied_others_are() -> None:
    compiled = toy.compiled((6,))
    code = toy.JitCode(compiled.code.data)
    shifted = np.concatenate([np.zeros(4, np.uint8), compiled.constants])[4:]
    x = np.ones(6, np.float32)
    for constants, same in ((compiled.constants, True), (shifted, False)):
        executable = Executable(code, constants=constants, arena_bytes=24, arrays=3)
        assert np.shares_memory(executable._constants, constants) == same
        assert executable._constants.ctypes.data % 64 == 0
        out = np.empty(6, np.float32)
        executable.run([x, x], [out])
        np.testing.assert_array_equal(out, toy.expected(x, x))
