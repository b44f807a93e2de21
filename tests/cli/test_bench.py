"""mlc bench: times, turns, agreement with another engine, time per kernel."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from mlc.cli.bench import check_agreement, time_in_turns
from mlc.errors import MlcError
from tests.cli.conftest import Call

has_onnxruntime = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed"
)


def test_engines_take_turns() -> None:
    called: list[str] = []
    engines = {name: (lambda name=name: called.append(name)) for name in ("a", "b")}
    times = time_in_turns(engines, 3)
    assert {name: len(spent) for name, spent in times.items()} == {"a": 3, "b": 3}
    assert all(time > 0 for spent in times.values() for time in spent)
    changes = [name for name, before in zip(called[1:], called, strict=False) if name != before]
    assert changes[-5:] == ["b", "a", "b", "a", "b"]


def test_the_table_has_a_row(call: Call, mlp: Path) -> None:
    outcome = call("bench", mlp, "--runs", 3)
    assert (outcome.code, outcome.errors) == (0, "")
    count, heading, row = outcome.output.splitlines()
    assert count == "3 runs, 1 thread"
    assert heading.split() == ["engine", "median", "ms", "min", "ms", "speed"]
    name, median, least = row.split()
    assert name == "mlc"
    assert float(median) >= float(least) > 0


@has_onnxruntime
def test_beside_onnxruntime(call: Call, mlp: Path) -> None:
    outcome = call("bench", mlp, "--runs", 2, "--against", "onnxruntime", "--threads", 2)
    assert outcome.code == 0
    count, _, *rows = outcome.output.splitlines()
    assert count == "2 runs, 2 threads"
    assert [row.split()[0] for row in rows] == ["mlc", "onnxruntime"]
    assert "1.00×" in [row.split()[-1] for row in rows]


def test_without_onnxruntime(call: Call, mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    outcome = call("bench", mlp, "--against", "onnxruntime")
    assert outcome.code == 1
    assert outcome.errors == (
        "error: onnxruntime is not installed\n  hint: pip install onnxruntime\n"
    )


def test_another_engine_needs_the_model(call: Call, mlp: Path) -> None:
    call("compile", mlp, "-o", "m")
    outcome = call("bench", "m", "--against", "onnxruntime")
    assert outcome.code == 1
    assert outcome.errors == "error: onnxruntime needs the ONNX file, 'm' is an artifact\n"


COUNT = np.arange(4, dtype=np.float32).reshape(2, 2)
HINT = "  hint: at most 0.001 is accepted; random inputs may be to blame"


@pytest.mark.parametrize(
    ("ours", "message"),
    [
        (COUNT.ravel(), "output 'y': other gives it the shape (2, 2)"),
        (COUNT + 3, f"output 'y' differs from that of other by 1.0e+00 of its range\n{HINT}"),
        (COUNT * np.nan, f"output 'y' differs from that of other by nan of its range\n{HINT}"),
    ],
    ids=["shape", "values", "nan"],
)
def test_wrong_results_have_no_speed(ours: np.ndarray, message: str) -> None:
    with pytest.raises(MlcError) as caught:
        check_agreement({"y": ours}, {"y": COUNT}, "other")
    assert str(caught.value) == message


def test_equal_results_agree() -> None:
    check_agreement({"y": COUNT, "z": COUNT[:0]}, {"y": COUNT + 1e-6, "z": COUNT[:0]}, "other")
