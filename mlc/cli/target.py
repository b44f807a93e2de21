"""mlc target: what the name of a target means."""

from __future__ import annotations

from typing import Annotated

import typer

from mlc.api import runs_here
from mlc.backends.llvm.cpus import CPUS
from mlc.backends.llvm.targets import resolve
from mlc.cli.console import output, table
from mlc.target import Target


def target(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            envvar="MLC_TARGET",
            help="host, x86, arm, a CPU, a triple; then :cpu and +feature,-feature if wanted.",
        ),
    ] = "host",
    list_names: Annotated[
        bool, typer.Option("--list", "-l", help="List the CPUs that have a table instead.")
    ] = False,
) -> None:
    """Print what a target resolves to: processor, instructions, vectors, caches."""
    console = output()
    if list_names:
        cpus = table("cpu", "family", "vector bits", numbers=("vector bits",))
        for cpu_name, cpu in CPUS.items():
            cpus.add_row(cpu_name, cpu.family, str(cpu.vector_bits))
        console.print(cpus)
        return
    resolved = resolve(name)
    for label, value in _facts(resolved).items():
        console.print(f"[bold]{label:17}[/]", end="")
        console.print(value, markup=False, highlight=False, soft_wrap=True)


def _facts(resolved: Target) -> dict[str, str]:
    features = [part[1:] for part in resolved.features.split(",") if part.startswith("+")]
    return {
        "target": resolved.name,
        "triple": resolved.triple,
        "cpu": resolved.cpu,
        "features": " ".join(features) or "those of the cpu",
        "vectors": f"{resolved.vector_bits} bits, {resolved.vector_registers} registers",
        "multiply-add": f"{resolved.fma_ports} per cycle, latency {resolved.fma_latency} cycles",
        "caches": f"{_bytes(resolved.l1_bytes)} L1, {_bytes(resolved.l2_bytes)} L2, "
        f"{_bytes(resolved.l3_bytes)} L3",
        "threads": str(resolved.cores),
        "runs here": "yes" if runs_here(resolved) else "no",
    }


def _bytes(size: int) -> str:
    mebi = size / 2**20
    return f"{mebi:g} MiB" if mebi >= 1 else f"{size / 2**10:g} KiB"
