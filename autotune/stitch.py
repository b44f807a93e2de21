"""The best schedules of all tasks → the schedules of the model, accepted only if it got faster.

What is fastest alone, its data in the caches, need not be fastest between its neighbours. So the
whole model is compiled with the best candidate of every task, with the second best, and so on, and
with the defaults; these versions run in turns, each task is timed inside of them, and gets the
schedule that is fastest there. The combination then races against the default model as a whole. If
it does not win, it is tried once more with only those tasks that gained plainly; if that does not
win either, the defaults stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlc.autotune.model_version import Build, Choice, Version, agree, race, race_tasks
from mlc.passes.schedule.trace import Trace


@dataclass(frozen=True, slots=True)
class Stitching:
    """How carefully versions are compared.

    `depth`: candidates per task that are tried in the model; `rounds`: turns of each race;
    `task_gain`: what a task must gain in the model to leave its default; `plain_gain`: the same for
    the second attempt; `model_gain`: what the model must gain.
    """

    depth: int = 3
    rounds: int = 15
    task_gain: float = 0.01
    plain_gain: float = 0.06
    model_gain: float = 0.005


@dataclass(frozen=True, slots=True)
class Stitched:
    """What came out: the accepted choice, and times in seconds.

    `default_seconds`, `tuned_seconds`: of the whole model in the deciding race (equal where the
    default stays); `before`, `after`: of each task inside the model; `reason`: in words;
    `weight_bytes`: of the model's constants with the defaults, and with the choice.
    """

    choice: Choice
    default_seconds: float
    tuned_seconds: float
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    weight_bytes: tuple[int, int] = (0, 0)

    @property
    def speedup(self) -> float:
        """How much faster the model got; 1 where the default stays."""
        return self.default_seconds / self.tuned_seconds if self.tuned_seconds else 1.0


def stitch(
    candidates: Mapping[str, Sequence[Trace]], build: Build, options: Stitching = Stitching()
) -> Stitched:
    """Combine the candidates of each task, the best first; see the top of this file."""
    if not any(candidates.values()):
        return Stitched({}, 0.0, 0.0, reason="no task has anything better than its default")
    made: list[Version] = []

    def version(choice: Choice) -> Version:
        made.append(build(choice))
        return made[-1]

    try:
        default = version({})
        choices = _by_rank(candidates, options.depth)
        ranked = [version(choice) for choice in choices]
        times = race_tasks([default, *ranked], options.rounds)
        return _decide(default, choices, ranked, times, version, options)
    finally:
        for each in made:
            each.close()


def _decide(
    default: Version,
    choices: Sequence[Choice],
    ranked: Sequence[Version],
    times: Sequence[Mapping[str, float]],
    version: Build,
    options: Stitching,
) -> Stitched:
    """Race combinations against the default, the boldest first."""
    right = default.outputs()
    default_seconds = float("nan")
    tried: list[Choice] = []
    for gain in (options.task_gain, options.plain_gain):
        choice = combine(choices, times, gain)
        if not choice or choice in tried:
            continue
        tried.append(choice)
        made = ranked[choices.index(choice)] if choice in choices else version(choice)
        if not agree(right, made.outputs()):
            continue
        table = race([default, made], 2 * options.rounds)
        default_seconds, tuned_seconds = map(float, np.median(table, axis=0))
        if float(np.median(table[:, 0] / table[:, 1])) >= 1 + options.model_gain:
            after = race_tasks([default, made], options.rounds)
            sizes = default.weight_bytes(), made.weight_bytes()
            return Stitched(
                choice, default_seconds, tuned_seconds, after[0], after[1], "faster", sizes
            )
    if np.isnan(default_seconds):
        default_seconds = float(np.median(race([default], options.rounds)))
    reason = "the whole model did not become faster" if tried else "no task gained in the model"
    return Stitched({}, default_seconds, default_seconds, times[0], times[0], reason)


def combine(
    choices: Sequence[Choice], times: Sequence[Mapping[str, float]], gain: float
) -> dict[str, Trace]:
    """The schedule of each task that is fastest in the model, where it gains on the default.

    `times` are those of the default, then of each choice.
    """
    combined: dict[str, Trace] = {}
    for key, default in times[0].items():
        offers = [
            (spent[key], choice[key])
            for choice, spent in zip(choices, times[1:], strict=True)
            if key in choice
        ]
        if not offers:
            continue
        seconds, trace = min(offers, key=lambda offer: offer[0])
        if seconds < default * (1 - gain):
            combined[key] = trace
    return combined


def _by_rank(candidates: Mapping[str, Sequence[Trace]], depth: int) -> list[Choice]:
    """The best of every task, the second best of those that have one, and so on."""
    deepest = min(depth, max(len(traces) for traces in candidates.values()))
    return [
        {key: traces[min(rank, len(traces) - 1)] for key, traces in candidates.items() if traces}
        for rank in range(deepest)
    ]
