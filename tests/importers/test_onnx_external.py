"""External data: read where it is in order, refused where a path or size is not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mlc.errors import ModelError
from mlc.importers.onnx import import_model
from tests.importers.evaluate import parse

WEIGHTS = np.arange(6, dtype=np.float32).reshape(2, 3)


def saved(folder: Path, **entries: str) -> Path:
    """A model in `folder` whose weights w are at the place that `entries` tell."""
    model = parse("g (float[2,3] x) => (float[2,3] y) { y = Add(x, w) }")
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [2, 3], WEIGHTS)
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    model.graph.initializer.append(tensor)
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        import_model(path)
    return str(caught.value)


def constant(path: Path) -> np.ndarray:
    (array,) = import_model(path).constants.values()
    return array


def test_whole_file(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    array = constant(saved(tmp_path, location="w.bin"))
    np.testing.assert_array_equal(array, WEIGHTS)
    assert not array.flags.writeable


def test_part_of_a_file_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(b"abc" + WEIGHTS.tobytes() + b"tail")
    array = constant(saved(tmp_path, location="data/w.bin", offset="3", length="24"))
    np.testing.assert_array_equal(array, WEIGHTS)
    assert array.flags.aligned


def test_link_inside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "link").symlink_to("w.bin")
    np.testing.assert_array_equal(constant(saved(tmp_path, location="link")), WEIGHTS)


@pytest.mark.parametrize(
    "location", ["", "/etc/passwd", "../w.bin", "a/../../w.bin", "C:/w.bin", "\\\\host\\w", "a\0b"]
)
def test_paths_that_are_none(tmp_path: Path, location: str) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    (tmp_path / "inner").mkdir()
    assert refusal(saved(tmp_path / "inner", location=location)) == (
        f"external data of tensor 'w' is at '{location}', which is no path inside the model's "
        "folder\n  at: Add:y"
    )


def test_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "w.bin").symlink_to(tmp_path / "w.bin")
    assert refusal(saved(inner, location="w.bin")) == (
        "external data of tensor 'w' is at 'w.bin', which leads out of the model's folder\n"
        "  at: Add:y"
    )


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"offset": "8"}, "external data of tensor 'w': 'w.bin' has 24 bytes, not 32"),
        ({"length": "20"}, "tensor 'w' takes 24 bytes, its external data has 20"),
        ({"offset": "-1"}, "external data of tensor 'w': offset '-1' is no size"),
        ({"length": "many"}, "external data of tensor 'w': length 'many' is no size"),
        ({"offset": "9" * 19},
         f"external data of tensor 'w': 'w.bin' has 24 bytes, not {int('9' * 19) + 24}"),
    ],
)  # fmt: skip
def test_sizes_that_do_not_fit(tmp_path: Path, entries: dict[str, str], expected: str) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    assert refusal(saved(tmp_path, location="w.bin", **entries)) == f"{expected}\n  at: Add:y"


def test_file_that_is_missing(tmp_path: Path) -> None:
    assert refusal(saved(tmp_path, location="w.bin")) == (
        "external data of tensor 'w': 'w.bin' cannot be read: No such file or directory\n"
        "  at: Add:y"
    )


def test_things_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(saved(tmp_path, location="pipe")) == (
        "external data of tensor 'w': 'pipe' is no file\n  at: Add:y"
    )
    (tmp_path / "folder").mkdir()
    assert refusal(saved(tmp_path, location="folder")) == (
        "external data of tensor 'w': 'folder' cannot be read: Is a directory\n  at: Add:y"
    )


def test_model_without_a_folder(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    data = saved(tmp_path, location="w.bin").read_bytes()
    with pytest.raises(ModelError) as caught:
        import_model(data)
    assert str(caught.value) == (
        "tensor 'w' lies in the external file 'w.bin'\n  at: Add:y\n"
        "  hint: give the model's path, so that the files beside it are found"
    )


def test_unused_external_data_is_not_read(tmp_path: Path) -> None:
    path = saved(tmp_path, location="w.bin")
    model = onnx.load(path, load_external_data=False)
    model.graph.node[0].input[1] = "x"
    onnx.save(model, path)
    assert import_model(path).constants == {}
