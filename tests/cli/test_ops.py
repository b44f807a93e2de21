"""mlc ops: what is supported, and what a model needs."""

from __future__ import annotations

import re
from pathlib import Path

from mlc.importers.onnx import operators_by_group, supported_operators
from mlc.staged.hosts import HOST_STEPS
from tests.cli.conftest import Call


def test_groups_hold_every_operator_once() -> None:
    grouped = [name for members in operators_by_group().values() for name in members]
    assert sorted(grouped) == sorted(name for _, name in supported_operators())


def test_all_that_is_supported(call: Call) -> None:
    outcome = call("ops")
    assert (outcome.code, outcome.errors) == (0, "")
    words = set(re.findall(r"\w+", outcome.output))
    compiled = {name for _, name in supported_operators()}
    hosted = {name for _, name in HOST_STEPS} - compiled
    assert compiled | hosted <= words
    count = outcome.output.splitlines()[-1]
    assert count == f"{len(supported_operators()) + len(hosted)} operators"


def test_what_a_model_needs(call: Call, mlp: Path) -> None:
    outcome = call("ops", mlp)
    assert (outcome.code, outcome.errors) == (0, "")
    heading, *rows, _, verdict = outcome.output.splitlines()
    assert heading.split() == ["operator", "opset", "nodes", "supported"]
    assert [row.split() for row in rows] == [
        ["MatMul", "17", "1", "yes"],
        ["Relu", "17", "1", "yes"],
    ]
    assert verdict == "all 2 nodes are supported"


def test_what_a_model_needs_in_vain(call: Call, unsupported: Path) -> None:
    outcome = call("ops", unsupported)
    assert (outcome.code, outcome.errors) == (1, "")
    table, _, reasons = outcome.output.partition("\n\n")
    assert [row.split() for row in table.splitlines()[1:]] == [
        ["Det2", "17", "1", "no"],
        ["Relu", "17", "1", "yes"],
        ["acme.Fancy", "3", "1", "no"],
    ]
    assert reasons.splitlines() == [
        "not supported, 2 of 3 nodes:",
        "  first: acme.Fancy (opset 3; f32[2,3]): no such operator",
        "  third: Det2 (opset 17; ?): no such operator",
    ]


def test_open_shapes_do_not_matter(call: Call, open_model: Path) -> None:
    outcome = call("ops", open_model)
    assert outcome.code == 0
    assert outcome.output.splitlines()[-1] == "all 1 nodes are supported"


def test_no_model(call: Call, tmp_path: Path) -> None:
    outcome = call("ops", "none.onnx")
    assert outcome.code == 1
    assert outcome.errors == "error: cannot read 'none.onnx': No such file or directory\n"
