"""What a worker does when asked: build a candidate, compute what is right, run, compare.

Each job takes the header and the bytes of a frame and gives those of the answer. What is wrong with
a candidate is part of the answer: `{"status": …, "message": …}`; see `mlc.autotune.measurement`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from mlc.autotune.measure.arguments import Array, random_arguments
from mlc.autotune.measure.candidate import Candidate, build_candidate, plain_loops
from mlc.autotune.measure.emulated import Finished, run_program
from mlc.autotune.measure.frames import Header
from mlc.autotune.measure.loaded import LoadedKernel
from mlc.autotune.measure.oracle import difference, expected_results
from mlc.autotune.measure.timing import Evictor, Timed, Timing, time_in_turns, time_kernel
from mlc.autotune.measurement import MeasureInput, MeasureOptions

Answer = tuple[Header, bytes]

_TASKS_KEPT = 4


def build(header: Header, _: bytes) -> Answer:
    """A `MeasureInput` → the candidate and its object."""
    candidate, code = build_candidate(MeasureInput.from_json(header["input"]))
    return {"status": "ok", "candidate": candidate.to_json()}, code


def prepare_oracle(header: Header, _: bytes) -> Answer:
    """Write what a task must compute to `header["path"]`, so that every worker finds it there."""
    path = Path(header["path"])
    results = expected_results(header["func_text"], header["seed"])
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        np.savez(file, **results)  # type: ignore[arg-type]
    draft.replace(path)
    return {"status": "ok"}, b""


def run(header: Header, code: bytes) -> Answer:
    """Run a candidate, check its results, time it."""
    item, options = _asked(header)
    candidate = Candidate.from_json(header["candidate"])
    if header["command"]:
        done, wrong = _run_elsewhere(header, candidate, code, options.repeats)
        if wrong is not None:
            return {"status": "wrong", "message": wrong}, b""
        return _timed(Timing(done.samples)), b""
    with _load(item, options, candidate, code) as kernel:
        kernel.time(1)
        wrong = _check(header["path"], item, options, kernel.view)
        if wrong is not None:
            return {"status": "wrong", "message": wrong}, b""
        evict = _evictor(item.target.l3_bytes)
        timing = time_kernel(kernel.time, options, evict, header.get("best"))
    return _timed(timing), b""


def compare(header: Header, codes: bytes) -> Answer:
    """Time several candidates of one task in turns, after checking the results of each."""
    item, options = _asked(header)
    if header["command"]:
        return _compare_elsewhere(header, codes)
    with ExitStack() as stack:
        timed: list[Timed] = []
        for number, (candidate, code) in enumerate(_parts(header, codes)):
            kernel = stack.enter_context(_load(item, options, candidate, code))
            kernel.time(1)
            wrong = _check(header["path"], item, options, kernel.view)
            if wrong is not None:
                return {"status": "wrong", "message": f"candidate {number}: {wrong}"}, b""
            timed.append(kernel.time)
        evict = _evictor(item.target.l3_bytes)
        rows = time_in_turns(timed, header["rounds"], options, evict)
    return {"status": "ok", "rows": rows}, b""


def _compare_elsewhere(header: Header, codes: bytes) -> Answer:
    """One program after the other: what runs them may take long to start."""
    columns = []
    for number, (candidate, code) in enumerate(_parts(header, codes)):
        done, wrong = _run_elsewhere(header, candidate, code, header["rounds"])
        if wrong is not None:
            return {"status": "wrong", "message": f"candidate {number}: {wrong}"}, b""
        columns.append(done.samples)
    return {"status": "ok", "rows": list(zip(*columns, strict=True))}, b""


def _parts(header: Header, codes: bytes) -> Iterator[tuple[Candidate, bytes]]:
    """The candidates of a comparison, whose objects came one behind the other."""
    start = 0
    for part in header["candidates"]:
        end = start + part["bytes"]
        yield Candidate.from_json(part["candidate"]), codes[start:end]
        start = end


JOBS: Mapping[str, Callable[[Header, bytes], Answer]] = {
    "build": build,
    "oracle": prepare_oracle,
    "run": run,
    "compare": compare,
}


def _asked(header: Header) -> tuple[MeasureInput, MeasureOptions]:
    return MeasureInput.from_json(header["input"]), MeasureOptions(**header["options"])


def _load(
    item: MeasureInput, options: MeasureOptions, candidate: Candidate, code: bytes
) -> LoadedKernel:
    params = plain_loops(item.func_text).params
    values = _arguments(item.func_text, options.seed)
    return LoadedKernel(candidate, code, params, values, options.working_set_bytes)


def _check(
    path: str, item: MeasureInput, options: MeasureOptions, view: Callable[[Any], Array]
) -> str | None:
    """How the results of a call are wrong; None where they are right, or nobody asked."""
    if not options.check:
        return None
    expected = _expected(path)
    for buffer in plain_loops(item.func_text).params:
        if buffer.name in expected:
            wrong = difference(view(buffer), expected[buffer.name], buffer.dtype, item.exact)
            if wrong is not None:
                return f"{buffer.name}: {wrong}"
    return None


def _run_elsewhere(
    header: Header, candidate: Candidate, code: bytes, samples: int
) -> tuple[Finished, str | None]:
    """Let another machine, or an emulated one, run the candidate; how it is wrong, if it is."""
    item, options = _asked(header)
    params = plain_loops(item.func_text).params
    values = _arguments(item.func_text, options.seed)
    done = run_program(header["command"], item.target, candidate, code, params, values, samples)
    return done, _check(header["path"], item, options, done.view)


def _timed(timing: Timing) -> Header:
    return {
        "status": "ok",
        "seconds": timing.shortest,
        "spread": timing.spread,
        "samples": len(timing.samples),
        "message": "abandoned: much slower than the best" if timing.abandoned else "",
    }


@functools.lru_cache(maxsize=_TASKS_KEPT)
def _arguments(func_text: str, seed: int) -> Mapping[str, Array]:
    arrays = random_arguments(plain_loops(func_text), seed)
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


@functools.lru_cache(maxsize=_TASKS_KEPT)
def _expected(path: str) -> Mapping[str, Array]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@functools.lru_cache(maxsize=1)
def _evictor(cache_bytes: int) -> Evictor:
    return Evictor(cache_bytes)
