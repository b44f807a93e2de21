"""ONNX's own conformance suite, through `mlc.onnx_backend`: how many cases pass, by category.

    python -m bench.conformance                      # all CPU cases
    python -m bench.conformance --filter gridsample  # those whose name holds the text

A case passes when it compiles, runs, and agrees with the stored outputs within the suite's own
tolerances. Nothing is left out: what the test-suite excludes, with a reason, counts as failed here.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import tempfile
import time
import unittest
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import onnx
import typer
from onnx.backend.test import BackendTest
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.report import write_figures
from mlc.onnx_backend import Backend, BackendRep

CATEGORIES = {
    "OnnxBackendNodeModelTest": "node",
    "OnnxBackendSimpleModelTest": "simple",
    "OnnxBackendPyTorchConvertedModelTest": "pytorch-converted",
    "OnnxBackendPyTorchOperatorModelTest": "pytorch-operator",
    "OnnxBackendRealModelTest": "real",
}
"""The suite's classes, and what ONNX calls their kinds of cases."""


class Uncached(Backend):
    """mlc's backend, compiling every model anew."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **options: Any) -> BackendRep:
        """Compile a model."""
        return super().prepare(model, device, cache=False, **options)


@dataclass(frozen=True)
class Case:
    """One case of the suite that is meant for CPUs."""

    category: str
    name: str


@dataclass(frozen=True)
class Outcome:
    """What came of a case; `reason` is empty where it passed."""

    case: Case
    reason: str
    seconds: float


def main(
    filter: Annotated[str, typer.Option(help="Only cases whose name holds this text.")] = "",
    jobs: Annotated[int, typer.Option(help="Processes that run cases.")] = 2,
    output: Annotated[Path | None, typer.Option(help="Write the figures as JSON too.")] = None,
) -> None:
    """Run the suite and print its table, the failures first."""
    cases = [case for case in all_cases() if filter in case.name]
    console = Console()
    outcomes = list(track(run_cases(cases, jobs), "running", total=len(cases), console=console))
    for outcome in sorted(outcomes, key=lambda outcome: outcome.case.name):
        if outcome.reason:
            line = f"{outcome.case.name}: {outcome.reason}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(_table(outcomes))
    if output is not None:
        write_figures(output, {"cases": [asdict(outcome) for outcome in outcomes]})


def all_cases() -> list[Case]:
    """The CPU cases of the installed `onnx`, in the suite's order."""
    return [
        Case(category, name)
        for label, category in CATEGORIES.items()
        for name in unittest.defaultTestLoader.getTestCaseNames(_suite()[label])
        if name.endswith("_cpu")
    ]


def run_cases(cases: Sequence[Case], jobs: int) -> Iterator[Outcome]:
    """Run cases in fresh processes, `jobs` at a time; in the order given."""
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, context, _prepare, (folder,)) as pool:
            yield from pool.map(run_case, cases, itertools.repeat(True), chunksize=8)


def run_case(case: Case, brief: bool = False) -> Outcome:
    """Run one case in this process; `brief` keeps only the first lines of a reason."""
    label = next(label for label, category in CATEGORIES.items() if category == case.category)
    result = unittest.TestResult()
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _suite()[label](case.name).run(result)
    seconds = time.perf_counter() - started
    reasons = [text for _, text in (*result.failures, *result.errors, *result.skipped)]
    reason = "\n".join(reasons)
    return Outcome(case, _brief(reason) if brief else reason, seconds)


def _brief(reason: str) -> str:
    """What a traceback ends with: the line that names the exception, and the next few."""
    lines = reason.strip().splitlines()
    ends = [i for i, line in enumerate(lines) if line and not line.startswith((" ", "Traceback"))]
    return " ".join(line.strip() for line in lines[ends[0] :] if line.strip())[:300] if ends else ""


def _prepare(folder: str) -> None:
    """Where the suite writes the data of its larger models: it asks the environment alone."""
    os.environ["ONNX_MODELS"] = folder
    _suite()


@lru_cache
def _suite() -> dict[str, type[unittest.TestCase]]:
    """The suite's classes; NumPy warns while some cases make their data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return BackendTest(Uncached, __name__).test_cases


def _table(outcomes: Sequence[Outcome]) -> Table:
    total = Counter(outcome.case.category for outcome in outcomes)
    passed = Counter(outcome.case.category for outcome in outcomes if not outcome.reason)
    slowest = max((outcome.seconds for outcome in outcomes), default=0.0)
    table = Table(title="ONNX backend tests", caption=f"slowest case: {slowest:.1f} s")
    for heading in ("category", "cases", "passed", "share"):
        table.add_column(heading, justify="left" if heading == "category" else "right")
    rows = [(category, total[category], passed[category]) for category in total]
    for name, count, good in (*rows, ("all", total.total(), passed.total())):
        table.add_row(name, str(count), str(good), f"{good / max(count, 1):.2%}")
    return table


if __name__ == "__main__":
    typer.run(main)
