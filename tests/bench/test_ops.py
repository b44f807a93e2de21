"""The cases are valid models of one node; rows combine race, work and limits."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest
import typer
from rich.console import Console

from bench import ops
from bench.op_cases import CASES, GROUPS, Case
from bench.report import write_figures
from mlc.ir.work import Work
from mlc.runtime.roofline import Limits

LIMITS = Limits(flops=100e9, bytes=10e9)
ROW = {
    "operator": "conv",
    "case": "3×3",
    "threads": 1,
    "flops": 80_000_000,
    "bytes": 1_000_000,
    "limits": asdict(LIMITS),
    "milliseconds": {"mlc": 1.0, "onnxruntime": 2.0},
    "errors": {},
}


@pytest.mark.parametrize("group", GROUPS)
def test_a_model_of_one_node(group: str) -> None:
    case = next(case for case in CASES if case.group == group)
    model = case.model()
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == [case.op]
    wanted = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in model.graph.input
    }
    assert {name: array.shape for name, array in case.feeds().items()} == wanted
    assert model.SerializeToString() == case.model().SerializeToString()


def test_names_are_unique() -> None:
    names = [(case.group, case.name) for case in CASES]
    assert len(set(names)) == len(names)


def test_groups_are_chosen_by_name() -> None:
    assert {case.group for case in ops.chosen(["conv", "gelu"])} == {"conv", "gelu"}
    assert ops.chosen([]) == list(CASES)
    with pytest.raises(typer.BadParameter) as caught:
        ops.chosen(["conv", "cnov"])
    assert str(caught.value) == f"'cnov' is none of {', '.join(GROUPS)}"


def test_padding_moves_nothing_and_computes_nothing() -> None:
    attrs = {"pads": [1, 1, 1, 1]}
    case = Case("conv", "small", "Conv", ((1, 4, 6, 6),), ((8, 4, 3, 3),), attrs)
    assert ops.work_of_case(case) == Work(2 * 8 * 36 * 36, 4 * (4 * 36 + 8 * 36 + 8 * 36))


def test_rates_are_of_each_engine() -> None:
    ours, theirs = ops.rate_of(ROW), ops.rate_of(ROW, "onnxruntime")
    assert ours is not None
    assert theirs is not None
    assert (ours.of_peak, ours.of_bandwidth) == pytest.approx((0.8, 0.1))
    assert theirs.of_peak == pytest.approx(ours.of_peak / 2)
    assert ops.rate_of(ROW, "mnn") is None


def test_the_table_shows_failures_and_figures() -> None:
    failed = {**ROW, "case": "1×1", "milliseconds": {}, "errors": {"mlc": "no", "onnxruntime": "x"}}
    console = Console(file=io.StringIO(), width=200)
    console.print(ops._table([ROW, failed], ["mlc", "onnxruntime"], 1))
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    (shown,) = (line for line in lines if "3×3" in line)
    cells = "conv 3×3 1.000 2.000 2.00× 80.0 80% 1.0 10% compute"
    assert [word for word in shown if word != "│"] == cells.split()
    assert any({"1×1", "no", "x"} <= set(line) for line in lines)
    assert lines[-1] == ["geometric", "mean", "of", "the", "speed:", "2.00×"]


def test_a_small_case_is_measured(tmp_path: Path) -> None:
    case = Case("elementwise", "Relu", "Relu", ((64,),))
    row = ops.measure(case, ["mlc", "onnxruntime"], 1, 1, 0.01)
    assert not row["errors"]
    assert set(row["milliseconds"]) == {"mlc", "onnxruntime"}
    assert (row["flops"], row["bytes"]) == (64, 2 * 64 * np.dtype(np.float32).itemsize)
    write_figures(tmp_path / "ops.json", {"rows": [row]})
    assert json.loads((tmp_path / "ops.json").read_text())["rows"] == [row]
