"""A tuning from end to end, with pretended times: what is accepted, reported, decided, resumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.autotune import session
from mlc.autotune.measurement import MeasureInput
from mlc.autotune.records import Database, machine_key
from mlc.autotune.session import Job, State, tune_graph
from mlc.autotune.stitch import Stitching
from mlc.autotune.task import Task
from mlc.autotune.tuner import Settings
from mlc.autotune.tuning_report import TuningReport
from mlc.build import Options
from mlc.ir.text import parse_graph
from mlc.passes.schedule.trace import Trace
from mlc.passes.variant import Variant, model_key
from tests.autotune.fakes import MACHINE, PretendingMeasurer, graph, pretended_seconds
from tests.autotune.test_graph_choice import POOLS

KEY = machine_key(MACHINE.target, MACHINE.threads)


class PretendedBuilder:
    """Versions whose tasks take inside the model what they take alone, times `slower`."""

    slower = 1.0
    slower_as: Mapping[Variant, float] = {}

    def __init__(self, graph: Any, target: Any, options: Any, keys: Any, feeds: Any,
                 variant: Variant) -> None:  # fmt: skip
        self.tasks = {task.key: task for task in session.kernels_of(graph, variant, MACHINE).tasks}
        self.factor = self.slower_as.get(variant, 1.0)

    def __call__(self, choice: Mapping[str, Trace]) -> PretendedVersion:
        return PretendedVersion(self.tasks, choice, self.slower, self.factor)


class PretendedVersion:
    def __init__(
        self, tasks: Mapping[str, Task], choice: Mapping[str, Trace], slower: float, factor: float
    ) -> None:
        self.spent = {}
        for key, task in tasks.items():
            trace = choice.get(key)
            self.spent[key] = factor * task.count * (
                1e-4 if trace is None else slower * pretended_seconds(item(task, trace))
            )  # fmt: skip

    def seconds(self) -> float:
        return sum(self.spent.values())

    def task_seconds(self) -> dict[str, float]:
        return dict(self.spent)

    def outputs(self) -> dict[str, np.ndarray]:
        return {"y": np.zeros(2, np.float32)}

    def weight_bytes(self) -> int:
        return 0

    def close(self) -> None:
        pass


def item(task: Task, trace: Trace) -> MeasureInput:
    return MeasureInput.of(task.func, trace, MACHINE.target, MACHINE.threads)


@pytest.fixture(autouse=True)
def pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "ModelBuilder", PretendedBuilder)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "records.sqlite")


def tune(database: Database, measurer: PretendingMeasurer | None = None, **changed: Any
         ) -> TuningReport:  # fmt: skip
    trials = changed.pop("trials", 40)
    options = {
        "settings": Settings(trials=trials, strategy="random"), "stitching": Stitching(rounds=2),
        "feeds": {}, "variants": False, **changed,
    }  # fmt: skip
    job = Job(options.pop("graph", graph()), MACHINE.target, Options(1), **options)
    return tune_graph(job, database, measurer or PretendingMeasurer())


def accepted(database: Database, report: TuningReport) -> set[str]:
    known = database.accepted_traces(KEY)
    return {row.key for row in report.tasks if row.key in known}


def test_what_is_faster_in_the_model_is_accepted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Alone, candidates take at least as long as a default takes in the model; there, half as long.
    monkeypatch.setattr(PretendedBuilder, "slower", 0.5)
    report = tune(database)
    used = {row.key for row in report.tasks if row.accepted}
    assert used == accepted(database, report) != set()
    assert report.speedup > 1.01
    assert report.decision == "faster"
    assert report.trials == 40


def test_what_is_slower_in_the_model_is_not_though_it_won_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PretendedBuilder, "slower", 3.0)
    report = tune(database)
    assert accepted(database, report) == set()
    assert report.speedup == 1.0
    assert report.decision == "no task gained in the model"


def test_where_the_model_cannot_run_the_races_of_tasks_decide(database: Database) -> None:
    measurer = PretendingMeasurer()
    report = tune(database, measurer, runs_here=False)
    assert measurer.compared
    assert {item.task_key for item, _ in measurer.compared} == accepted(database, report)
    assert report.default_seconds is None


def test_ctrl_c_still_settles(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PretendedBuilder, "slower", 0.5)
    report = tune(database, PretendingMeasurer(interrupt_at=37))
    assert report.stopped_because == "interrupted"
    assert (report.trials, len(database)) == (37, 37)
    assert accepted(database, report)
    again = tune(database, trials=10)
    assert sum(row.recalled for row in again.tasks) == 37


def test_watchers_see_every_phase(database: Database) -> None:
    phases: list[str] = []

    def watch(state: State) -> None:
        if state.phase not in phases:
            phases.append(state.phase)

    job = Job(graph(), MACHINE.target, Options(1), Settings(trials=8, strategy="random"), feeds={})
    tune_graph(job, database, PretendingMeasurer(), watch)
    assert phases == [
        "extracting tasks", "compiling the default", "choosing the layouts of the graph",
        "recalling records", "searching", "racing leaders against defaults",
        "racing the whole model", "done",
    ]  # fmt: skip


def test_another_layout_is_chosen_where_it_wins(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = parse_graph(POOLS)
    fast = Variant(row_major=("a", "c"))
    monkeypatch.setattr(PretendedBuilder, "slower_as", {fast: 0.5})
    monkeypatch.setattr(
        session, "promising",
        lambda graph, machine, times: [
            session.kernels_of(graph, variant, machine) for variant in (fast, Variant())
        ],
    )  # fmt: skip
    report = tune(database, graph=pools, variants=True)
    decision = database.decision(model_key(pools), KEY)
    assert decision is not None
    assert Variant.from_json(decision) == fast
    assert report.variant == str(fast.to_json())
    assert report.speedup >= 2.0


def test_a_variant_that_loses_is_not_chosen(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = parse_graph(POOLS)
    slow = Variant(row_major=("a", "c"))
    monkeypatch.setattr(PretendedBuilder, "slower_as", {slow: 9.0})
    monkeypatch.setattr(
        session, "promising",
        lambda graph, machine, times: [
            session.kernels_of(graph, variant, machine) for variant in (slow, Variant())
        ],
    )  # fmt: skip
    report = tune(database, graph=pools, variants=True)
    assert database.decision(model_key(pools), KEY) == Variant().to_json()
    assert report.variant == ""
