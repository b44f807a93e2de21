"""The page of a tuning: its parts, nothing from elsewhere, nothing unescaped; and its file."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlc.autotune.report.page import best_so_far, page
from mlc.autotune.report.save import save_report
from mlc.autotune.report.svg import Series, chart
from mlc.autotune.task_tuner import Trial
from mlc.autotune.tuning_report import Spending, TaskRow, TuningReport
from mlc.errors import TuningError

TRIALS = (
    Trial(1.0, None, 4e-6, "ok"),
    Trial(2.0, 0.1, 5e-6, "ok"),
    Trial(3.0, 0.2, None, "crash"),
    Trial(4.0, 0.9, 2e-6, "ok"),
    Trial(5.0, 0.3, 3e-6, "ok"),
)
ROW = TaskRow(
    key="k", template="contraction", locs=("<conv> & \"relu\"",), count=3, flops=8000,
    limit_seconds=1e-6, default_seconds=4e-6, best_seconds=2e-6, knobs={"rows": 4},
    trials=TRIALS, recalled=0, statuses={"ok": 4, "crash": 1}, accepted=True,
)  # fmt: skip
REPORT = TuningReport(
    model="net<1>", target="x86", threads=2, tasks=(ROW,), default_seconds=0.002,
    tuned_seconds=0.001, spending=Spending(100.0, 40.0, 30.0, 60.0, 30.0),
    stopped_because="the time is used up", decision="faster", strategy="evolutionary",
)  # fmt: skip


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not {"src", "href"} & {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    text = page(REPORT)
    elements = Elements()
    elements.feed(text)
    assert elements.open == []
    assert not {"script", "link", "img"} & set(elements.seen)
    assert elements.seen.count("svg") == 4
    assert "url(" not in text
    for heading in ("Convergence", "Predicted and measured", "Where the time went"):
        assert f"<h2>{heading}</h2>" in text


def test_names_are_escaped() -> None:
    text = page(REPORT)
    assert "<conv>" not in text
    assert "net<1>" not in text
    assert "&lt;conv&gt; &amp; &quot;relu&quot;" in text


def test_a_tuning_without_trials_has_a_page() -> None:
    row = replace(ROW, trials=(), default_seconds=None, best_seconds=None)
    text = page(replace(REPORT, tasks=(row,), default_seconds=None, tuned_seconds=None))
    assert "<h2>Convergence</h2>" not in text
    assert "<h2>All tasks</h2>" in text


def test_the_curve_falls() -> None:
    curve = best_so_far(ROW)
    assert [number for number, _ in curve] == [1, 2, 3, 4, 5]
    assert [best for _, best in curve] == pytest.approx([4, 4, 4, 2, 2])


def test_a_chart_places_its_points_inside() -> None:
    drawn = chart([Series("s", [(0.0, 5.0), (10.0, 7.0)], line=False)], "x", "y", 200, 100)
    assert '<circle cx="34.0" cy="66.0"' in drawn
    assert '<circle cx="166.0" cy="34.0"' in drawn
    assert chart([Series("s", [])], "x", "y") == ""


def test_what_the_tuner_itself_took() -> None:
    assert REPORT.spending.overhead == pytest.approx(10.0)
    assert REPORT.overhead_share == pytest.approx(0.1)
    # Candidates built side by side take more seconds than went by.
    assert Spending(100.0, 90.0, 30.0, 60.0, 30.0).overhead == pytest.approx(10.0)


def test_the_order_that_the_model_told() -> None:
    assert ROW.accuracy == pytest.approx(1.0)
    assert replace(ROW, trials=TRIALS[:2]).accuracy is None


def test_the_text_says_what_became_faster() -> None:
    last = str(REPORT).splitlines()[-1]
    assert last == "net<1>: 2.000 ms → 1.000 ms, 2.00× (faster)"


def test_figures_are_json(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    save_report(REPORT, path)
    figures = json.loads(path.read_text())
    assert figures["speedup"] == 2.0
    assert figures["tasks"][0]["trials"][2] == {
        "elapsed": 3.0, "score": 0.2, "seconds": None, "status": "crash",
    }  # fmt: skip


def test_a_report_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(TuningError) as caught:
        save_report(REPORT, tmp_path / "none" / "t.html")
    assert str(caught.value) == f"there is no folder '{tmp_path / 'none'}' for the report"


def test_the_text_tells_when_the_weights_take_other_room() -> None:
    grown = replace(REPORT, weight_bytes=(1_500_000, 4_600_000))
    assert str(grown).splitlines()[-1] == "weights: 1.5 MB → 4.6 MB"
    assert "weights" not in str(replace(REPORT, weight_bytes=(1_500_000, 1_500_000)))
