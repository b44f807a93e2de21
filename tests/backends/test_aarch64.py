"""Code for ARM computes what the references compute: run under qemu-user."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc.api
from bench import zoo
from mlc.backends.llvm.targets import resolve
from mlc.ir.dtype import F32
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.interpret import run_graph
from mlc.ir.operators import OPERATORS
from mlc.ir.types import TensorType
from tests.backends.emulator import emulator, run_kernel, run_model
from tests.backends.grouping import lowered
from tests.backends.test_emit import assert_close
from tests.e2e.agreement import assert_agrees, reference
from tests.strategies import feeds_for
from tests.strategies.operators import operator_cases

TARGETS = ("aarch64-unknown-linux-gnu", "aarch64-linux-gnu:neoverse-n1")


@pytest.fixture(autouse=True)
def _needs_emulator() -> None:
    emulator()


def network() -> Graph:
    """Convolution, relu, pooling, product, softmax, with weights."""
    random = np.random.default_rng(0)
    image = Value("x", TensorType((1, 3, 20, 20), F32))
    kernel = Value("w", TensorType((24, 3, 3, 3), F32))
    matrix = Value("v", TensorType((24 * 9 * 9, 50), F32))
    weights = {
        value: random.standard_normal(value.type.static_shape).astype(np.float32) * 0.1
        for value in (kernel, matrix)
    }
    nodes: list[Node] = []

    def add(op: str, *inputs: Value, **attrs: Any) -> Value:
        (made,) = OPERATORS[op].infer([value.type for value in inputs], attrs)
        output = Value(f"{op}.out", made)
        nodes.append(Node(op, inputs, (output,), attrs))
        return output

    window = {"before": (0, 0), "after": (0, 0), "dilations": (1, 1)}
    value = add("relu", add("conv", image, kernel, strides=(1, 1), groups=1, **window))
    value = add("max_pool", value, kernel=(2, 2), strides=(2, 2), **window)
    value = add("matmul", add("reshape", value, shape=(1, 24 * 9 * 9)), matrix)
    value = add("softmax", value, axis=1)
    return Graph("net", (image,), (value,), tuple(nodes), weights)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("target", TARGETS)
def test_network(target: str, threads: int) -> None:
    graph = network()
    feeds = feeds_for(graph)
    model = mlc.api.compile_only(graph, target, num_threads=threads)
    found = run_model(model, feeds, resolve(target))
    wanted = run_graph(graph, feeds)
    assert list(found) == list(wanted) == ["softmax.out"]
    np.testing.assert_allclose(found["softmax.out"], wanted["softmax.out"], 1e-4, 1e-7)


@pytest.mark.parametrize("name", ["tiny_mlp", "gru"])
def test_zoo(name: str) -> None:
    path, feeds = zoo.build(name), zoo.inputs(name)
    model = mlc.api.compile_only(path, "aarch64", num_threads=2)
    assert_agrees(run_model(model, feeds, resolve("aarch64")), reference(path, feeds))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["squeezenet", "lstm", "mobilenetv2"])
def test_larger_zoo(name: str) -> None:
    path, feeds = zoo.build(name), zoo.inputs(name)
    model = mlc.api.compile_only(path, "aarch64", num_threads=2)
    assert_agrees(run_model(model, feeds, resolve("aarch64")), reference(path, feeds))


def check_operator(data: st.DataObject, op: str) -> None:
    kernel = data.draw(lowered(operator_cases(op), constants=False))
    target, threads = data.draw(st.sampled_from(TARGETS)), data.draw(st.sampled_from([1, 3]))
    func, params = kernel.scheduled(target, threads), kernel.group.func.params
    found = run_kernel(func, kernel.inputs, resolve(target), threads, params)
    for number, wanted in enumerate(kernel.case.expected):
        assert_close(found[f"out{number}"], wanted, f"out{number} of {op}")


@pytest.mark.parametrize("op", ["conv", "matmul", "softmax", "cast", "div", "gather"])
@settings(max_examples=2, derandomize=True)
@given(st.data())
def test_operators(op: str, data: st.DataObject) -> None:
    check_operator(data, op)


@pytest.mark.slow
@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=8)
@given(st.data())
def test_every_operator(op: str, data: st.DataObject) -> None:
    check_operator(data, op)
