"""mlc bench --explain: figures per kernel, their sums, and what the limits allow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlc.cli.explain import print_explanation, rate_cells, roofline_seconds, total
from mlc.runtime.compiled import Call
from mlc.runtime.profile import Profile
from mlc.runtime.roofline import Limits, Rate
from tests.cli import conftest

LIMITS = Limits(100e9, 20e9)
CALLS = (
    Call("k0_conv", ("first", "second"), 80_000_000, 1_000_000),
    Call("k1_copy", ("[third]",), 0, 8_000_000),
    Call("k2_tiny", (), 1000, 2000),
)
PROFILE = Profile(CALLS, [1e6, 0.5e6, 0.5e6])


def test_calls_add_up() -> None:
    whole = total(PROFILE, LIMITS)
    assert (whole.flops, whole.bytes) == (80_001_000, 9_002_000)
    assert whole.seconds == pytest.approx(2e-3)
    kernels = [80e6 / 100e9, 8e6 / 20e9, 2000 / 20e9]  # compute, memory, memory
    assert roofline_seconds(PROFILE, LIMITS) == pytest.approx(sum(kernels))


def test_the_table_has_the_slowest_first(capsys: pytest.CaptureFixture[str]) -> None:
    print_explanation(PROFILE, LIMITS)
    _, heading, *rows, whole, _, machine, allowed = capsys.readouterr().out.splitlines()
    assert re.split(r"\s{2,}", heading.strip()) == [
        *("µs", "share", "GFLOP/s", "of peak", "GB/s", "of memory", "bound by", "kernel", "nodes")
    ]
    assert [re.split(r"\s{2,}", row.strip()) for row in (*rows, whole)] == [
        ["1000.0", "50.0%", "80.0", "80%", "1.0", "5%", "compute", "k0_conv", "first + second"],
        ["500.0", "25.0%", "0.0", "0%", "16.0", "80%", "memory", "k1_copy", "[third]"],
        ["500.0", "25.0%", "0.0", "0%", "0.0", "0%", "overhead", "k2_tiny"],
        ["2000.0", "100.0%", "40.0", "40%", "4.5", "23%", "overhead", "all"],
    ]
    assert machine == "This machine reaches 100.0 GFLOP/s, and reads 20.0 GB/s from memory."
    assert allowed.startswith("These limits allow 1200.1 µs: 60% of the time. ")


def test_no_time_has_no_speed() -> None:
    assert rate_cells(Rate(8, 8, 0.0, LIMITS)) == ("0.0", "0%", "0.0", "0%", "overhead")


def test_a_model_and_its_artifact_are_explained(call: conftest.Call, mlp: Path) -> None:
    call("compile", mlp, "-o", "m")
    for model in (mlp, Path("m")):
        outcome = call("bench", model, "--runs", 2, "--explain")
        assert (outcome.code, outcome.errors) == (0, "")
        _, heading, *rows, whole, _, _, _ = outcome.output.splitlines()[3:]
        assert heading.split()[-2:] == ["kernel", "nodes"]
        assert [row.split("  ")[-1] for row in rows] == ["product + threshold"]
        assert whole.split()[-1] == "all"
