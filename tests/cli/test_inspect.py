"""mlc inspect: every stage as plain text, in colours on a terminal, by kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from pygments.token import Comment, Error, Keyword, Name, Number, String

import mlc
from mlc.cli.lexer import IrLexer, lexer_of
from mlc.runtime.texts import STAGES
from tests.cli.conftest import Call


@pytest.mark.parametrize("stage", STAGES)
def test_the_text_is_that_of_the_module(call: Call, mlp: Path, tmp_path: Path, stage: str) -> None:
    outcome = call("inspect", mlp, "--stage", stage)
    assert (outcome.code, outcome.errors) == (0, "")
    module = mlc.compile(mlp, num_threads=1, cache=tmp_path / "cache")
    assert outcome.output == module.ir(stage) + "\n"


def test_the_kernels(call: Call, mlp: Path) -> None:
    outcome = call("inspect", mlp, "--list")
    heading, row = outcome.output.splitlines()
    assert heading.split() == ["kernel", "calls", "nodes"]
    symbol, count, *nodes = row.split()
    assert (count, nodes) == ("1", ["product", "+", "threshold"])
    text = call("inspect", mlp, "--stage", "asm", "--kernel", symbol).output
    assert f"{symbol}:" in text


def test_an_unknown_kernel(call: Call, mlp: Path) -> None:
    symbol = call("inspect", mlp, "--list").output.splitlines()[1].split()[0]
    outcome = call("inspect", mlp, "--stage", "loops", "--kernel", "k9")
    assert outcome.code == 1
    assert outcome.errors == (
        f"error: no kernel 'k9' in the 'loops' text\n  hint: the kernels are {symbol}\n"
    )


def test_an_artifact_keeps_its_texts(call: Call, mlp: Path) -> None:
    call("compile", mlp, "-o", "m")
    for stage in STAGES:
        assert (
            call("inspect", "m", "--stage", stage).output
            == call("inspect", mlp, "--stage", stage).output
        )


def test_colours_on_a_terminal(call: Call, mlp: Path) -> None:
    plain = call("inspect", mlp, "--stage", "graph").output
    coloured = call("inspect", mlp, "--stage", "graph", FORCE_COLOR="1").output
    assert "\x1b[" not in plain
    assert "\x1b[" in coloured


def test_the_lexer_of_the_ir() -> None:
    text = """graph g(%x: f32[2]) -> (%"a b") { # a comment
  const %c: f32[2] = [1.0, -2e-3]
  %"a b": f32[2] = add(%x, %c) loc("node")
}"""
    found = [(kind, word) for kind, word in IrLexer().get_tokens(text) if word.strip()]
    assert not [word for kind, word in found if kind is Error]
    assert {word for kind, word in found if kind is Keyword} == {"graph", "const"}
    assert {word for kind, word in found if kind is Keyword.Type} == {"f32"}
    assert {word for kind, word in found if kind is Name.Variable} == {"%x", "%c"}
    assert [word for kind, word in found if kind is Number] == ["2", "2", "1.0", "-2e-3", "2"]
    assert [word for kind, word in found if kind is Comment.Single] == ["# a comment"]
    assert '"node"' in [word for kind, word in found if kind is String]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_a_lexer_that_keeps_its_text(call: Call, mlp: Path, stage: str) -> None:
    text = call("inspect", mlp, "--stage", stage).output
    tokens = list(lexer_of(stage).get_tokens(text))
    assert "".join(word for _, word in tokens).strip() == text.strip()
    assert len({kind for kind, _ in tokens}) > 3
