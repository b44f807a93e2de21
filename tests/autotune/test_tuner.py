"""The loop: every measurement on record, failures and Ctrl-C included, and a second run goes on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlc.autotune.allocate import Allocation
from mlc.autotune.measurement import STATUSES, MeasureInput, Measurement
from mlc.autotune.records import Database, Record, machine_key
from mlc.autotune.search.problem import Proposal
from mlc.autotune.search.strategies import STRATEGIES
from mlc.autotune.space import TaskSpace
from mlc.autotune.task_tuner import Entry
from mlc.autotune.tuner import Settings, Tuner, finalists
from mlc.errors import TuningError
from mlc.runtime.roofline import Limits
from mlc.target import Target
from tests.autotune.fakes import MACHINE, PretendingMeasurer, learner, pretended_seconds, tasks

KEY = machine_key(MACHINE.target, MACHINE.threads)
PERSISTENT = Allocation(threshold=0.0)
Propose = Callable[[int], list[Proposal]]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "records.sqlite")


def make(database: Database, measurer: PretendingMeasurer, **settings: object) -> Tuner:
    chosen = Settings(**{"allocation": PERSISTENT, "batch": 4, **settings})
    tuner = Tuner(tasks(), MACHINE, database, measurer, learner(), chosen)
    tuner.resume()
    return tuner


def traces(measurer: PretendingMeasurer) -> list[tuple[str, str]]:
    return [(item.task_key, str(item.trace)) for item in measurer.measured]


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "model"])
def test_each_candidate_is_measured_once_and_recorded(database: Database, strategy: str) -> None:
    measurer = PretendingMeasurer()
    tuner = make(database, measurer, trials=40, strategy=strategy)
    tuner.search()
    assert len(measurer.measured) == tuner.trials == len(database)
    assert len(set(traces(measurer))) == len(measurer.measured)
    for each in tuner.tasks:
        own = [item for item in measurer.measured if item.task_key == each.task.key]
        assert own
        assert str(own[0].trace) == str(each.default.trace)
        assert each.default_seconds == pretended_seconds(own[0])
        assert each.best.seconds == min(map(pretended_seconds, own))
        assert database.best(each.task.key, KEY).measurement.seconds == each.best.seconds


@pytest.mark.parametrize("strategy", ["evolutionary", "annealing", "random"])
def test_a_search_from_nothing_is_not_told_the_default(database: Database, strategy: str) -> None:
    measurer = PretendingMeasurer()
    tuner = make(database, measurer, trials=1, strategy=strategy, from_default=False)
    tuner.search()
    assert str(measurer.measured[0].trace) != str(tuner.tasks[0].default.trace)
    assert tuner.tasks[0].default_seconds is None


def test_the_limits_of_tasks_are_those_of_the_measuring_machine(database: Database) -> None:
    class Slow(PretendingMeasurer):
        def limits(self, target: Target, threads: int) -> Limits:
            assert (target, threads) == (MACHINE.target, MACHINE.threads)
            return Limits(flops=1.0, bytes=1e30)

    for each in make(database, Slow()).tasks:
        assert each.progress.limit == each.task.work.flops


def test_the_next_batch_is_thought_of_before_this_one_is_run(database: Database) -> None:
    """Builds begin when measuring is asked for; runs when results are, with all thinking done."""
    events: list[str] = []

    class Watched(PretendingMeasurer):
        def measure(self, inputs: Sequence[MeasureInput]) -> Iterator[tuple[int, Measurement]]:
            events.append("build")
            found = super().measure(inputs)

            def results() -> Iterator[tuple[int, Measurement]]:
                events.append("run")
                yield from found

            return results()

    tuner = make(database, Watched(), trials=24)
    for each in tuner.tasks:
        propose = each.search.propose

        def noted(number: int, propose: Propose = propose) -> list[Proposal]:
            events.append("propose")
            return propose(number)

        each.search.propose = noted  # type: ignore[method-assign]
    tuner.search()
    assert events[:5] == ["propose", "build", "propose", "run", "build"]
    assert tuner.trials == 24
    assert events.count("run") == events.count("build")


def test_the_trials_are_counted(database: Database) -> None:
    tuner = make(database, PretendingMeasurer(), trials=10)
    tuner.search()
    assert (tuner.trials, tuner.stopped_because) == (10, "the trials are used up")


def test_the_time_is_kept(database: Database) -> None:
    tuner = make(database, PretendingMeasurer(), seconds=10.0)
    tuner.clock = itertools.count(tuner.started).__next__
    tuner.search()
    assert tuner.stopped_because == "the time is used up"
    assert 0 < tuner.trials <= 4 * 10


def test_an_exhausted_space_ends_the_search(database: Database) -> None:
    smallest = min(tasks(), key=lambda task: TaskSpace(task, MACHINE).size)
    settings = Settings(trials=100_000, strategy="random", batch=64, allocation=PERSISTENT)
    tuner = Tuner([smallest], MACHINE, database, PretendingMeasurer(), learner(), settings)
    tuner.search()
    assert tuner.stopped_because == "nothing more is expected"
    assert all(each.finished for each in tuner.tasks)


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "ok"])
def test_failures_are_recorded_and_stop_nothing(database: Database, status: str) -> None:
    every_other = itertools.cycle([None, status])
    measurer = PretendingMeasurer(fail=lambda item: next(every_other))
    tuner = make(database, measurer, trials=24)
    tuner.search()
    recorded = [record.measurement.status for record in database.records()]
    assert (recorded.count("ok"), recorded.count(status)) == (12, 12)
    assert sum(each.statuses[status] for each in tuner.tasks) == 12


def test_a_task_whose_default_fails_is_left_as_it_is(database: Database) -> None:
    measurer = PretendingMeasurer(fail=lambda item: "crash")
    tuner = make(database, measurer, trials=12)
    tuner.search()
    tuner.settle()
    assert measurer.compared == []
    assert [finalists(each) for each in tuner.tasks] == [[]] * len(tuner.tasks)


def test_ctrl_c_keeps_everything_and_the_next_run_goes_on(database: Database) -> None:
    first = PretendingMeasurer(interrupt_at=13)
    tuner = make(database, first, trials=40)
    tuner.search()
    assert tuner.interrupted
    assert tuner.stopped_because == "interrupted"
    assert len(database) == 13
    second = PretendingMeasurer()
    again = make(database, second, trials=20)
    best = {each.task.key: each.best and each.best.seconds for each in again.tasks}
    for each in tuner.tasks:
        assert best[each.task.key] == (each.best and each.best.seconds)
    again.search()
    assert not set(traces(first)) & set(traces(second))
    assert len(database) == 33


def test_equal_seeds_measure_alike(tmp_path: Path) -> None:
    runs = []
    for number, seed in enumerate((5, 5, 6)):
        measurer = PretendingMeasurer()
        database = Database(tmp_path / f"{number}.sqlite")
        tuner = make(database, measurer, trials=30, seed=seed, strategy="random")
        tuner.search()
        runs.append({key: sorted(t for k, t in traces(measurer) if k == key)
                     for key, _ in traces(measurer)})  # fmt: skip
    assert runs[0] == runs[1] != runs[2]


def test_what_wins_the_race_is_accepted(database: Database) -> None:
    measurer = PretendingMeasurer()
    tuner = make(database, measurer, trials=40)
    tuner.search()
    tuner.settle()
    for each in tuner.tasks:
        accepted = database.accepted(each.task.key, each.task.text, KEY)
        leaders = finalists(each)
        assert accepted == (leaders[0].proposal.trace if leaders else None)
    assert any(finalists(each) for each in tuner.tasks)


def test_finalists_are_the_fastest_and_one_of_another_algorithm(database: Database) -> None:
    tuner = make(database, PretendingMeasurer(), trials=40)
    tuner.search()
    each = next(each for each in tuner.tasks if len(finalists(each)) == 3)
    assert each.default_seconds is not None
    first = each.ranking[0]

    def entry(part: float, **knobs: str) -> Entry:
        seconds = part * each.default_seconds
        return replace(first, seconds=seconds, proposal=replace(first.proposal, knobs=knobs))

    plain = [entry(0.5 + n / 10, template="contraction", order=str(n)) for n in range(4)]
    each.ranking = plain
    assert finalists(each) == plain[:3]
    products = [entry(part, template="strassen") for part in (0.85, 0.95, 1.1)]
    each.ranking = [*plain, *products]
    assert finalists(each) == [plain[0], products[0], plain[1]]
    each.ranking = products
    assert finalists(each) == products[:2]


def test_what_loses_the_race_is_not_accepted(database: Database) -> None:
    measurer = PretendingMeasurer()
    measurer.accepts = False
    tuner = make(database, measurer, trials=40)
    tuner.search()
    tuner.settle()
    assert measurer.compared
    for each in tuner.tasks:
        assert database.accepted(each.task.key, each.task.text, KEY) is None


def test_an_accepted_schedule_that_loses_later_goes(database: Database) -> None:
    tuner = make(database, PretendingMeasurer(), trials=40)
    tuner.search()
    tuner.settle()
    measurer = PretendingMeasurer()
    measurer.accepts = False
    again = make(database, measurer, trials=40)
    again.settle()
    for each in again.tasks:
        assert database.accepted(each.task.key, each.task.text, KEY) is None


def test_a_full_disk_stops_nothing_and_loses_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Database.add_all
    calls = itertools.count()

    def full_for_a_while(self: Database, records: list[Record]) -> None:
        if 3 <= next(calls) < 15:
            raise TuningError("database or disk is full")
        written(self, records)

    monkeypatch.setattr(Database, "add_all", full_for_a_while)
    tuner = make(database, PretendingMeasurer(), trials=24)
    tuner.search()
    assert (tuner.trials, len(database)) == (24, 24)
    assert tuner.keeper.waiting == []


def test_a_disk_that_stays_full_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Database, records: list[Record]) -> None:
        raise TuningError("database or disk is full")

    monkeypatch.setattr(Database, "add_all", full)
    tuner = make(database, PretendingMeasurer(), trials=8)
    tuner.search()
    assert len(tuner.keeper.waiting) == 8
    assert tuner.keeper.trouble == "database or disk is full"


def test_unknown_strategies_are_refused(database: Database) -> None:
    with pytest.raises(TuningError) as caught:
        make(database, PretendingMeasurer(), strategy="guess")
    assert str(caught.value) == (
        "unknown strategy 'guess'\n"
        "  hint: choose one of evolutionary, annealing, random, grid, model"
    )
