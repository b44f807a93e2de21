"""mlc run: arrays from files or a seed, results on the screen or in a file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Call, save
from tests.importers.evaluate import parse

X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2
W = np.arange(12, dtype=np.float32).reshape(3, 4) - 5
Y = np.maximum(X @ W, 0)


@pytest.fixture
def files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "w.npy", W)
    np.savez(tmp_path / "both.npz", x=X, w=W)
    np.savez(tmp_path / "other.npz", a=X)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "inputs",
    [["x=x.npy", "w=w.npy"], ["both.npz"], ["x=both.npz", "w=w.npy"]],
    ids=["arrays", "archive", "array of an archive"],
)
def test_files_in_file_out(call: Call, mlp: Path, tmp_path: Path, inputs: list[str]) -> None:
    options = [word for text in inputs for word in ("--input", text)]
    outcome = call("run", mlp, *options, "--output", "y.npz")
    assert (outcome.code, outcome.errors) == (0, "")
    with np.load(tmp_path / "y.npz") as results:
        assert list(results) == ["y"]
        np.testing.assert_allclose(results["y"], Y, rtol=1e-6)
    mode = (tmp_path / "y.npz").stat().st_mode & 0o777
    assert mode == 0o644
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".y.npz")]


@pytest.mark.usefixtures("files")
def test_the_largest_elements_are_shown(call: Call, mlp: Path) -> None:
    outcome = call("run", mlp, "-i", "both.npz", "--top", 2)
    first, second = np.argsort(-Y.ravel(), kind="stable")[:2]
    lines = [
        f"y: f32[2,4] (min {Y.min():.6g}, mean {Y.mean():.6g}, max {Y.max():.6g})",
        *(f"  [{i // 4}, {i % 4}] {Y.ravel()[i]:.6g}" for i in (first, second)),
    ]
    assert outcome.output.splitlines() == lines


def test_random_inputs_follow_the_seed(call: Call, mlp: Path) -> None:
    one, again, other = (call("run", mlp, "--seed", seed).output for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.mark.usefixtures("files")
def test_the_only_input_needs_no_name(call: Call, open_model: Path, tmp_path: Path) -> None:
    outcome = call("run", open_model, "--shape", "x=2,3", "-i", "x.npy", "-o", "y.npz")
    assert outcome.code == 0
    with np.load(tmp_path / "y.npz") as results:
        np.testing.assert_array_equal(results["y"], np.maximum(X, 0))


@pytest.mark.usefixtures("files")
def test_open_shapes_come_from_the_arrays(call: Call, open_model: Path) -> None:
    outcome = call("run", open_model, "-i", "x.npy")
    y = np.maximum(X, 0)
    assert outcome.output == (
        f"y: f32[2,3] (min {y.min():.6g}, mean {y.mean():.6g}, max {y.max():.6g})\n"
    )


def test_open_shapes_that_nothing_gives(call: Call, open_model: Path) -> None:
    outcome = call("run", open_model)
    assert (outcome.code, outcome.errors) == (
        1,
        "error: input x: f32[N,3] is open\n  hint: give --shape x=… or --input x=file.npy\n",
    )


def test_results_whose_size_data_decides(call: Call, tmp_path: Path) -> None:
    model = save(parse("g (float[4] x) => (int64[1,n] y) { y = NonZero(x) }"), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.array([0, 1, 0, 2], np.float32))
    assert call("run", model, "-i", "x.npy", "-o", "y.npz").output == (
        "y: i64[1,2] (min 1, mean 2, max 3)\n"
    )
    with np.load(tmp_path / "y.npz") as results:
        assert results["y"].tolist() == [[1, 3]]


def test_an_artifact_runs(call: Call, mlp: Path) -> None:
    call("compile", mlp, "-o", "m")
    assert call("run", "m", "--seed", 3).output == call("run", mlp, "--seed", 3).output


def test_an_artifact_has_its_shapes(call: Call, mlp: Path) -> None:
    call("compile", mlp, "-o", "m")
    outcome = call("run", "m", "--shape", "x=4,3")
    assert outcome.code == 1
    assert outcome.errors == (
        "error: 'm' is compiled already, for its own shapes\n"
        "  hint: give --shape together with the ONNX file\n"
    )


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("x=none.npy", "cannot read 'none.npy': No such file or directory"),
        (
            "x.npy",
            (
                "'x.npy' could be for any input\n"
                "  hint: write name=x.npy; the inputs are 'x', 'w'"
            ),
        ),
        ("z=x.npy", "unknown input 'z'\n  hint: the module takes inputs 'x', 'w'"),
        ("x=other.npz", "'other.npz' has no array 'x'\n  hint: it has 'a'"),
        ("other.npz", "unknown input 'a'\n  hint: the module takes inputs 'x', 'w'"),
        ("x=w.npy", "input 'x': shape (3, 4), expected (2, 3)"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit(call: Call, mlp: Path, given: str, message: str) -> None:
    outcome = call("run", mlp, "--input", given)
    assert (outcome.code, outcome.errors) == (1, f"error: {message}\n")


@pytest.mark.parametrize(
    "data",
    [b"", b"text", b"PK\x03\x04", b"\x93NUMPY", b"\x80\x04N."],
    ids=["empty", "text", "zip", "cut short", "pickle"],
)
def test_files_that_are_no_arrays(call: Call, mlp: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad.npy").write_bytes(data)
    outcome = call("run", mlp, "--input", "x=bad.npy")
    assert outcome.code == 1
    assert outcome.errors.startswith("error: 'bad.npy' is no .npy or .npz file: ")


def test_objects_in_arrays_are_never_loaded(call: Call, mlp: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([None]), allow_pickle=True)
    outcome = call("run", mlp, "--input", "x=x.npy")
    assert outcome.code == 1
    assert outcome.errors.startswith("error: 'x.npy' is no .npy or .npz file: ")


def test_a_result_that_cannot_be_written(call: Call, mlp: Path) -> None:
    outcome = call("run", mlp, "--output", mlp / "y.npz")
    assert outcome.code == 1
    assert outcome.errors == f"error: cannot write '{mlp / 'y.npz'}': Not a directory\n"
