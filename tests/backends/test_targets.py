"""Names of targets, the detection of this machine, and errors for names that do not exist."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from mlc.backends.llvm.cpus import ALL, CPUS
from mlc.backends.llvm.cpus.cpu import Cpu
from mlc.backends.llvm.host import detect, read_caches
from mlc.backends.llvm.machine import compile_to_object
from mlc.backends.llvm.targets import resolve
from mlc.errors import TargetError

ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
NAMES_HINT = (
    "  hint: say x86, arm, host, a CPU such as x86-64-v3 or neoverse-n1, or a triple such as "
    "aarch64-linux-gnu, then :cpu and +feature,-feature if wanted"
)


def test_a_resolved_target_is_returned_as_it_is() -> None:
    target = resolve("x86-64-v3")
    assert resolve(target) is target


def test_host_names_this_machine() -> None:
    host, target = detect(), resolve("host")
    assert (target.triple, target.cpu, target.cores) == (host.triple, host.cpu, host.cores)
    assert all(
        ("+" if on else "-") + name in target.features.split(",")
        for name, on in host.features.items()
    )


def test_family_of_this_machine_means_this_machine() -> None:
    own = "x86" if ON_X86 else "arm"
    assert resolve(own).cpu == detect().cpu


def test_other_family_means_its_baseline() -> None:
    other, baseline = ("arm", "armv8-a") if ON_X86 else ("x86", "x86-64-v3")
    target = resolve(other)
    assert target.cpu == CPUS[baseline].name
    assert target.cores == 1


@pytest.mark.parametrize(
    ("spec", "bits", "registers"),
    [
        ("x86-64-v2", 128, 16),
        ("x86-64-v3", 256, 16),
        ("x86-64-v4", 512, 32),
        ("zen3", 256, 16),
        ("zen4", 512, 32),
        ("zen4,-avx512f", 256, 16),
        ("x86-64-v4-", None, None),
        ("x86-64-v2+avx2,+fma", 256, 16),
        ("haswell,-avx2", 128, 16),
        ("aarch64", 128, 32),
        ("aarch64-linux-gnu:neoverse-n1", 128, 32),
    ],
)
def test_vector_width_follows_cpu_and_features(
    spec: str, bits: int | None, registers: int | None
) -> None:
    if bits is None:
        with pytest.raises(TargetError):
            resolve(spec)
        return
    target = resolve(spec)
    assert (target.vector_bits, target.vector_registers) == (bits, registers)


def test_zen4_starts_one_wide_or_two_narrow_multiply_adds() -> None:
    assert resolve("zen4").fma_ports == 1
    assert resolve("zen4,-avx512f").fma_ports == 2


def test_triple_cpu_and_features_are_kept() -> None:
    target = resolve("aarch64-linux-gnu:cortex-a76+dotprod,-crc")
    assert target.triple == "aarch64-linux-gnu"
    assert target.cpu == "cortex-a76"
    assert target.features == "+dotprod,-crc"
    assert target.name == "aarch64-linux-gnu:cortex-a76+dotprod,-crc"


@pytest.mark.parametrize("cpu", ALL, ids=lambda cpu: cpu.name)
def test_llvm_knows_every_cpu_of_the_tables(cpu: Cpu, capfd: pytest.CaptureFixture[str]) -> None:
    spec = f"aarch64:{cpu.name}" if cpu.family == "aarch64" else cpu.name
    code = compile_to_object("define void @f() {\n  ret void\n}", resolve(spec))
    assert code.startswith(b"\x7fELF")
    assert capfd.readouterr().err == ""  # LLVM complains of unknown names on standard error


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("haswel", "unknown target 'haswel'\n  hint: did you mean haswell?"),
        ("riscv64-linux", "unknown target 'riscv64-linux'\n" + NAMES_HINT),
        ("x86::zen3", "not a target: 'x86::zen3'\n" + NAMES_HINT),
        ("", "not a target: ''\n" + NAMES_HINT),
        (
            "aarch64:neoverse-n9",
            (
                "unknown aarch64 CPU 'neoverse-n9'\n"
                "  hint: did you mean neoverse-n2, neoverse-n1 or neoverse-v2?"
            ),
        ),
        (
            "x86-64-v3+avx5",
            "unknown x86_64 feature 'avx5'\n  hint: did you mean avx, avx2 or avx512f?",
        ),
        (
            "x86-64-v3+avx2,fma",
            "not a feature: 'fma'\n  hint: write +name or -name, separated by commas",
        ),
    ],
)
def test_unknown_names_are_refused(spec: str, message: str) -> None:
    with pytest.raises(TargetError) as caught:
        resolve(spec)
    assert str(caught.value) == message


def test_caches_are_read_by_level_without_the_instruction_cache(tmp_path: Path) -> None:
    rows = [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2M")]
    for number, (level, kind, size) in enumerate(rows):
        folder = tmp_path / f"index{number}"
        folder.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(text + "\n")
    assert read_caches(tmp_path) == {1: 48 * 1024, 2: 2 * 1024 * 1024}
    assert read_caches(tmp_path / "absent") == {}
