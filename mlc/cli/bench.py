"""mlc bench: how long a call takes, beside another engine if wanted, and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer

from mlc.cli import arrays, options
from mlc.cli.console import output, table, working
from mlc.cli.explain import print_explanation
from mlc.errors import InputError, MlcError
from mlc.limits import Probe

LARGEST_ERROR = 1e-3
"""How far outputs may be from the other engine's, as a part of their range."""

_SECONDS_PER_RUN = 0.002

Results = Mapping[str, arrays.Array]


class Peer(str, Enum):
    """Engines to compare with."""

    onnxruntime = "onnxruntime"


def bench(
    model: options.ModulePath,
    runs: Annotated[int, typer.Option(min=1, help="Timed runs of each engine.")] = 30,
    against: Annotated[
        Peer | None, typer.Option(help="Take turns with another engine, after comparing results.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show each kernel's time, and what limits it.")
    ] = False,
    input_file: arrays.InputFiles = None,
    seed: options.Seed = 0,
    target: options.TargetName = "host",
    shape: options.Shapes = None,
    threads: options.Threads = None,
    precision: options.PrecisionName = options.Precision.fast,
    cache: options.Cache = True,
    cache_folder: options.CacheFolder = None,
    tuning: options.Tuning = None,
) -> None:
    """Time a model: the median and the least of several runs."""
    settings = options.Settings(
        target, shape, threads, precision, None, cache, cache_folder, tuning=tuning
    )
    if against is not None and model.is_dir():
        raise InputError(f"{against.value} needs the ONNX file, '{model}' is an artifact")
    module = settings.open(model)
    feeds = arrays.gather_inputs(module.inputs, input_file or (), seed)
    engines: dict[str, Callable[[], Results]] = {"mlc": lambda: module.run(feeds)}
    if against is not None:
        peer = _PEERS[against](model, feeds, module.num_threads)
        check_agreement(module.run(feeds), peer(), against.value)
        engines[against.value] = peer
    with working(f"timing {model.name}"):
        times = time_in_turns(engines, runs)
    _print_times(times, module.num_threads)
    if explain:
        with working("timing each kernel"):
            limits = Probe(module.num_threads).measure()
            profile = options.whole(module, "profiled").profile(**feeds, repeat=runs)
        print_explanation(profile, limits)


def time_in_turns(engines: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Seconds per call of each run; the engines take turns, and each is called once before.

    A run is as many calls as fill a few milliseconds.
    """
    calls = {}
    for name, call in engines.items():
        call()
        calls[name] = max(1, int(_SECONDS_PER_RUN / _seconds(call, 1)))
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(runs):
        for name, call in engines.items():
            times[name].append(_seconds(call, calls[name]))
    return times


def _seconds(call: Callable[[], object], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls


def check_agreement(ours: Results, theirs: Results, peer: str) -> None:
    """Raise `MlcError` when the outputs differ: a wrong result has no speed."""
    for name, right in theirs.items():
        if ours[name].shape != right.shape:
            raise MlcError(f"output '{name}': {peer} gives it the shape {right.shape}")
        if not right.size:
            continue
        left, right = ours[name].astype(np.float64), right.astype(np.float64)
        error = float(np.abs(left - right).max() / max(np.ptp(right), 1e-30))
        if not error <= LARGEST_ERROR:
            raise MlcError(
                f"output '{name}' differs from that of {peer} by {error:.1e} of its range",
                hint=f"at most {LARGEST_ERROR:g} is accepted; random inputs may be to blame",
            )


def _load_onnxruntime(path: Path, feeds: Results, threads: int) -> Callable[[], Results]:
    try:
        import onnxruntime  # noqa: PLC0415 (an optional dependency)
    except ImportError:
        raise MlcError("onnxruntime is not installed", hint="pip install onnxruntime") from None
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    try:
        with working(f"loading {path.name} in onnxruntime"):
            session = onnxruntime.InferenceSession(
                path, settings, providers=["CPUExecutionProvider"]
            )
    except Exception as error:  # its exceptions have no common base
        raise MlcError(f"onnxruntime cannot load '{path}': {error}") from None
    names = [value.name for value in session.get_outputs()]
    given = {name: np.ascontiguousarray(array) for name, array in feeds.items()}
    return lambda: dict(zip(names, session.run(names, given), strict=True))


_PEERS = {Peer.onnxruntime: _load_onnxruntime}


def _print_times(times: Mapping[str, list[float]], threads: int) -> None:
    console = output()
    figures = table(
        "engine", "median ms", "min ms", "speed", numbers=("median ms", "min ms", "speed")
    )
    slowest = max(map(median, times.values()))
    for name, spent in times.items():
        speed = f"{slowest / median(spent):.2f}×" if len(times) > 1 else ""
        figures.add_row(name, f"{median(spent) * 1e3:.4f}", f"{min(spent) * 1e3:.4f}", speed)
    count = len(times["mlc"])
    console.print(f"{count} runs, {threads} thread{'' if threads == 1 else 's'}", highlight=False)
    console.print(figures)
