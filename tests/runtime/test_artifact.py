"""What is saved comes back, in another process too, and takes no other file's place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mlc.backends.llvm.link import link_shared
from mlc.errors import ArtifactError, MlcError
from mlc.runtime.artifact import load
from mlc.runtime.artifact_writer import write_artifact
from mlc.runtime.manifest import MANIFEST
from mlc.runtime.module import Module
from tests.runtime import toy

X = np.array([1, 2, 3, 4, 5, 6], np.float32)


def test_a_saved_module_comes_back(saved: Path) -> None:
    with load(saved) as module:
        original = toy.compiled(texts=toy.TEXTS)
        np.testing.assert_array_equal(module(X, X), toy.expected(X, X))
        loaded = module.compiled
        assert (loaded.name, loaded.inputs, loaded.outputs, loaded.calls) == (
            original.name,
            original.inputs,
            original.outputs,
            original.calls,
        )
        assert (loaded.machine, loaded.arena_bytes, loaded.num_threads, loaded.versions) == (
            original.machine,
            original.arena_bytes,
            original.num_threads,
            original.versions,
        )
        np.testing.assert_array_equal(loaded.constants, original.constants)
        for stage in ("graph", "loops", "asm"):
            assert module.texts.sections(stage) == original.texts.sections(stage)
        with pytest.raises(MlcError, match=r"^this module keeps no 'llvm' text$"):
            module.ir("llvm")


def test_the_number_of_threads_is_the_saved_one_or_the_asked_one(tmp_path: Path) -> None:
    write_artifact(toy.compiled(num_threads=3), tmp_path / "m")
    assert load(tmp_path / "m").num_threads == 3
    assert load(tmp_path / "m", 2).num_threads == 2
    write_artifact(toy.compiled(num_threads=None), tmp_path / "n")
    assert load(str(tmp_path / "n")).num_threads >= 1


def test_a_loaded_module_can_be_saved_even_over_itself(saved: Path, tmp_path: Path) -> None:
    module = load(saved)
    module.save(tmp_path / "copy")
    module.save(saved)
    module.save(saved)
    for path in (saved, tmp_path / "copy"):
        np.testing.assert_array_equal(load(path)(X, X), toy.expected(X, X))
    np.testing.assert_array_equal(module(X, X), toy.expected(X, X))
    assert module.ir("loops", "scale") == "für s\r\n"


def test_another_process_loads_it_without_the_compiler(tmp_path: Path) -> None:
    toy.need_linker()
    module = Module.from_compiled(toy.compiled(), toy.JitCode, linker=link_shared)
    module.save(tmp_path / "model")
    script = (
        "import sys, numpy as np, mlc\n"
        f"module = mlc.load({str(tmp_path / 'model')!r}, num_threads=2)\n"
        "x = np.arange(6, dtype=np.float32)\n"
        "print(module(x, x).tolist())\n"
        "heavy = {'llvmlite', 'onnx', 'networkx', 'mlc.ir', 'mlc.backends', 'pycparser'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    x = np.arange(6, dtype=np.float32)
    assert (run.stdout, run.stderr) == (f"{toy.expected(x, x).tolist()}\n", "")


def test_the_constants_are_plain_safetensors_and_are_mapped(saved: Path) -> None:
    tensors = safetensors.numpy.load_file(saved / "constants.safetensors")
    module = load(saved)
    np.testing.assert_array_equal(tensors["constants"], module.compiled.constants)
    assert module.compiled.constants.ctypes.data % 64 == 0
    assert not module.compiled.constants.flags.writeable
    assert np.shares_memory(module._executable._constants, module.compiled.constants)


def test_a_model_without_constants(tmp_path: Path) -> None:
    compiled = toy.compiled((0,))
    assert compiled.constants.size == 0
    write_artifact(compiled, tmp_path / "m")
    empty = np.zeros(0, np.float32)
    assert load(tmp_path / "m")(empty, empty).shape == (0,)


def test_replacing_an_artifact_that_is_in_use(tmp_path: Path) -> None:
    toy.need_linker()
    path = tmp_path / "model"
    write_artifact(toy.compiled((6,)), path, linker=link_shared)
    old = load(path)
    write_artifact(toy.compiled((3,)), path, linker=link_shared)
    new = load(path)
    np.testing.assert_array_equal(old(X, X), toy.expected(X, X))
    np.testing.assert_array_equal(new(X[:3], X[:3]), toy.expected(X[:3], X[:3]))
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_an_empty_folder_is_filled_and_parents_are_made(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_artifact(toy.compiled(), tmp_path / "model")
    write_artifact(toy.compiled(), tmp_path / "a" / "b")
    assert load(tmp_path / "model").name == load(tmp_path / "a" / "b").name == "toy"


@pytest.mark.parametrize("occupant", ["file", "folder", "link", "other manifest"])
def test_anything_else_in_its_place_is_left_alone(occupant: str, tmp_path: Path) -> None:
    path = tmp_path / "model"
    if occupant == "file":
        path.write_text("mine")
    elif occupant == "link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.mkdir()
        (path / (MANIFEST if occupant == "other manifest" else "notes")).write_text('{"name": 1}')
    with pytest.raises(ArtifactError) as caught:
        toy.module().save(path)
    assert str(caught.value) == (
        f"{path} exists and is no mlc artifact\n  hint: choose another path, or remove it"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "sub" / "model"
    with pytest.raises(ArtifactError) as caught:
        toy.module().save(path)
    assert str(caught.value) == f"cannot write {path}: Not a directory"


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    def broken() -> dict[str, str]:
        raise RuntimeError("while printing")

    write_artifact(toy.compiled(), tmp_path / "model")
    with pytest.raises(RuntimeError):
        write_artifact(toy.compiled(texts={"graph": broken}), tmp_path / "model")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]
    assert load(tmp_path / "model").name == "toy"
