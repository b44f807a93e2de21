"""Modules that outlive their process: saved ones, and those that the cache keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
import mlc.api
from mlc.backends.llvm.link import link_shared
from mlc.backends.llvm.targets import resolve
from mlc.runtime.compiled import OBJECT
from mlc.runtime.texts import STAGES
from tests.small_network import IMAGE, NODES, WEIGHTS, assert_right, compiled, network


@pytest.fixture(scope="module")
def module() -> mlc.Module:
    return compiled()


# Artifacts.


def test_saved_modules_load_in_a_process_without_the_compiler(
    module: mlc.Module, tmp_path: Path
) -> None:
    if link_shared(module.compiled.code.data, module.compiled.machine.triple) is None:
        pytest.skip("no linker")
    module.save(tmp_path / "model")
    np.save(tmp_path / "image.npy", IMAGE)
    script = """
import sys, numpy, mlc
module = mlc.load("model")
results = module.run({"image": numpy.load("image.npy")})
numpy.savez("results.npz", **results)
module.ir("optimized"), module.ir("asm"), module.profile(numpy.load("image.npy"))
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(mlc.__file__).parent.parent)},
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert "mlc.runtime.module" in loaded
    assert not loaded & {"llvmlite", "onnx", "xgboost", "networkx", "mlc.ir", "mlc.api"}
    with np.load(tmp_path / "results.npz") as results:
        for name, wanted in module.run({"image": IMAGE}).items():
            np.testing.assert_array_equal(results[name], wanted)


def test_a_loaded_module_is_the_same(module: mlc.Module, tmp_path: Path) -> None:
    module.save(tmp_path / "model")
    with mlc.load(tmp_path / "model") as loaded:
        assert repr(loaded) == repr(module)
        assert loaded.compiled.calls == module.compiled.calls
        assert_right(loaded)
        for stage in STAGES:
            assert loaded.ir(stage) == module.ir(stage)
        loaded.save(tmp_path / "again")
    with mlc.load(tmp_path / "again", num_threads=2) as again:
        assert again.num_threads == 2
        assert_right(again)


def test_compiling_for_another_machine() -> None:
    here = resolve("host").triple
    there = "aarch64-linux-gnu" if here.startswith("x86") else "x86_64-linux-gnu"
    compiled = mlc.api.compile_only(network(), there)
    assert (compiled.machine.triple, compiled.code.kind) == (there, OBJECT)
    assert {node for call in compiled.calls for node in call.loc} <= NODES


# The cache.


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry per model that was really compiled."""
    counted: list[None] = []
    build = mlc.api.build

    def counting(*arguments: Any, **options: Any) -> Any:
        counted.append(None)
        return build(*arguments, **options)

    monkeypatch.setattr(mlc.api, "build", counting)
    return counted


def test_the_second_time_nothing_is_compiled(builds: list[None], tmp_path: Path) -> None:
    first, second = (compiled(cache=tmp_path) for _ in range(2))
    assert len(builds) == 1
    for one, other in zip(first(IMAGE), second(IMAGE), strict=True):
        np.testing.assert_array_equal(one, other)
    for stage in STAGES:
        assert second.ir(stage) == first.ir(stage)
    second.save(tmp_path / "saved")
    assert_right(mlc.load(tmp_path / "saved"))


def test_what_decides_the_code_decides_the_entry(
    builds: list[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = {"bias": WEIGHTS["bias"] + 1}
    variants: list[Callable[[], mlc.Module]] = [
        lambda: compiled(cache=tmp_path),
        lambda: compiled(cache=tmp_path, num_threads=2),
        lambda: compiled(cache=tmp_path, precision="exact"),
        lambda: compiled(cache=tmp_path, check_bounds=True),
        lambda: compiled(cache=tmp_path, target="x86-64-v2" if _on_x86() else "armv8-a"),
        lambda: compiled(network(**changed), cache=tmp_path),
    ]
    for variant in variants * 2:
        variant()
    assert len(builds) == len(variants)
    monkeypatch.setattr(mlc.api, "sources_digest", lambda: "another compiler")
    variants[0]()
    assert len(builds) == len(variants) + 1


def _on_x86() -> bool:
    return resolve("host").triple.startswith("x86_64")


def test_a_damaged_entry_is_compiled_again(builds: list[None], tmp_path: Path) -> None:
    compiled(cache=tmp_path)
    (code,) = tmp_path.glob("*/model-*")
    code.write_bytes(code.read_bytes()[:-100])
    assert_right(compiled(cache=tmp_path))
    assert len(builds) == 2


def test_a_dump_compiles_anew(builds: list[None], tmp_path: Path) -> None:
    for _ in range(2):
        compiled(cache=tmp_path / "cache", dump=tmp_path / "dump")
    assert len(builds) == 2
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_users_cache(
    builds: list[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled(cache=False)
    assert not list(tmp_path.iterdir())
    for _ in range(2):
        compiled(cache=True)
    assert len(builds) == 2
    assert len(list((tmp_path / "mlc" / "modules").iterdir())) == 1


def test_without_a_usable_cache_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = tmp_path / "file" / "mlc" / "modules"
    with pytest.warns(RuntimeWarning) as caught:
        module = compiled(cache=True)
    assert [str(warning.message) for warning in caught] == [
        f"compiling without a cache: cannot use the cache folder {folder}: Not a directory"
    ]
    assert_right(module)


def test_a_model_with_a_linker_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlc.api, "link_shared", lambda *_: None)
    compiled().save(tmp_path / "model")
    with mlc.load(tmp_path / "model") as module:
        assert module.compiled.code.kind == OBJECT
        assert_right(module)
