"""Notes of what a model file led to in the cache."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mlc
from mlc import recall
from mlc.file_state import file_state
from mlc.recall import MOST_NOTES, note, recalled

QUESTION, KEY = "0" * 64, "f" * 64
LONG_AGO = 1_500_000_000


def settled(path: Path) -> Path:
    """A file whose contents did not change for long; its inode is as old as the test."""
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


@pytest.fixture(autouse=True)
def _times_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "_SETTLED_NANOSECONDS", 0)


def a_note(folder: Path, *files: Path) -> str | None:
    note(folder, QUESTION, {path: file_state(path.stat()) for path in files}, KEY)
    return recalled(folder, QUESTION)


def test_a_note_holds_while_nothing_changes(tmp_path: Path) -> None:
    file = tmp_path / "model"
    file.write_bytes(b"1")
    assert a_note(tmp_path / "notes", file) == KEY
    assert recalled(tmp_path / "notes", "1" * 64) is None


@pytest.mark.parametrize("change", ["contents", "time", "replaced", "removed"])
def test_a_change_of_any_file_ends_it(tmp_path: Path, change: str) -> None:
    first, second = tmp_path / "model", tmp_path / "weights"
    for file in (first, second):
        file.write_bytes(b"1")
        settled(file)
    assert a_note(tmp_path / "notes", first, second) == KEY
    if change == "contents":
        second.write_bytes(b"2")
        settled(second)
    elif change == "time":
        os.utime(second, (LONG_AGO, LONG_AGO + 1))
    elif change == "replaced":
        other = tmp_path / "other"
        other.write_bytes(b"1")
        settled(other).replace(second)
    else:
        second.unlink()
    assert recalled(tmp_path / "notes", QUESTION) is None


def test_what_changed_just_now_is_not_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall, "_SETTLED_NANOSECONDS", 3_600_000_000_000)
    file = tmp_path / "model"
    file.write_bytes(b"1")
    assert a_note(tmp_path / "notes", file) is None
    assert a_note(tmp_path / "notes") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": {}, "key": "x"}', '{"files": 1}'])
def test_a_damaged_note_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / QUESTION).write_text(text)
    assert recalled(tmp_path, QUESTION) is None


def test_notes_do_not_pile_up(tmp_path: Path) -> None:
    file, folder = tmp_path / "model", tmp_path / "notes"
    file.write_bytes(b"1")
    folder.mkdir()
    for number in range(MOST_NOTES + 5):
        (folder / f"{number}").touch()
        os.utime(folder / f"{number}", (LONG_AGO + number,) * 2)
    assert a_note(folder, file) == KEY
    assert len(list(folder.iterdir())) == MOST_NOTES


def external_model(folder: Path, weights: np.ndarray) -> Path:
    """y = x + w, with w in a file beside the model's."""
    tensor = numpy_helper.from_array(weights, "w")
    shape = list(weights.shape)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [tensor],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path = folder / "model.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="w", size_threshold=0)
    return path


def test_a_model_nobody_touched_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, x = np.arange(64, dtype=np.float32), np.ones(64, np.float32)
    path, cache = external_model(tmp_path, weights), tmp_path / "cache"
    np.testing.assert_array_equal(mlc.compile(path, cache=cache)(x), weights + 1)
    monkeypatch.setattr("mlc.api.read_model", None)  # calling it would fail
    np.testing.assert_array_equal(mlc.compile(path, cache=cache)(x), weights + 1)


def test_new_weights_beside_an_old_model_are_read(tmp_path: Path) -> None:
    weights, x = np.arange(64, dtype=np.float32), np.ones(64, np.float32)
    path, cache = external_model(tmp_path, weights), tmp_path / "cache"
    mlc.compile(path, cache=cache)
    (tmp_path / "w").write_bytes((2 * weights).tobytes())
    np.testing.assert_array_equal(mlc.compile(path, cache=cache)(x), 2 * weights + 1)
