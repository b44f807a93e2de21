"""Whether this machine can run code made for some machine.

Before: the machine as the compiler saw it, features by LLVM's names. After: nothing, or an
`ArtifactError` that lists what is missing. Only features that generated code can contain are
looked at: tuning hints and system instructions of a detected host say nothing about the code.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from pathlib import Path

from mlc.errors import ArtifactError
from mlc.runtime.compiled import Machine

_CPUINFO = Path("/proc/cpuinfo")

_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}

_LEVEL_2 = ("cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3")
_LEVEL_3 = (*_LEVEL_2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")
_LEVEL_4 = (*_LEVEL_3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")

LEVELS = {"x86-64-v2": _LEVEL_2, "x86-64-v3": _LEVEL_3, "x86-64-v4": _LEVEL_4}
"""Features that these CPU names stand for."""

_KERNEL_NAMES = {
    "x86_64": {
        "sse3": "pni",
        "sse4.1": "sse4_1",
        "sse4.2": "sse4_2",
        "lzcnt": "abm",
        "bmi": "bmi1",
        "sha": "sha_ni",
        "avx512vnni": "avx512_vnni",
        "avx512bf16": "avx512_bf16",
        "avx512fp16": "avx512_fp16",
        "avx512bitalg": "avx512_bitalg",
        "avx512vpopcntdq": "avx512_vpopcntdq",
        "avx512vbmi2": "avx512_vbmi2",
        "avxvnni": "avx_vnni",
        "amx-tile": "amx_tile",
        "amx-int8": "amx_int8",
        "amx-bf16": "amx_bf16",
        **{
            name: name
            for name in (
                "aes", "avx", "avx2", "avx512bw", "avx512cd", "avx512dq", "avx512f",
                "avx512ifma", "avx512vbmi", "avx512vl", "bmi2", "cx16", "f16c", "fma", "gfni",
                "movbe", "pclmulqdq", "popcnt", "ssse3", "vaes", "vpclmulqdq",
            )
        },
    },
    "aarch64": {
        "neon": "asimd",
        "fp-armv8": "fp",
        "fullfp16": "asimdhp",
        "dotprod": "asimddp",
        "rdm": "asimdrdm",
        "fp16fml": "asimdfhm",
        "lse": "atomics",
        "crc": "crc32",
        "rcpc": "lrcpc",
        **{name: name for name in ("aes", "bf16", "i8mm", "sha2", "sha3", "sve", "sve2", "sme")},
    },
}  # fmt: skip


def check_machine(machine: Machine, *, here: str | None = None, cpuinfo: Path = _CPUINFO) -> None:
    """Raise `ArtifactError` when this machine cannot run code made for `machine`."""
    here = here or platform.machine().lower()
    here = _ARCHITECTURES.get(here, here)
    there = machine.triple.partition("-")[0]
    if _ARCHITECTURES.get(there, there) != here:
        raise ArtifactError(f"made for {there}, this machine is {here}")
    missing = _missing_features(machine, _KERNEL_NAMES.get(here, {}), _processor_flags(cpuinfo))
    if missing:
        raise ArtifactError(
            f"this processor lacks {', '.join(missing)}",
            hint="compile the model again for a target without them",
        )


def _missing_features(
    machine: Machine, kernel_names: dict[str, str], present: frozenset[str] | None
) -> list[str]:
    if present is None:
        return []
    needed: Iterable[str] = dict.fromkeys((*LEVELS.get(machine.cpu, ()), *machine.features))
    return [
        feature
        for feature in needed
        if feature in kernel_names and kernel_names[feature] not in present
    ]


def _processor_flags(cpuinfo: Path) -> frozenset[str] | None:
    """The kernel's names of what the processor has; None where it does not say."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return None
