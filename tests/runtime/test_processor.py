from __future__ import annotations

from pathlib import Path

import pytest

from mlc.errors import ArtifactError
from mlc.runtime.compiled import Machine
from mlc.runtime.processor import check_machine

X86 = "x86_64-unknown-linux-gnu"
ARM = "aarch64-unknown-linux-gnu"
HASWELL = "fpu sse2 pni ssse3 cx16 sse4_1 sse4_2 movbe popcnt avx f16c abm fma bmi1 bmi2 avx2"


@pytest.fixture
def cpuinfo(tmp_path: Path) -> Path:
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: any\nflags\t\t: {HASWELL}\n")
    return path


@pytest.mark.parametrize(
    "machine",
    [
        Machine(X86),
        Machine(X86, "x86-64-v3"),
        Machine(X86, "haswell", ("avx2", "fma", "lzcnt", "sse4.2")),
        Machine(X86, "znver3", ("clzero", "fast-15bytenop", "mwaitx")),
    ],
)
def test_code_for_this_processor_runs(machine: Machine, cpuinfo: Path) -> None:
    check_machine(machine, here="x86_64", cpuinfo=cpuinfo)
    check_machine(machine, here="AMD64".lower(), cpuinfo=cpuinfo)


@pytest.mark.parametrize(
    ("machine", "missing"),
    [
        (Machine(X86, "", ("avx512f", "fma", "avx512vnni")), "avx512f, avx512vnni"),
        (
            Machine(X86, "x86-64-v4", ("avx512f",)),
            "avx512f, avx512bw, avx512cd, avx512dq, avx512vl",
        ),
    ],
)
def test_missing_features_are_all_named(machine: Machine, missing: str, cpuinfo: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        check_machine(machine, here="x86_64", cpuinfo=cpuinfo)
    assert str(caught.value) == (
        f"this processor lacks {missing}\n  hint: compile the model again for a target without them"
    )


def test_arm_features_have_the_names_of_the_kernel(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("Features\t: fp asimd crc32 atomics asimddp\n")
    check_machine(Machine(ARM, "", ("neon", "dotprod", "lse")), here="arm64", cpuinfo=path)
    with pytest.raises(ArtifactError, match=r"^this processor lacks sve, i8mm\n"):
        check_machine(Machine(ARM, "", ("sve", "i8mm")), here="aarch64", cpuinfo=path)


def test_another_architecture_is_refused(cpuinfo: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        check_machine(Machine(ARM), here="x86_64", cpuinfo=cpuinfo)
    assert str(caught.value) == "made for aarch64, this machine is x86_64"


def test_a_system_that_does_not_tell_is_trusted(tmp_path: Path) -> None:
    machine = Machine(X86, "x86-64-v4")
    check_machine(machine, here="x86_64", cpuinfo=tmp_path / "absent")
    (tmp_path / "cpuinfo").write_text("processor : 0\n")
    check_machine(machine, here="x86_64", cpuinfo=tmp_path / "cpuinfo")
