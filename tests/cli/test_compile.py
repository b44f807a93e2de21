"""mlc compile, and that what it writes is what the library would."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import mlc
from mlc.backends.llvm.host import detect
from mlc.runtime.artifact import read_artifact
from tests.cli.conftest import Call

X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2
W = np.arange(12, dtype=np.float32).reshape(3, 4) - 5


def test_the_artifact_computes(call: Call, mlp: Path, tmp_path: Path) -> None:
    outcome = call("compile", mlp, "--output", "out/model.mlc")
    assert (outcome.code, outcome.errors) == (0, "")
    with mlc.load(tmp_path / "out" / "model.mlc") as module:
        np.testing.assert_allclose(module(X, W), np.maximum(X @ W, 0), rtol=1e-6)
    first, *rest = outcome.output.splitlines()
    assert first.startswith("out/model.mlc: ")
    assert " MB for host (" in first
    assert rest == ["  takes x: f32[2,3]", "  takes w: f32[3,4]", "  gives y: f32[2,4]"]


def test_the_default_place_has_the_name_of_the_model(call: Call, mlp: Path, tmp_path: Path) -> None:
    assert call("compile", mlp).code == 0
    assert (tmp_path / "mlp.mlc" / "manifest.json").is_file()


def test_open_shapes_are_given_by_name(call: Call, open_model: Path, tmp_path: Path) -> None:
    assert call("compile", open_model, "-o", "m", "--shape", "x=5,3").code == 0
    with mlc.load(tmp_path / "m") as module:
        assert module.inputs[0].shape == (5, 3)


def test_open_shapes_that_nobody_gives(call: Call, open_model: Path, tmp_path: Path) -> None:
    outcome = call("compile", open_model, "-o", "m")
    assert outcome.code == 1
    assert outcome.errors == (
        "error: a model that is compiled in stages cannot be saved\n"
        "  hint: give every dimension a number: shapes={'x': (…)}\n"
    )
    assert not (tmp_path / "m").exists()


def test_another_machine(call: Call, mlp: Path, tmp_path: Path) -> None:
    here, there = detect().family, "aarch64"
    if here == there:
        there = "x86_64"
    outcome = call("compile", mlp, "-o", "m", "--target", f"{there}-linux-gnu", "--dump", "stages")
    assert (outcome.code, outcome.errors) == (0, "")
    assert list((tmp_path / "stages").glob("*.s"))
    compiled, _ = read_artifact(tmp_path / "m")
    assert compiled.machine.triple == f"{there}-linux-gnu"
    outcome = call("run", "m")
    assert outcome.code == 1
    assert outcome.errors == f"error: made for {there}, this machine is {here}\n  at: m\n"


def test_a_dump_and_options_by_variables(call: Call, mlp: Path, tmp_path: Path) -> None:
    outcome = call("compile", mlp, "-o", "m", MLC_DUMP="stages", MLC_THREADS="2")
    assert outcome.code == 0
    assert (tmp_path / "stages" / "fusion.txt").is_file()
    with mlc.load(tmp_path / "m") as module:
        assert module.num_threads == 2


def test_the_cache(call: Call, mlp: Path, tmp_path: Path) -> None:
    assert call("compile", mlp, "-o", "m", "--no-cache").code == 0
    assert not (tmp_path / "cache").exists()
    assert call("compile", mlp, "-o", "m", MLC_CACHE="0").code == 0
    assert not (tmp_path / "cache").exists()
    assert call("compile", mlp, "-o", "m").code == 0
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_something_else_in_the_way(call: Call, mlp: Path, tmp_path: Path) -> None:
    (tmp_path / "m").write_text("precious")
    outcome = call("compile", mlp, "-o", "m")
    assert outcome.code == 1
    assert outcome.errors == (
        "error: m exists and is no mlc artifact\n  hint: choose another path, or remove it\n"
    )
    assert (tmp_path / "m").read_text() == "precious"


def test_an_unusable_dump_folder(call: Call, mlp: Path) -> None:
    outcome = call("compile", mlp, "--dump", mlp / "stages")
    assert outcome.code == 1
    assert outcome.errors == (
        f"error: cannot use the dump folder '{mlp / 'stages'}': Not a directory\n"
        "  hint: give dump= a folder that you may write to\n"
    )
