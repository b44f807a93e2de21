"""What the tests of the command line share: small models on disk, a way to call, an own cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

from mlc.cli.app import app
from tests.importers.evaluate import parse


@dataclass(frozen=True)
class Outcome:
    """The exit code of a call, and what it wrote to stdout and stderr."""

    code: int
    output: str
    errors: str


Call = Callable[..., Outcome]

MLP = """
g (float[2,3] x, float[3,4] w) => (float[2,4] y) {
    [product] p = MatMul(x, w)
    [threshold] y = Relu(p)
}
"""
OPEN = "g (float[N,3] x) => (float[N,3] y) { [threshold] y = Relu(x) }"
UNSUPPORTED = """
g (float[2,3] x) => (float[2,3] y) {
    [first] a = acme.Fancy(x)
    [second] b = Relu(a)
    [third] y = Det2(b)
}
"""


@pytest.fixture
def mlp(tmp_path: Path) -> Path:
    return save(parse(MLP), tmp_path / "mlp.onnx")


@pytest.fixture
def open_model(tmp_path: Path) -> Path:
    return save(parse(OPEN), tmp_path / "open.onnx")


@pytest.fixture
def unsupported(tmp_path: Path) -> Path:
    return save(parse(UNSUPPORTED, domains=[("acme", 3)]), tmp_path / "unsupported.onnx")


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call `mlc` with some arguments, in an empty folder, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    environment = {"MLC_CACHE_FOLDER": str(tmp_path / "cache"), "MLC_THREADS": "1"}

    def run(*arguments: object, **variables: str) -> Outcome:
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(app, words, env={**environment, **variables}, prog_name="mlc")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run
