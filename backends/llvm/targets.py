"""Names of targets: from "x86", "arm", "host", a CPU or a triple to a `Target`.

    x86, arm              this machine if it is of that family, else x86-64-v3 or plain armv8-a
    host, native          this machine with every instruction it has
    x86-64-v3, zen4 …     a CPU of the tables in `cpus/`, by LLVM's name or an alias
    aarch64-linux-gnu     a triple: the family's baseline; `:cpu` after it names a CPU
    …+avx512f,-fma        features switched on or off, after any of these

A target made for the family of this machine uses as many threads as the process may, any other
target one.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

from mlc.backends.llvm.cpus import CPUS, FEATURES
from mlc.backends.llvm.cpus.cpu import Cpu
from mlc.backends.llvm.host import Host, detect, family_of
from mlc.errors import TargetError
from mlc.target import Target

_FAMILY_NAMES = {"x86": "x86_64", "x86_64": "x86_64", "x86-64": "x86_64", "amd64": "x86_64"} | {
    "arm": "aarch64",
    "arm64": "aarch64",
    "aarch64": "aarch64",
}
_HOST_NAMES = ("host", "native")
_BASELINES = {"x86_64": "x86-64-v3", "aarch64": "armv8-a"}
_TRIPLES = {"x86_64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}
_WIDTHS = {"avx512f": (512, 32), "avx2": (256, 16), "sse2": (128, 16)}
"""Vector bits and registers of x86 by the feature that brings them, widest first."""

_SPEC = re.compile(r"(?P<base>[^:+,]+)(?::(?P<cpu>[^:+,]+))?(?P<features>[+,].*)?")
_FEATURE = re.compile(r"[+-][a-z0-9.-]+")


def resolve(spec: str | Target) -> Target:
    """The target that `spec` names; a `Target` is returned as it is.

    Raises `TargetError` for an unknown family, CPU or feature, with the nearest names there are.

    >>> resolve("x86-64-v3").vector_bits, resolve("aarch64-linux-gnu:neoverse-n1").cpu
    (256, 'neoverse-n1')
    >>> resolve("zen4,-avx512f").vector_bits
    256
    """
    if isinstance(spec, Target):
        return spec
    if not isinstance(spec, str):
        raise TargetError(f"not a target: {spec!r}", hint=_NAMES_HINT)
    parts = _SPEC.fullmatch(spec.strip())
    if parts is None:
        raise TargetError(f"not a target: '{spec}'", hint=_NAMES_HINT)
    target, family = _resolve_base(parts["base"], parts["cpu"])
    features = _split_features(parts["features"] or "", family)
    return replace(_with_features(target, family, features), name=spec.strip())


def _resolve_base(base: str, cpu_name: str | None) -> tuple[Target, str]:
    """The target and its family before any features are switched."""
    host = detect()
    if base in _HOST_NAMES:
        family, triple = _supported_host(host), host.triple
    elif base in _FAMILY_NAMES:
        family = _FAMILY_NAMES[base]
        triple = host.triple if family == host.family else _TRIPLES[family]
    elif base in CPUS:
        family, cpu_name = CPUS[base].family, cpu_name or base
        triple = host.triple if family == host.family else _TRIPLES[family]
    else:
        family, triple = _family_of_triple(base), base
        cpu_name = cpu_name or _BASELINES[family]
    if cpu_name is None and family == host.family:
        return _from_host(host), family
    return _from_table(_find_cpu(cpu_name or _BASELINES[family], family), triple, host), family


def _supported_host(host: Host) -> str:
    if host.family not in _BASELINES:
        raise TargetError(
            f"this machine ({host.triple}) is neither x86-64 nor 64-bit ARM", hint=_NAMES_HINT
        )
    return host.family


def _family_of_triple(triple: str) -> str:
    """The family of a triple such as "aarch64-linux-gnu"; anything else is an unknown name."""
    family = family_of(triple) if "-" in triple else None
    if family is None:
        known = [*_HOST_NAMES, *_FAMILY_NAMES, *CPUS]
        raise TargetError(f"unknown target '{triple}'", hint=_suggest(triple, known) or _NAMES_HINT)
    return family


def _find_cpu(name: str, family: str) -> Cpu:
    known = [each for each, cpu in CPUS.items() if cpu.family == family]
    if name not in known:
        raise TargetError(
            f"unknown {family} CPU '{name}'",
            hint=_suggest(name, known) or f"known CPUs: {', '.join(known)}",
        )
    return CPUS[name]


def _from_table(cpu: Cpu, triple: str, host: Host) -> Target:
    return Target(
        name=cpu.name,
        triple=triple,
        cpu=cpu.name,
        features="",
        vector_bits=cpu.vector_bits,
        vector_registers=cpu.vector_registers,
        fma_latency=cpu.fma_latency,
        fma_ports=_ports(cpu, cpu.vector_bits),
        l1_bytes=cpu.l1_bytes,
        l2_bytes=cpu.l2_bytes,
        l3_bytes=cpu.l3_bytes,
        cores=host.cores if cpu.family == host.family else 1,
    )


def _from_host(host: Host) -> Target:
    """This machine: LLVM's name and features, the kernel's cache sizes, the table's pipes."""
    present = [name for name in _WIDTHS if host.features.get(name)]
    cpu = CPUS.get(host.cpu) or _generic_cpu(host, present)
    target = _from_table(cpu, host.triple, host)
    bits, registers = cpu.vector_bits, cpu.vector_registers
    if host.family == "x86_64":
        bits, registers = _WIDTHS[present[0] if present else "sse2"]
        if bits > cpu.vector_bits:
            bits, registers = cpu.vector_bits, cpu.vector_registers
    features = ",".join(("+" if on else "-") + name for name, on in sorted(host.features.items()))
    return replace(
        target,
        cpu=host.cpu,
        features=features,
        vector_bits=bits,
        vector_registers=registers,
        fma_ports=_ports(cpu, bits),
        l1_bytes=host.caches.get(1, cpu.l1_bytes),
        l2_bytes=host.caches.get(2, cpu.l2_bytes),
        l3_bytes=host.caches.get(3, cpu.l3_bytes),
    )


