"""The public API: from a model in any form to a module, and all that a module can do."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import mlc
import mlc.api
from mlc.backends.llvm.targets import resolve
from mlc.importers.onnx import import_model
from mlc.ir.interpret import run_graph
from mlc.ir.text import large_constants, parse_func, parse_graph, print_func, print_graph
from mlc.ir.verify import verify_func, verify_graph
from mlc.passes.context import Context
from mlc.passes.pipeline import graph_passes, run_passes
from mlc.runtime.texts import STAGES
from tests.importers.evaluate import parse
from tests.small_network import IMAGE, NODES, RNG, Array, assert_right, compiled, expected, network

ADD = "adder (float[2,3] x, float[2,3] y) => (float[2,3] z) { [sum] z = Add(x, y) }"
X = np.arange(6, dtype=np.float32).reshape(2, 3)
Y = X[::-1] * 10


@pytest.fixture(scope="module")
def module() -> mlc.Module:
    return compiled()


@pytest.fixture(scope="module")
def adder() -> mlc.Module:
    return compiled(parse(ADD))


# Models.


def _as_path(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


FORMS: dict[str, Callable[[onnx.ModelProto, Path], object]] = {
    "path": _as_path,
    "string": lambda model, folder: str(_as_path(model, folder)),
    "bytes": lambda model, folder: model.SerializeToString(),
    "proto": lambda model, folder: model,
    "graph": lambda model, folder: import_model(model),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_model_in_any_form(form: str, tmp_path: Path) -> None:
    assert_right(compiled(FORMS[form](network(), tmp_path)))


@pytest.mark.parametrize(
    "options",
    [
        {"num_threads": 2},
        {"num_threads": None},
        {"precision": "exact"},
        {"verify": "all"},
        {"verify": "off"},
        {"check_bounds": True},
        {"target": resolve("host")},
    ],
    ids=str,
)
def test_every_option_gives_the_same_results(options: dict[str, Any]) -> None:
    with compiled(**options) as module:
        assert_right(module)
        if options.get("num_threads") == 2:
            assert module.num_threads == 2


def test_shapes_fix_what_the_model_leaves_open() -> None:
    model = parse("g (float[N,M] x, float[M,K] w) => (float[N,K] y) { y = MatMul(x, w) }")
    module = compiled(model, shapes={"x": (2, 3), "w": (3, 4)})
    assert [port.shape for port in (*module.inputs, *module.outputs)] == [(2, 3), (3, 4), (2, 4)]
    w = RNG.standard_normal((3, 4), np.float32)
    np.testing.assert_allclose(module(X, w), X @ w, rtol=1e-5)


def test_a_symbol_that_is_fixed_once_is_fixed_everywhere() -> None:
    model = parse("g (float[N,3] x, float[N,3] y) => (float[N,3] z) { z = Add(x, y) }")
    module = compiled(model, shapes={"x": (2, 3)})
    assert [str(port) for port in module.inputs] == ["x: f32[2,3]", "y: f32[2,3]"]


EMPTY = {
    "elementwise": "g (float[0,3] x) => (float[0,3] y) { y = Relu(x) }",
    "sum of nothing": "g (float[2,0] x) => (float[1,1] y) { y = ReduceSum(x) }",
    "product of nothing": "g (float[2,0] x, float[0,3] w) => (float[2,3] y) { y = MatMul(x, w) }",
}


@pytest.mark.parametrize("text", EMPTY.values(), ids=EMPTY)
def test_empty_arrays(text: str) -> None:
    module = compiled(parse(text))
    feeds = {port.name: np.zeros(port.shape, np.float32) for port in module.inputs}
    (port,) = module.outputs
    np.testing.assert_array_equal(module.run(feeds)[port.name], np.zeros(port.shape))


def test_models_that_compute_nothing() -> None:
    constant = compiled(
        parse("g () => (float[2] y) { y = Constant <value_floats = [1.0, 2.0]> () }")
    )
    np.testing.assert_array_equal(constant(), [1, 2])
    same = compiled(parse("g (float[2,3] x) => (float[2,3] x) { }"))
    np.testing.assert_array_equal(same(X), X)
    twice = compiled(parse("g (float[2,3] x) => (float[2,3] y, float[2,3] z) {"
                           "y = Relu(x) z = Identity(y) }"))  # fmt: skip
    for result in twice(-X):
        np.testing.assert_array_equal(result, np.maximum(-X, 0))


# Calls.


def test_ports_say_what_is_needed(module: mlc.Module) -> None:
    assert module.name == "network"
    assert [str(port) for port in module.inputs] == ["image: f32[1,3,9,9]"]
    assert [(port.name, port.dtype, port.shape) for port in module.outputs] == [
        ("probabilities", "f32", (1, 5)),
        ("features", "f32", (1, 8)),
    ]


def test_one_output_is_an_array_and_several_are_a_tuple(
    module: mlc.Module, adder: mlc.Module
) -> None:
    assert isinstance(adder(X, Y), np.ndarray)
    results = module(IMAGE)
    assert isinstance(results, tuple)
    assert [result.shape for result in results] == [(1, 5), (1, 8)]


def test_inputs_by_position_by_name_and_mixed(adder: mlc.Module) -> None:
    for result in (adder(X, Y), adder(y=Y, x=X), adder(X, y=Y), adder.run({"y": Y, "x": X})["z"]):
        np.testing.assert_array_equal(result, X + Y)


def test_results_are_fresh_arrays(adder: mlc.Module) -> None:
    first = adder(X, Y)
    kept = first.copy()
    second = adder(Y, Y)
    np.testing.assert_array_equal(first, kept)
    assert not np.shares_memory(first, second)


def test_results_go_where_they_are_wanted(module: mlc.Module, adder: mlc.Module) -> None:
    out = np.empty((2, 3), np.float32)
    assert adder(X, Y, out=out) is out
    np.testing.assert_array_equal(out, X + Y)
    features = np.empty((1, 8), np.float32)
    results = module.run({"image": IMAGE}, out={"features": features})
    assert results["features"] is features
    np.testing.assert_allclose(features, expected()["features"], rtol=1e-5, atol=1e-6)


class Lender:
    """An array behind DLPack alone."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


