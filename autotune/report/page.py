"""A tuning as one page: no scripts, nothing fetched, readable for as long as there are browsers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from mlc.autotune.report.svg import COLOURS, Series, bars, chart
from mlc.autotune.tuning_report import TaskRow, TuningReport

_MOST_TASKS = 40

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; color: #222;
  padding: 0 1em; }
table { border-collapse: collapse; } td, th { padding: 1px 9px; text-align: right; }
td:last-child, th:last-child { text-align: left; }
tr:nth-child(even) { background: #f4f4f6; }
svg text { font: 10px system-ui, sans-serif; fill: #444; }
.charts { display: flex; flex-wrap: wrap; gap: 4px; } figure { margin: 0; }
figcaption { font-size: 12px; max-width: 290px; overflow-wrap: anywhere; }
"""


def page(report: TuningReport) -> str:
    """The report as HTML."""
    title = f"Tuning of {escape(report.model)}"
    sections = "".join(
        f"<h2>{heading}</h2>{drawn}" for heading, draw in _SECTIONS if (drawn := draw(report))
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{sections}</body></html>\n"
    )


def _summary(report: TuningReport) -> str:
    lines = [
        f"For {report.target}, {report.threads} thread(s), strategy {report.strategy}.",
        f"{report.trials} trials; stopped: {report.stopped_because}.",
    ]
    if report.default_seconds and report.tuned_seconds:
        before, after = report.default_seconds * 1e3, report.tuned_seconds * 1e3
        speed = f"{before:.3f} ms → {after:.3f} ms, {report.speedup:.2f}×"
        lines.insert(0, f"{speed} ({report.decision}).")
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _spending(report: TuningReport) -> str:
    spent = report.spending
    measuring = min(spent.measuring, spent.build + spent.run)
    whole = spent.build + spent.run or 1.0
    rows = [
        ("building candidates", [measuring * spent.build / whole]),
        ("running candidates", [measuring * spent.run / whole]),
        ("races at the end, whole models", [spent.settling]),
        ("the tuner's own", [spent.overhead]),
    ]
    return bars(rows, ["seconds"], "s")


def _layers(report: TuningReport) -> str:
    """Before and after, inside the model where it ran, else of each task alone."""
    rows = []
    for row in _heaviest(report):
        before, after = row.before, row.after
        if before is None or after is None:
            if row.default_seconds is None:
                continue
            before = row.count * row.default_seconds
            after = row.count * ((row.accepted and row.best_seconds) or row.default_seconds)
        rows.append((row.name, [before * 1e6, after * 1e6]))
    return bars(rows, ["default", "tuned"], "µs") if rows else ""


def _convergence(report: TuningReport) -> str:
    figures = []
    for row in _heaviest(report):
        curve = best_so_far(row)
        if len(curve) > 1:
            series = [Series("best", curve)]
            if row.default_seconds is not None:
                level = row.default_seconds * 1e6
                ends = [(curve[0][0], level), (curve[-1][0], level)]
                series.append(Series("default", ends, COLOURS[6]))
            figures.append(_figure(chart(series, "trials", "best, µs"), row))
    return _charts(figures)


def _predictions(report: TuningReport) -> str:
    figures = []
    for row in _heaviest(report):
        points = [
            (trial.score, trial.seconds * 1e6)
            for trial in row.trials
            if trial.score is not None and trial.seconds is not None
        ]
        if len(points) > 2:
            drawn = chart([Series("trial", points, line=False)], "score", "measured, µs")
            accuracy = row.accuracy
            figures.append(_figure(drawn, row, f", {accuracy:.0%} of pairs in order"))
    return _charts(figures)


def _table(report: TuningReport) -> str:
    heading, *rows = report.table()
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def best_so_far(row: TaskRow) -> list[tuple[float, float]]:
    """The number of each trial, and the best microseconds until then."""
    curve: list[tuple[float, float]] = []
    best = float("inf")
    for number, trial in enumerate(row.trials, 1):
        best = min(best, trial.seconds if trial.seconds is not None else best)
        if best < float("inf"):
            curve.append((number, best * 1e6))
    return curve


def _heaviest(report: TuningReport) -> list[TaskRow]:
    ordered = sorted(report.tasks, key=lambda row: -row.count * (row.default_seconds or 0.0))
    return ordered[:_MOST_TASKS]


def _figure(drawn: str, row: TaskRow, more: str = "") -> str:
    caption = escape(f"{row.name} ({row.template}){more}")
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>"


def _charts(figures: Sequence[str]) -> str:
    return f'<div class="charts">{"".join(figures)}</div>' if figures else ""


_SECTIONS: tuple[tuple[str, Callable[[TuningReport], str]], ...] = (
    ("Outcome", _summary),
    ("Before and after, per task", _layers),
    ("Where the time went", _spending),
    ("Convergence", _convergence),
    ("Predicted and measured", _predictions),
    ("All tasks", _table),
)