def _generic_cpu(host: Host, present: list[str]) -> Cpu:
    """The figures for a CPU that is in no table, by the widest vectors it has."""
    if host.family != "x86_64":
        return CPUS[_BASELINES[host.family]]
    levels = {"avx512f": "x86-64-v4", "avx2": "x86-64-v3"}
    return CPUS[next((levels[name] for name in present if name in levels), "x86-64-v2")]


def _ports(cpu: Cpu, bits: int) -> int:
    return cpu.wide_fma_ports if bits == 512 else cpu.fma_ports


def _split_features(text: str, family: str) -> list[str]:
    """`+avx2,-fma` as a list; each feature must be one of the family's."""
    features = [part for part in text.lstrip(",").split(",") if part]
    for feature in features:
        if not _FEATURE.fullmatch(feature):
            raise TargetError(
                f"not a feature: '{feature}'", hint="write +name or -name, separated by commas"
            )
        if feature[1:] not in FEATURES[family]:
            raise TargetError(
                f"unknown {family} feature '{feature[1:]}'",
                hint=_suggest(feature[1:], list(FEATURES[family]))
                or f"known features: {', '.join(sorted(FEATURES[family]))}",
            )
    return features


def _with_features(target: Target, family: str, features: list[str]) -> Target:
    """The target with features switched, and the vector width that follows from them."""
    if not features:
        return target
    joined = ",".join(part for part in (target.features, *features) if part)
    target = replace(target, features=joined)
    if family != "x86_64":
        return target
    bits, registers = next(
        width
        for name, width in _WIDTHS.items()
        if "-" + name not in features and ("+" + name in features or target.vector_bits >= width[0])
    )
    if bits == target.vector_bits:
        return target
    cpu = CPUS.get(target.cpu)
    ports = _ports(cpu, bits) if cpu else target.fma_ports
    return replace(target, vector_bits=bits, vector_registers=registers, fma_ports=max(1, ports))


def _suggest(name: str, known: list[str]) -> str | None:
    close = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.6)
    if not close:
        return None
    return (
        f"did you mean {' or '.join(part for part in (', '.join(close[:-1]), close[-1]) if part)}?"
    )


_NAMES_HINT = (
    "say x86, arm, host, a CPU such as x86-64-v3 or neoverse-n1, or a triple such as "
    "aarch64-linux-gnu, then :cpu and +feature,-feature if wanted"
)
