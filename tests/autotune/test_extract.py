"""extract: distinct kernels, their counts, and keys that do not depend on the model."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from bench.zoo import build
from mlc.api import compile_only
from mlc.autotune.extract import extract_tasks
from mlc.autotune.space import TaskSpace
from mlc.autotune.task import task_key
from mlc.backends.llvm.targets import resolve
from mlc.importers.onnx import import_model
from mlc.ir.graph import Graph
from mlc.ir.graph_edit import GraphBuilder
from mlc.ir.text import parse_func
from mlc.passes.schedule.templates.base import Machine

HOST = resolve("host")
PLAIN = {"transpose_a": False, "transpose_b": False}


def layers(name: str, sizes: list[int]) -> Graph:
    """Products with a relu each, over matrices of random numbers."""
    builder = GraphBuilder(name)
    x = builder.input(f"{name}_x", (8, sizes[0]))
    generator = np.random.default_rng(len(sizes))
    for number, (depth, columns) in enumerate(pairwise(sizes)):
        weights = generator.standard_normal((depth, columns)).astype(np.float32)
        w = builder.constant(weights, f"{name}_w{number}")
        x = builder.emit("matmul", [x, w], PLAIN, name=f"{name}_t{number}", loc=(f"mm{number}",))
        x = builder.emit("relu", [x], name=f"{name}_y{number}", loc=(f"relu{number}",))
    return builder.build([x])


def test_equal_kernels_are_one_task_that_counts_them() -> None:
    tasks = extract_tasks(layers("a", [32, 32, 32, 48]), HOST, 1)
    assert [task.count for task in tasks] == [2, 1]
    assert tasks[0].locs == ("mm0", "relu0", "mm1", "relu1")
    assert tasks[0].template == "contraction"
    assert tasks[0].work.flops == 2 * 8 * 32 * 32 + 8 * 32


def test_equal_kernels_of_other_models_have_the_same_key() -> None:
    first = {task.key for task in extract_tasks(layers("a", [32, 32, 32, 48]), HOST, 1)}
    second = {task.key for task in extract_tasks(layers("another", [16, 32, 48, 64]), HOST, 1)}
    assert len(first) == 2
    assert len(second) == 3
    assert len(first & second) == 1


def test_the_text_of_a_task_reads_back_and_gives_its_key() -> None:
    (task,) = extract_tasks(layers("a", [16, 24]), HOST, 2)
    assert parse_func(task.text) == task.func
    assert task_key(parse_func(task.text)) == task.key
    assert hashlib.sha256(task.text.encode()).hexdigest() == task.key


@pytest.mark.parametrize("name", ["mlp", "tiny_mlp", "gru"])
def test_tasks_of_a_model_count_its_kernels(name: str) -> None:
    graph = import_model(str(build(name)), None)
    tasks = extract_tasks(graph, HOST, 2)
    assert len({task.key for task in tasks}) == len(tasks)
    assert sum(task.count for task in tasks) == len(compile_only(graph, HOST, num_threads=2).calls)
    for task in tasks:
        space = TaskSpace(task, Machine(HOST, 2))
        assert space.default in space
        assert space.default["template"] == task.template
