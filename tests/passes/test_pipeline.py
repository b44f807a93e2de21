"""The order of graph passes, the loop that runs them, and what it leaves behind."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

from mlc.errors import DumpError, VerifyError
from mlc.ir.graph import Graph
from mlc.ir.text import parse_graph
from mlc.passes.base import Pass
from mlc.passes.context import Context, Decision
from mlc.passes.dump import DumpFolder
from mlc.passes.graph.cse import Cse
from mlc.passes.graph.dce import Dce
from mlc.passes.graph.fuse_vertical import FuseVertical
from mlc.passes.pipeline import graph_passes, run_passes

TEXT = """graph g(%x: f32[2]) -> (%y) {
  %dead: f32[2] = exp(%x)
  %a: f32[2] = abs(%x)
  %y: f32[2] = neg(%a)
}"""


@dataclass(frozen=True)
class Breaking(Pass):
    """Forgets a node that others need."""

    name: ClassVar[str] = "breaking"

    def run(self, graph: Graph, context: Context) -> Graph:
        return replace(graph, nodes=graph.nodes[-1:])


def test_passes_can_be_left_out() -> None:
    names = [graph_pass.name for graph_pass in graph_passes()]
    assert names[-1] == "fuse-vertical"
    left = [graph_pass.name for graph_pass in graph_passes(without=("fuse-vertical", "simplify"))]
    assert left == [name for name in names if name not in ("fuse-vertical", "simplify")]


def test_dump_of_every_pass_that_changed(tmp_path: Path) -> None:
    context = Context(dump=DumpFolder(tmp_path / "new" / "dump"))
    result = run_passes(parse_graph(TEXT), [Dce(), Cse(), FuseVertical()], context)
    context.write_reports()
    folder = tmp_path / "new" / "dump"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["01-dce.mlc", "03-fuse-vertical.mlc", "fusion.txt", "timing.json"]
    parse_graph((folder / "01-dce.mlc").read_text())
    assert parse_graph((folder / "03-fuse-vertical.mlc").read_text()).outputs[0].name == "y"
    fusion = (folder / "fusion.txt").read_text()
    assert fusion == "fuse-vertical: abs a + neg y: fused: only this kernel reads what is between\n"
    timing = json.loads((folder / "timing.json").read_text())
    assert [(row["name"], row["changed"]) for row in timing] == [
        ("dce", True),
        ("cse", False),
        ("fuse-vertical", True),
    ]
    assert [node.op for node in result.nodes] == ["fused"]


def test_a_dump_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    context = Context(dump=DumpFolder(tmp_path / "file" / "dump"))
    with pytest.raises(DumpError) as caught:
        run_passes(parse_graph(TEXT), [Dce()], context)
    assert str(caught.value) == (
        f"cannot write '01-dce.mlc' to the dump folder '{tmp_path}/file/dump': Not a directory\n"
        "  hint: give dump= a folder that you may write to"
    )


def test_a_dump_that_fails_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DumpError, match="No space left on device"):
        DumpFolder(tmp_path).write("a.txt", "text")
    assert os.listdir(tmp_path) == []


def test_the_verifier_names_the_pass_that_broke_the_graph() -> None:
    with pytest.raises(VerifyError) as caught:
        run_passes(parse_graph(TEXT), [Dce(), Breaking()], Context())
    first, place, *_ = str(caught.value).split("\n")
    assert first == "g: neg reads 'a', which is not defined before it"
    assert place == "  at: g → breaking"


def test_verification_can_be_off() -> None:
    result = run_passes(parse_graph(TEXT), [Breaking()], Context(verify="off"))
    assert [node.op for node in result.nodes] == ["neg"]


def test_decisions_are_formatted_when_read() -> None:
    decision = Decision("p", "a + b", "refused", "{} has {} users", ("a", 2))
    assert str(decision) == "p: a + b: refused: a has 2 users"
    assert str(replace(decision, reason="{braces}", arguments=())) == "p: a + b: refused: {braces}"


def test_timed_notes_even_what_fails() -> None:
    context = Context()
    with pytest.raises(ValueError, match="no"), context.timed("stage"):
        raise ValueError("no")
    assert [timing.name for timing in context.timings] == ["stage"]
