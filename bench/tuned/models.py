"""Whole models: tuned against untuned, in turns, in one process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

import mlc
from bench import zoo
from bench.tuned.common import path_of
from mlc.runtime.module import Module
from mlc.tuning import parse_duration


def tuned_against_untuned(
    model: str, threads: int, budget: str, folder: Path, rounds: int, seed: int
) -> dict[str, Any]:
    """Tune a model for a while, then race what comes out against the default compile."""
    path = path_of(model)
    feeds = dict(zoo.inputs(model)) if model in zoo.ENTRIES else None
    database = folder / f"{path.stem.split('-')[0]}-{threads}.sqlite"
    report = mlc.tune(
        path, "host", parse_duration(budget), database=database, num_threads=threads,
        seed=seed, inputs=feeds,
    )  # fmt: skip
    with compiled(path, threads) as untuned, compiled(path, threads, database) as tuned:
        given = feeds or random_inputs(untuned)
        table = in_turns([untuned, tuned], given, rounds)
    before, after = map(float, np.median(table, axis=0))
    return {
        "model": model,
        "threads": threads,
        "untuned_ms": before * 1e3,
        "tuned_ms": after * 1e3,
        "speedup": float(np.median(table[:, 0] / table[:, 1])),
        "trials": report.trials,
        "overhead_share": report.overhead_share,
        "accepted": sum(row.accepted for row in report.tasks),
        "tasks": len(report.tasks),
        "statuses": report.statuses,
        "decision": report.decision,
        "report": report.to_json(),
    }


def compiled(path: Path, threads: int, tuning: Path | None = None) -> Module:
    """A model of static shapes, compiled anew."""
    module = mlc.compile(path, num_threads=threads, cache=False, tuning=tuning)
    if not isinstance(module, Module):
        raise TypeError(f"{path.name} has open shapes: tune it with shapes= of its own")
    return module


def in_turns(modules: list[Module], feeds: dict[str, Any], rounds: int) -> Any:
    """Seconds per call of each module [rounds, modules], in changing order."""
    for module in modules:
        module.run(feeds)
    table = np.zeros((rounds, len(modules)))
    for number in range(rounds):
        order = range(len(modules))
        for index in order if number % 2 == 0 else reversed(order):
            started = time.perf_counter()
            for _ in range(3):
                modules[index].run(feeds)
            table[number, index] = (time.perf_counter() - started) / 3
    return table


def random_inputs(module: Module) -> dict[str, Any]:
    """Normal floats, and whole numbers 0 and 1."""
    rng = np.random.default_rng(0)
    return {
        port.name: rng.integers(0, 2, port.shape).astype(port.numpy_dtype)
        if port.numpy_dtype.kind in "biu"
        else rng.standard_normal(port.shape).astype(port.numpy_dtype)
        for port in module.inputs
    }
