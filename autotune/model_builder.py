"""Versions of a model: the same graph, compiled with this or that choice of schedules."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mlc.autotune.model_version import Arrays, Choice, ModuleVersion
from mlc.autotune.task import task_key
from mlc.backends.llvm.machine import load_object
from mlc.build import Options, build
from mlc.ir.graph import Graph
from mlc.ir.stmt import Func
from mlc.passes.context import Context
from mlc.passes.schedule.trace import Trace
from mlc.passes.variant import Variant
from mlc.runtime.module import Module
from mlc.runtime.signature import Port
from mlc.target import Target


@dataclass(frozen=True)
class Chosen:
    """Some schedules, and a variant of the graph."""

    choice: Choice
    chosen_variant: Variant

    def __call__(self, func: Func) -> Trace | None:
        """The steps for a kernel; None where it keeps its default."""
        return self.choice.get(task_key(func))

    def variant(self, graph: Graph) -> Variant:
        """The one that was chosen."""
        return self.chosen_variant


@dataclass(frozen=True)
class ModelBuilder:
    """Compiles a variant of a graph of static shapes for this machine.

    `task_keys` in the order of its kernels; `feeds` are the arrays that versions are timed with.
    """

    graph: Graph
    target: Target
    options: Options
    task_keys: tuple[str, ...]
    feeds: Arrays
    chosen_variant: Variant = field(default_factory=Variant)

    def __call__(self, choice: Choice) -> ModuleVersion:
        """Compile and load a version."""
        context = Context(target=self.target, verify="off")
        tuning = Chosen(choice, self.chosen_variant)
        compiled = build(self.graph, self.target, self.options, context, tuning=tuning)
        module = Module.from_compiled(compiled, load_object)
        return ModuleVersion(module, self.task_keys, self.feeds)


def random_feeds(graph: Graph, seed: int) -> Arrays:
    """An array for each input: normal floats; integers 0 and 1, which any model takes."""
    rng = np.random.default_rng(seed)
    feeds = {}
    for value in graph.inputs:
        port = Port(value.name, value.type.dtype.name, value.type.static_shape)
        dtype = port.numpy_dtype
        if dtype.kind in "biu":
            feeds[port.name] = rng.integers(0, 2, port.shape).astype(dtype)
        else:
            feeds[port.name] = rng.standard_normal(port.shape, np.float32).astype(dtype)
    return feeds
