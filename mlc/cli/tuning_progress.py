"""Progress of a tuning: a live table on a terminal, plain lines everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from mlc.autotune.session import State, Watch
from mlc.autotune.task_tuner import TaskTuner
from mlc.cli.console import errors, table

_ROWS = 16
_LONGEST_NAME = 40
_NUMBERS = ("share", "trials", "GFLOP/s", "speed-up")


@contextmanager
def watching(model: str) -> Iterator[Watch]:
    """A watcher for the time of the `with` statement."""
    console = errors()
    if not console.is_terminal:
        yield Lines(console)
        return
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield lambda state: live.update(screen(state, model))


class Lines:
    """A line for each phase, and for each round."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase = ""
        self._trials: dict[str, int] = {}

    def __call__(self, state: State) -> None:
        """Tell what has changed since the last time."""
        if state.phase != self._phase:
            self._phase = state.phase
            self._say(f"{state.elapsed:7.1f} s  {state.phase}")
        for each in state.tuner.tasks if state.tuner else ():
            number = len(each.trials)
            if number != self._trials.get(each.task.key, 0):
                self._trials[each.task.key] = number
                self._say(f"{state.elapsed:7.1f} s  {line_of(each)}{_whole(state)}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def screen(state: State, model: str) -> Group:
    """The table of the tasks that take longest, under a line about the whole."""
    rows = table("task", *_NUMBERS, "outcomes", numbers=_NUMBERS)
    tasks = list(state.tuner.tasks) if state.tuner else []
    whole = sum(map(_time_of, tasks)) or 1.0
    for each in sorted(tasks, key=_time_of, reverse=True)[:_ROWS]:
        rows.add_row(
            escape(name_of(each)),
            f"{_time_of(each) / whole:.0%}",
            str(each.progress.trials),
            f"{each.gigaflops:.1f}",
            f"{each.speedup:.2f}×",
            outcomes_of(each),
        )
    hidden = len(tasks) - _ROWS
    rest = [Text(f"and {hidden} tasks more", style="dim")] if hidden > 0 else []
    return Group(Text(headline(state, model), style="bold"), rows, *rest)


def headline(state: State, model: str) -> str:
    """The phase, the model's time as it was and as it is expected to be, and the time left."""
    parts = [f"{model}: {state.phase}"]
    if state.tuner is not None:
        parts.append(f"{state.tuner.trials} trials")
    if state.default_seconds and state.estimate:
        parts.append(f"{state.default_seconds * 1e3:.3f} → {state.estimate * 1e3:.3f} ms")
    left = state.seconds_left
    parts.append(f"{clock(state.elapsed)} gone" if left is None else f"{clock(left)} left")
    return ", ".join(parts)


def line_of(each: TaskTuner) -> str:
    """A task in one line."""
    return (
        f"{name_of(each)}: {each.progress.trials} trials, {each.gigaflops:.1f} GFLOP/s, "
        f"{each.speedup:.2f}× ({outcomes_of(each)})"
    )


def outcomes_of(each: TaskTuner) -> str:
    """How the measurements of a task ended.

    Nothing at all where none was made in this run.
    """
    return ", ".join(f"{number} {status}" for status, number in each.statuses.most_common())


def name_of(each: TaskTuner) -> str:
    """The nodes of the model behind a task, shortened."""
    text = " + ".join(each.task.locs) or each.task.template
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(75.4)
    '1:15'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _whole(state: State) -> str:
    return f"; model {state.estimate * 1e3:.3f} ms" if state.estimate else ""


def _time_of(each: TaskTuner) -> float:
    best = each.progress.best
    return each.task.count * best if each.best is not None else 0.0
