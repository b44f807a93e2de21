"""mlc target: what names mean."""

from __future__ import annotations

from mlc.backends.llvm.cpus import CPUS
from mlc.backends.llvm.targets import resolve
from tests.cli.conftest import Call


def facts(text: str) -> dict[str, str]:
    return {line[:17].strip(): line[17:] for line in text.splitlines()}


def test_this_machine(call: Call) -> None:
    outcome = call("target")
    assert (outcome.code, outcome.errors) == (0, "")
    shown, host = facts(outcome.output), resolve("host")
    assert (shown["triple"], shown["cpu"]) == (host.triple, host.cpu)
    assert shown["runs here"] == "yes"


def test_a_name(call: Call) -> None:
    shown = facts(call("target", "aarch64-linux-gnu:neoverse-n1").output)
    assert shown["cpu"] == "neoverse-n1"
    assert shown["vectors"] == "128 bits, 32 registers"
    assert facts(call("target", MLC_TARGET="x86-64-v2").output)["cpu"] == "x86-64-v2"


def test_the_list(call: Call) -> None:
    rows = call("target", "--list").output.splitlines()[1:]
    assert [row.split()[0] for row in rows] == list(CPUS)


def test_an_unknown_name(call: Call) -> None:
    outcome = call("target", "x87")
    assert outcome.code == 1
    assert outcome.errors == "error: unknown target 'x87'\n  hint: did you mean x86?\n"
