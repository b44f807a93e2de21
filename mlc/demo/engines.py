"""The two ways to run the demo's networks: compiled by mlc, and interpreted by onnxruntime."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

import mlc

Array = npt.NDArray[Any]
Network = Callable[[Array], Array]


def compile_network(path: Path, shape: tuple[int, ...], threads: int) -> Network:
    """The network at `path`, compiled by mlc for inputs of `shape`."""
    module = mlc.compile(path, target="host", shapes={"x": shape}, num_threads=threads)
    return lambda array: np.asarray(module(array))


def interpret_network(path: Path, shape: tuple[int, ...], threads: int) -> Network:
    """The network at `path`, in onnxruntime; it takes any shape."""
    del shape
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda array: np.asarray(session.run(None, {"x": array})[0])


@dataclass
class Engine:
    """Makes each network once, and remembers how long that took."""

    name: str
    make: Callable[[Path, tuple[int, ...], int], Network]
    threads: int
    networks: dict[tuple[Path, tuple[int, ...]], Network] = field(default_factory=dict)
    seconds_to_make: float = 0.0

    def __call__(self, path: Path, shape: tuple[int, ...]) -> Network:
        key = path, tuple(shape)
        if key not in self.networks:
            started = time.perf_counter()
            self.networks[key] = self.make(path, key[1], self.threads)
            self.seconds_to_make += time.perf_counter() - started
        return self.networks[key]


def race(networks: list[Network], array: Array, rounds: int = 7) -> list[float]:
    """Median milliseconds per call of each network, taking turns."""
    times: list[list[float]] = [[] for _ in networks]
    for _ in range(rounds):
        for network, spent in zip(networks, times, strict=True):
            network(array)
            started = time.perf_counter()
            network(array)
            spent.append((time.perf_counter() - started) * 1e3)
    return [median(spent) for spent in times]


def race_all(
    engines: tuple[Engine, Engine], races: Mapping[str, tuple[Path, Array]]
) -> tuple[list[tuple[str, list[float]]], float]:
    """Each labelled network with its input: milliseconds of both engines.

    Also the largest difference between what the two computed.
    """
    rows, worst = [], 0.0
    for label, (path, array) in races.items():
        networks = [engine(path, array.shape) for engine in engines]
        ours, theirs = (network(array) for network in networks)
        worst = max(worst, float(np.abs(ours - theirs).max()))
        rows.append((label, race(networks, array)))
    return rows, worst
