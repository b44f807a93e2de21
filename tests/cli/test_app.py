"""The whole command: help, version, exit codes, where things are written."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import mlc
from mlc.cli import app as app_module
from mlc.cli.app import app
from mlc.errors import UnsupportedError
from tests.cli.conftest import Call

COMMANDS = ["compile", "run", "bench", "inspect", "tune", "ops", "target"]


def test_help_names_every_command(call: Call) -> None:
    outcome = call("--help")
    assert outcome.code == 0
    assert all(f" {name} " in outcome.output for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(call: Call, name: str) -> None:
    outcome = call(name, "-h")
    assert outcome.code == 0
    assert f"Usage: mlc {name}" in outcome.output
    assert "Examples:" in outcome.output
    assert f" mlc {name}" in outcome.output.partition("Examples:")[2]


def test_version(call: Call) -> None:
    assert call("--version").output == f"mlc {mlc.__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["run"],
        ["run", "a", "b"],
        ["run", "a", "--nonsense"],
        ["run", "a", "--threads", "0"],
        ["run", "a", "--shape", "x"],
        ["run", "a", "--shape", "x=1,a"],
        ["run", "a", "--shape", "x=-1"],
        ["run", "a", "--shape", "=1"],
        ["run", "a", "--input", "x="],
        ["run", "a", "--precision", "double"],
        ["inspect", "a", "--stage", "nonsense"],
        ["bench", "a", "--against", "nobody"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_told_on_stderr(call: Call, words: list[str]) -> None:
    outcome = call(*words)
    assert (outcome.code, outcome.output) == (2, "")
    assert "Usage: mlc" in outcome.errors


def test_wrong_variables_are_wrong_use(call: Call) -> None:
    outcome = call("run", "a", MLC_THREADS="many")
    assert outcome.code == 2
    assert "MLC_THREADS" in outcome.errors


def test_errors_are_whole_and_without_markup(call: Call, unsupported: Path) -> None:
    outcome = call("compile", unsupported)
    with pytest.raises(UnsupportedError) as caught:
        mlc.compile(unsupported)
    assert (outcome.code, outcome.output) == (1, "")
    assert outcome.errors == f"error: {caught.value}\n"


def test_warnings_are_plain(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn() -> None:
        warnings.warn("take [care]", RuntimeWarning, stacklevel=1)

    group = typer.Typer(cls=app_module._Commands)
    group.command("warn")(warn)
    group.callback()(lambda: None)
    result = CliRunner().invoke(group, ["warn"])
    assert (result.exit_code, result.stderr) == (0, "warning: take [care]\n")


def test_interruption(call: Call, mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mlc, "compile", interrupted)
    result = CliRunner().invoke(app, ["run", str(mlp)])
    assert result.exit_code == 130
    assert result.stdout == ""


def command(*words: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mlc.cli", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # type: ignore[call-overload,no-any-return]  # fmt: skip


def test_a_process_of_its_own(mlp: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "MLC_CACHE_FOLDER": str(tmp_path / "cache")}
    process = command("run", mlp, "--top", 1, env=environment)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert output.splitlines()[0].startswith("y: f32[2,4] (min ")


@pytest.fixture
def _interrupts_are_heard() -> Iterator[None]:
    """What a shell starts in the background ignores interrupts, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interrupts_are_heard")
def test_an_interrupted_process(mlp: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    process = command("bench", mlp, "--runs", 10**6, "--cache-folder", cache)
    try:
        while not list(cache.glob("*/manifest.json")):  # until it is at work for certain
            assert process.poll() is None
            time.sleep(0.01)
        for _ in range(12):  # Python loses an interrupt that falls into a finalizer
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130


def test_a_reader_that_leaves(mlp: Path) -> None:
    process = command("inspect", mlp, "--stage", "asm", "--no-cache")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=60) == 1
    assert "Traceback" not in errors
