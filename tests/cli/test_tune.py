"""mlc tune: a search, its progress as lines, its files, and how it is called wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mlc
from mlc.errors import TuningError
from mlc.tuning import parse_duration
from tests.cli.conftest import Call


def test_a_model_is_tuned_and_compiled_with_what_was_found(call: Call, mlp: Path) -> None:
    files = ("--database", "tuning.sqlite", "--report", "t.html", "--report", "t.json")
    outcome = call("tune", mlp, "--trials", 6, *files)
    assert outcome.code == 0
    assert "searching" in outcome.errors
    assert "racing leaders against defaults" in outcome.errors
    assert "product + threshold: " in outcome.errors
    assert "compile with: mlc compile " in outcome.output
    figures = json.loads(Path("t.json").read_text())
    assert 0 < figures["trials"] <= 6
    assert sum(figures["statuses"].values()) == figures["trials"]
    assert figures["tasks"][0]["locs"] == ["product", "threshold"]
    assert Path("t.html").read_text().startswith("<!DOCTYPE html>")
    assert call("run", mlp, "--tuning", "tuning.sqlite").code == 0


def test_a_second_run_goes_on(call: Call, mlp: Path) -> None:
    found = []
    for name in ("a.json", "b.json"):
        call("tune", mlp, "--trials", 4, "--database", "t.sqlite", "--report", name)
        found.append(json.loads(Path(name).read_text())["tasks"][0])
    assert (found[0]["recalled"], found[1]["recalled"]) == (0, len(found[0]["trials"]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget", "soon"], "'soon' is no duration"),
        (["--budget", "0s"], "the budget is 0.0 seconds"),
        (["--trials", "0"], "--trials"),
        (["--strategy", "luck"], "'luck' is not one of"),
    ],
)
def test_wrong_use(call: Call, mlp: Path, words: list[str], message: str) -> None:
    outcome = call("tune", mlp, *words)
    assert outcome.code == 2
    assert message in outcome.errors


def test_a_report_of_another_kind_is_refused_before_the_work(call: Call, mlp: Path) -> None:
    outcome = call("tune", mlp, "--report", "tuning.pdf")
    assert outcome.code == 1
    assert outcome.errors == (
        "error: a report cannot be written as 'tuning.pdf'\n"
        "  hint: give it a name in .html or .json\n"
    )


def test_a_target_that_nobody_runs_is_refused(mlp: Path) -> None:
    with pytest.raises(TuningError) as caught:
        mlc.tune(mlp, "aarch64-linux-gnu:neoverse-n1", trials=1)
    assert str(caught.value) == (
        "code for 'aarch64-linux-gnu:neoverse-n1' cannot run here\n"
        "  hint: name workers that can run it, or an emulator"
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("45", 45), ("45s", 45), ("1.5s", 1.5), ("10m", 600), ("2h", 7200)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "1d", "-5s", "1m1h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(TuningError, match="is no duration"):
        parse_duration(text)
