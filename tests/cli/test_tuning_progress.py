"""What is shown while a model is tuned: a live table, or a line per round."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from mlc.autotune.records import Database
from mlc.autotune.session import State
from mlc.autotune.tuner import Settings, Tuner
from mlc.cli.tuning_progress import Lines, clock, headline, screen
from tests.autotune.fakes import MACHINE, PretendingMeasurer, learner, tasks


def tuned(folder: Path, trials: int) -> State:
    settings = Settings(trials=trials, strategy="random")
    database = Database(folder / "t.sqlite")
    tuner = Tuner(tasks(), MACHINE, database, PretendingMeasurer(), learner(), settings)
    tuner.search()
    return State("searching", tuner, default_seconds=0.010, seconds=600.0)


def shown(state: State) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(screen(state, "model.onnx"))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_the_table_has_a_row_per_task(tmp_path: Path) -> None:
    state = tuned(tmp_path, 24)
    text = shown(state)
    assert text.startswith("model.onnx: searching, 24 trials, 10.000 → ")
    assert "speed-up" in text
    assert text.count(" ok") == sum(bool(each.trials) for each in state.tuner.tasks)


def test_there_is_something_to_see_before_there_are_tasks() -> None:
    assert shown(State(seconds=75.2)).startswith("model.onnx: extracting tasks, 1:15 left")


def test_without_a_budget_the_time_gone_is_told() -> None:
    assert headline(State(), "m") == "m: extracting tasks, 0:00 gone"


def test_the_estimate_is_what_the_tasks_gained(tmp_path: Path) -> None:
    state = tuned(tmp_path, 40)
    measured = [each for each in state.tuner.tasks if each.default_seconds and each.best]
    before = sum(each.task.count * each.default_seconds for each in measured)
    after = sum(each.task.count * each.best.seconds for each in measured)
    assert state.estimate == pytest.approx(0.010 * after / before)


def test_lines_tell_each_round_once(tmp_path: Path) -> None:
    state = tuned(tmp_path, 16)
    console = Console(file=io.StringIO(), width=200)
    lines = Lines(console)
    lines(state)
    lines(state)
    written = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert written[0].endswith("searching")
    assert len(written) == 1 + sum(bool(each.trials) for each in state.tuner.tasks)
    assert all(line.endswith(" ms") for line in written[1:])


def test_a_clock() -> None:
    assert [clock(seconds) for seconds in (0, 59.9, 600)] == ["0:00", "0:59", "10:00"]
