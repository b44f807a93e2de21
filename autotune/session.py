"""One tuning of one model from end to end: tasks, search, races, stitching, report.

After: the database has every measurement, and accepts a schedule for exactly those tasks of the
model that make it faster.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mlc.autotune.cost_model import CostModel
from mlc.autotune.default_times import DefaultTimes
from mlc.autotune.graph_choice import Kernels, kernels_of, promising
from mlc.autotune.learner import Learner
from mlc.autotune.model_builder import ModelBuilder, random_feeds
from mlc.autotune.model_version import Arrays, Build, Choice, agree, race
from mlc.autotune.records import Database, machine_key
from mlc.autotune.stitch import Stitched, Stitching, stitch
from mlc.autotune.task import Task
from mlc.autotune.task_tuner import Measures, TaskTuner
from mlc.autotune.tuner import Settings, Tuner, finalists
from mlc.autotune.tuning_report import Spending, TuningReport, row_of
from mlc.autotune.warm import warm_up
from mlc.build import Options
from mlc.ir.graph import Graph
from mlc.passes.schedule.templates.base import Machine
from mlc.passes.schedule.trace import Trace
from mlc.passes.variant import Variant, model_key
from mlc.target import Target

_GUIDED = ("evolutionary", "annealing", "model")
_SECONDS_PER_COMPARISON = 0.5
_SHARE_FOR_THE_END = 0.25
_RACING = 1.5
"""What building a version and racing it takes, by what building and timing it once takes."""


@dataclass
class State:
    """What a watcher sees: the phase in words, and everything else by the tuner."""

    phase: str = "extracting tasks"
    tuner: Tuner | None = None
    default_seconds: float | None = None
    seconds: float | None = None
    started: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    @property
    def seconds_left(self) -> float | None:
        """What is left of the whole budget; None without one."""
        return None if self.seconds is None else max(0.0, self.seconds - self.elapsed)

    @property
    def estimate(self) -> float | None:
        """The model's expected seconds: its default's, less what the tasks gained alone."""
        if self.tuner is None or self.default_seconds is None:
            return None
        return self.default_seconds / estimated_speedup(self.tuner.tasks)


Watch = Callable[[State], None]


def ignore(_: State) -> None:
    """A watcher that looks away."""


@dataclass(frozen=True)
class Job:
    """What to tune, and how. `feeds`: arrays to time the model with; random where there are none.

    `runs_here`: whether code for the target runs on this machine; else the model as a whole cannot
    be timed, and what won task by task is accepted. `variants`: whether other layouts of the graph
    are tried, too.
    """

    graph: Graph
    target: Target
    options: Options
    settings: Settings = field(default_factory=Settings)
    stitching: Stitching = field(default_factory=Stitching)
    feeds: Arrays | None = None
    runs_here: bool = True
    variants: bool = True


def tune_graph(
    job: Job, database: Database, measurer: Measures, watch: Watch = ignore
) -> TuningReport:
    """Tune a graph of static shapes. Ctrl-C ends the search; pressed again, the races too."""
    return _Session(job, database, measurer, watch).run()


def make_learner(settings: Settings) -> Learner:
    """A learner for strategies that follow a model; one that learns nothing for the others."""
    guided = settings.strategy in _GUIDED
    return Learner(CostModel(seed=settings.seed) if guided else None)


def estimated_speedup(tasks: list[TaskTuner]) -> float:
    """The speed-up of a model whose tasks run as fast as they do alone."""
    before = after = 0.0
    for each in tasks:
        if each.default_seconds is not None and each.best is not None:
            before += each.task.count * each.default_seconds
            after += each.task.count * min(each.best.seconds, each.default_seconds)
    return before / after if after else 1.0


class _Session:
    def __init__(self, job: Job, database: Database, measurer: Measures, watch: Watch) -> None:
        self.job = job
        self.database = database
        self.measurer = measurer
        self.watch = watch
        self.state = State(seconds=job.settings.seconds)
        exact = job.options.precision == "exact"
        self.machine = Machine(job.target, job.options.num_threads, exact)
        self.key = machine_key(job.target, job.options.num_threads, exact)
        self.settling = 0.0
        self.build_seconds = 0.0
        self.interrupted = False

    def run(self) -> TuningReport:
        self.watch(self.state)
        base = kernels_of(self.job.graph, Variant(), self.machine)
        builder = self.builder(base)
        self.measure_default(builder)
        chosen = self.choose_graph(base, builder)
        tuner = self.make_tuner(chosen.tasks)
        if self.interrupted:
            tuner.stopped_because = "interrupted"
        else:
            self.enter("searching")
            tuner.search()
        started = time.perf_counter()
        stitched = self.finish(tuner, self.builder(chosen))
        if stitched is not None and builder is not None and chosen.variant != Variant():
            stitched = self.against_the_usual(tuner, stitched, builder, chosen)
        self.settling += time.perf_counter() - started
        return self.report(tuner, stitched, chosen.variant)

    def against_the_usual(
        self, tuner: Tuner, stitched: Stitched, usual: ModelBuilder, chosen: Kernels
    ) -> Stitched:
        """A variant must be faster than the usual graph in the end, too; else it goes."""
        self.enter("racing the variant against the usual graph")
        other = self.builder(chosen)
        times = None if other is None else self.race({}, usual, stitched.choice, other)
        if times is not None:
            return replace(stitched, default_seconds=times[0], tuned_seconds=times[1])
        self.keep(tuner, {})
        key = model_key(self.job.graph)
        self.database.decide(key, self.key, Variant().to_json())
        seconds = stitched.default_seconds
        return replace(stitched, choice={}, tuned_seconds=seconds, reason="the variant lost")

    def builder(self, kernels: Kernels) -> ModelBuilder | None:
        job = self.job
        if not job.runs_here:
            return None
        feeds = job.feeds or random_feeds(job.graph, job.settings.seed)
        keys = tuple(task.key for task in kernels.tasks)
        return ModelBuilder(job.graph, job.target, job.options, keys, feeds, kernels.variant)

    def choose_graph(self, base: Kernels, builder: ModelBuilder | None) -> Kernels:
        """The variant of the graph whose tasks are tuned; what was decided before holds."""
        graph = self.job.graph
        known = self.database.decision(model_key(graph), self.key)
        if known is not None:
            return kernels_of(graph, Variant.from_json(known), self.machine)
        if builder is None or not self.job.variants:
            return base
        self.enter("choosing the layouts of the graph")
        started = time.perf_counter()
        try:
            chosen = self.winner(base, builder)
        except KeyboardInterrupt:
            self.interrupted = True
            return base
        self.database.decide(model_key(graph), self.key, chosen.variant.to_json())
        self.settling += time.perf_counter() - started
        return chosen

    def winner(self, base: Kernels, builder: ModelBuilder) -> Kernels:
        """The most promising variant that beats the usual one, both with default schedules."""
        times = DefaultTimes(self.machine, self.database, self.measurer)
        for kernels in promising(self.job.graph, self.machine, times)[:-1]:
            other = self.builder(kernels)
            if other is not None and self.race({}, builder, {}, other) is not None:
                return kernels
        return base

    def race(
        self, choice: Choice, builder: Build, other_choice: Choice, other: Build
    ) -> tuple[float, float] | None:
        """Seconds of two versions in turns; None unless the second is right, and faster."""
        options = self.job.stitching
        with contextlib.ExitStack() as stack:
            versions = []
            for build, wanted in ((builder, choice), (other, other_choice)):
                versions.append(build(wanted))
                stack.callback(versions[-1].close)
            if not agree(versions[0].outputs(), versions[1].outputs()):
                return None
            table = race(versions, 2 * options.rounds)
        if float(np.median(table[:, 0] / table[:, 1])) < 1 + options.model_gain:
            return None
        before, after = map(float, np.median(table, axis=0))
        return before, after

    def measure_default(self, builder: ModelBuilder | None) -> None:
        """The model's time before anything is tuned; compiling it tells what the end will cost."""
        if builder is None:
            return
        self.enter("compiling the default")
        started = time.perf_counter()
        version = builder({})
        self.state.default_seconds = float(np.median([version.seconds() for _ in range(9)]))
        version.close()
        self.build_seconds = _RACING * (time.perf_counter() - started)
        self.settling += time.perf_counter() - started

    def make_tuner(self, tasks: Sequence[Task]) -> Tuner:
        self.enter("recalling records")
        job = self.job
        learner = make_learner(job.settings)
        settings = replace(job.settings, seconds=self.seconds_to_search(len(tasks)))
        tuner = Tuner(
            tasks, self.machine, self.database, self.measurer, learner, settings, self.on_round
        )
        self.state.tuner = tuner
        own = {task.key for task in tasks}
        warm_up(learner, tuner.seeds, self.database, self.machine, own)
        tuner.resume()
        return tuner

    def seconds_to_search(self, tasks: int) -> float | None:
        """The budget less what the races at the end are expected to take."""
        whole = self.job.settings.seconds
        if whole is None:
            return None
        versions = self.job.stitching.depth + 2
        end = tasks * _SECONDS_PER_COMPARISON + versions * self.build_seconds
        return max(0.0, whole - self.state.elapsed - min(end, _SHARE_FOR_THE_END * whole))

    def seconds_to_compare(self) -> float | None:
        """What races of tasks may take, so that those of the whole model fit into the budget."""
        left = self.state.seconds_left
        if left is None:
            return None
        versions = self.job.stitching.depth + 2
        return max(0.0, left - versions * self.build_seconds)

    def on_round(self, _: Tuner) -> None:
        self.watch(self.state)

    def enter(self, phase: str) -> None:
        self.state.phase = phase
        self.watch(self.state)

    def finish(self, tuner: Tuner, builder: ModelBuilder | None) -> Stitched | None:
        """Races of tasks, then of the model; Ctrl-C leaves what was accepted until then."""
        try:
            self.enter("racing leaders against defaults")
            tuner.settle(self.seconds_to_compare())
            if builder is None:
                return None
            self.enter("racing the whole model")
            stitched = stitch(self.candidates(tuner), builder, self.job.stitching)
            self.keep(tuner, stitched.choice)
        except KeyboardInterrupt:
            tuner.interrupted = True
            tuner.stopped_because = "interrupted"
            return None
        return stitched

    def candidates(self, tuner: Tuner) -> Mapping[str, list[Trace]]:
        """What stitching may choose from: what is accepted by now, then other leaders."""
        found: dict[str, list[Trace]] = {}
        for each in tuner.tasks:
            standing = self.database.accepted(each.task.key, each.task.text, self.key)
            leaders = [entry.proposal.trace for entry in finalists(each)]
            traces = ([] if standing is None else [standing]) + leaders
            found[each.task.key] = [t for n, t in enumerate(traces) if t not in traces[:n]]
        return found

    def keep(self, tuner: Tuner, choice: Mapping[str, Trace]) -> None:
        """Accept what the model uses, and nothing else."""
        for each in tuner.tasks:
            trace = choice.get(each.task.key)
            if trace is None:
                self.database.reject(each.task.key, self.key)
                continue
            for entry in each.ranking:
                if entry.proposal.trace == trace:
                    self.database.accept(entry.record)
                    break

    def report(self, tuner: Tuner, stitched: Stitched | None, variant: Variant) -> TuningReport:
        self.enter("done")
        job = self.job
        rows = []
        for each in tuner.tasks:
            key = each.task.key
            accepted = self.database.accepted(key, each.task.text, self.key) is not None
            before = stitched.before.get(key) if stitched else None
            after = stitched.after.get(key) if stitched else None
            rows.append(row_of(each, accepted, before, after))
        times = _times(stitched, self.state.default_seconds)
        return TuningReport(
            model=job.graph.name,
            target=str(job.target),
            threads=job.options.num_threads,
            tasks=tuple(rows),
            default_seconds=times[0],
            tuned_seconds=times[1],
            spending=self.spending(tuner),
            stopped_because=tuner.stopped_because,
            decision=stitched.reason if stitched else "not run as a whole",
            strategy=job.settings.strategy,
            variant="" if variant == Variant() else str(variant.to_json()),
            notes=_notes(tuner),
            weight_bytes=stitched.weight_bytes if stitched else (0, 0),
        )

    def spending(self, tuner: Tuner) -> Spending:
        return Spending(
            wall=self.state.elapsed,
            build=sum(each.build_seconds for each in tuner.tasks),
            run=sum(each.run_seconds for each in tuner.tasks),
            measuring=tuner.measuring_seconds,
            settling=self.settling,
        )


def _times(
    stitched: Stitched | None, default_seconds: float | None
) -> tuple[float | None, float | None]:
    """Seconds of the model before and after."""
    if stitched is None or not stitched.default_seconds:
        return default_seconds, default_seconds
    return stitched.default_seconds, stitched.tuned_seconds


def _notes(tuner: Tuner) -> tuple[str, ...]:
    """What went wrong without stopping anything."""
    waiting = len(tuner.keeper.waiting)
    if not waiting:
        return ()
    return (f"{waiting} measurements are not on record: {tuner.keeper.trouble}",)
