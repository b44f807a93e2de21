"""What a call costs from Python: a tiny network, its kernels' own time, and the difference.

python -m bench.call
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from rich.console import Console
from rich.table import Table

import mlc
from bench import zoo

ROUNDS = 200
CALLS = 1000


def main() -> None:
    """Measure the cost of a call."""
    path, feeds = zoo.build("tiny_mlp"), zoo.inputs("tiny_mlp")
    (array,) = feeds.values()
    module = mlc.compile(path, target="host", num_threads=1, cache=False)
    assert isinstance(module, mlc.Module)
    result = module(array)
    kernels = module.profile(array, repeat=CALLS).total_nanoseconds / 1000
    table = Table(title=f"microseconds per call, the median of {ROUNDS} rounds of {CALLS}")
    table.add_column("how")
    table.add_column("in all", justify="right")
    table.add_column("above the kernels", justify="right")
    ways: dict[str, Callable[[], object]] = {
        "module(array)": lambda: module(array),
        "module(array, out=result)": lambda: module(array, out=result),
        "module.run({name: array})": lambda: module.run(feeds),
    }
    for name, call in ways.items():
        total = _microseconds(call)
        table.add_row(name, f"{total:.2f}", f"{total - kernels:.2f}")
    Console().print(table)


def _microseconds(call: Callable[[], object]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter_ns()
        for _ in range(CALLS):
            call()
        rounds.append((time.perf_counter_ns() - started) / CALLS / 1000)
    return median(rounds)


if __name__ == "__main__":
    main()