@pytest.mark.parametrize(
    "wrap",
    [memoryview, Lender, np.asfortranarray, lambda array: np.repeat(array, 2, 1)[:, ::2]],
    ids=["buffer", "DLPack", "columns first", "strided"],
)
def test_arrays_of_any_kind(adder: mlc.Module, wrap: Callable[[Array], Any]) -> None:
    np.testing.assert_array_equal(adder(wrap(X), wrap(Y.copy())), X + Y)


def test_tensors_of_torch(adder: mlc.Module) -> None:
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(adder(torch.from_numpy(X), torch.from_numpy(Y.copy())), X + Y)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_many_threads_call_at_once(num_threads: int) -> None:
    module = compiled(num_threads=num_threads)
    images = [RNG.standard_normal(IMAGE.shape, np.float32) for _ in range(8)]
    alone = [module(image) for image in images]

    def work(number: int) -> bool:
        return all(
            np.array_equal(found, wanted)
            for _ in range(100)
            for found, wanted in zip(module(images[number]), alone[number], strict=True)
        )

    with ThreadPoolExecutor(8) as executor:
        assert all(executor.map(work, range(8)))


def test_a_profile_names_the_nodes(module: mlc.Module) -> None:
    profile = module.profile(IMAGE, repeat=2)
    named = {node for row in profile for node in row.loc}
    assert NODES - {"flatten"} <= named <= NODES  # a flatten needs no code
    assert all(row.nanoseconds >= 0 for row in profile)
    assert [row.kernel for row in profile] == [call.kernel for call in module.compiled.calls]


# Texts and dumps.


def constants_of_all_stages() -> dict[str, Array]:
    """The constants that any stage of the network may name by digest."""
    graph = import_model(network())
    known = large_constants(graph)
    passes = graph_passes(resolve("host"))
    for graph_pass in passes:
        graph = run_passes(graph, [graph_pass], Context(target=resolve("host")))
        known |= large_constants(graph)
    return known


def assert_text_computes(text: str) -> None:
    """The text of a graph reads back, prints the same, and computes what the network does."""
    graph = parse_graph(text, constants_of_all_stages())
    verify_graph(graph)
    assert print_graph(graph) == text
    results = run_graph(graph, {"image": IMAGE})
    for name, wanted in expected().items():
        np.testing.assert_allclose(results[name], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("stage", ["graph", "optimized"])
def test_graphs_read_back(module: mlc.Module, stage: str) -> None:
    assert_text_computes(module.ir(stage))


def test_loops_read_back(module: mlc.Module) -> None:
    for kernel in module.kernels:
        text = module.ir("loops", kernel)
        func = parse_func(text)
        verify_func(func)
        assert (func.name, print_func(func)) == (kernel, text)


def test_machine_code_by_kernel(module: mlc.Module) -> None:
    for kernel in module.kernels:
        assert f"@{kernel}(" in module.ir("llvm", kernel)
        assert f"{kernel}:" in module.ir("asm", kernel)
    for stage in STAGES:
        for kernel in module.kernels if stage in ("loops", "llvm", "asm") else ():
            assert module.ir(stage, kernel) in module.ir(stage)
    assert "mlc_run" in module.ir("llvm")


def test_a_dump_has_every_step(tmp_path: Path) -> None:
    module = compiled(dump=tmp_path / "new" / "dump", cache=tmp_path / "cache")
    folder = tmp_path / "new" / "dump"
    names = {path.name for path in folder.iterdir()}
    by_kernel = {f"{kernel}{end}" for kernel in module.kernels
                 for end in (".loops.mlc", ".final.mlc", ".ll", ".s")}  # fmt: skip
    graphs = sorted(name for name in names if name[:2].isdigit())
    assert names == {"fusion.txt", "timing.json", "module.ll", *by_kernel, *graphs}
    assert graphs[-1].endswith("fuse-vertical.mlc")
    for name in graphs:
        assert_text_computes((folder / name).read_text())
    for kernel in module.kernels:
        func = parse_func((folder / f"{kernel}.final.mlc").read_text())
        verify_func(func)
        assert (folder / f"{kernel}.loops.mlc").read_text() == module.ir("loops", kernel)
        assert (folder / f"{kernel}.ll").read_text() == module.ir("llvm", kernel)
        assert (folder / f"{kernel}.s").read_text() == module.ir("asm", kernel)
    assert "fuse-vertical: " in (folder / "fusion.txt").read_text()
    timings = json.loads((folder / "timing.json").read_text())
    assert {"lower", "emit", "codegen"} <= {row["name"] for row in timings}
    assert all(row["seconds"] >= 0 for row in timings)
