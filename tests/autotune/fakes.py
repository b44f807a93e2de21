"""Small tasks, and a measurer that only pretends: times are a pure function of the candidate."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mlc.autotune.cost_model import Sample
from mlc.autotune.extract import extract_tasks
from mlc.autotune.learner import Learner
from mlc.autotune.measurement import Comparison, MeasureInput, Measurement
from mlc.autotune.task import Task
from mlc.backends.llvm.targets import resolve
from mlc.ir.graph import Graph
from mlc.ir.text import parse_graph
from mlc.passes.schedule.templates.base import Machine
from mlc.runtime.roofline import Limits
from mlc.target import Target

MACHINE = Machine(resolve("x86-64-v3"), 1)

GRAPH = """
graph small(%x: f32[16,32]) -> (%y) {
  const %w: f32[32,24] = SHA
  const %v: f32[24,24] = SHA
  %a: f32[16,24] = matmul(%x, %w)
  %b: f32[16,24] = relu(%a)
  %c: f32[16,24] = matmul(%b, %v)
  %d: f32[16,24] = matmul(%c, %v)
  %y: f32[16,24] = softmax(%d) {axis = 1}
}
"""


def graph() -> Graph:
    rng = np.random.default_rng(0)
    text = GRAPH
    for size in (32 * 24, 24 * 24):
        numbers = ", ".join(f"{number:.2f}" for number in rng.standard_normal(size))
        text = text.replace("SHA", f"[{numbers}]", 1)
    return parse_graph(text)


def tasks() -> list[Task]:
    return extract_tasks(graph(), MACHINE.target, MACHINE.threads)


def pretended_seconds(item: MeasureInput) -> float:
    digest = hashlib.sha256(f"{item.task_key}{item.trace}".encode()).digest()
    return 1e-4 * (1 + digest[0] / 64)


class PretendingMeasurer:
    """`fail`: the status of a candidate that shall not be ok; `interrupt_at`: Ctrl-C there."""

    def __init__(
        self,
        fail: Callable[[MeasureInput], str | None] = lambda item: None,
        interrupt_at: int | None = None,
    ) -> None:
        self.fail = fail
        self.interrupt_at = interrupt_at
        self.measured: list[MeasureInput] = []
        self.compared: list[tuple[MeasureInput, MeasureInput]] = []
        self.accepts = True
        self.busy_seconds = 0.0

    def measure(self, inputs: Sequence[MeasureInput]) -> Iterator[tuple[int, Measurement]]:
        for number, item in enumerate(inputs):
            if self.interrupt_at is not None and len(self.measured) == self.interrupt_at:
                self.interrupt_at = None
                raise KeyboardInterrupt
            self.measured.append(item)
            status = self.fail(item)
            if status is not None:
                yield number, Measurement(status, message="pretended")
            else:
                yield number, Measurement("ok", pretended_seconds(item), run_seconds=0.001)

    def compare(self, default: MeasureInput, leader: MeasureInput, rounds: int = 20) -> Comparison:
        self.compared.append((default, leader))
        times = [Measurement("ok", pretended_seconds(item)) for item in (default, leader)]
        return Comparison(*times, times[0].seconds / times[1].seconds, self.accepts)

    def limits(self, target: Target, threads: int) -> Limits | None:
        return None


class Pessimist:
    """A model that learns nothing, and says how often it was asked to."""

    def __init__(self) -> None:
        self.fitted: list[int] = []

    def fit(self, samples: Sequence[Sample]) -> None:
        self.fitted.append(len(samples))

    def refit(self, samples: Sequence[Sample], rounds: int = 20) -> None:
        self.fitted.append(-len(samples))

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.zeros(len(features), np.float32)


def learner() -> Learner:
    return Learner(Pessimist())
