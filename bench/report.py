"""What tables of races have in common: cells, captions, and the file of figures."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.race import Row, mean_speed, speed


def race_cells(row: Row, engines: Sequence[str]) -> list[str]:
    """Milliseconds of each engine, or why there are none; then the speed of mlc."""
    times, errors = row["milliseconds"], row["errors"]
    cells = [f"{times[name]:.3f}" if name in times else f"[red]{errors[name]}" for name in engines]
    ratio = speed(row)
    return [*cells, "" if ratio is None else f"{ratio:.2f}×"]


def race_line(name: str, row: Row, engines: Sequence[str]) -> str:
    """A row as one line, for who watches."""
    pairs = zip([*engines, "speed"], race_cells(row, engines), strict=True)
    return f"{name}: " + ", ".join(
        f"{key} {cell}[/]" if "[red]" in cell else f"{key} {cell}" for key, cell in pairs
    )


def caption(rows: Iterable[Row]) -> str | None:
    """The mean speed, where there is one."""
    mean = mean_speed(rows)
    return None if mean is None else f"geometric mean of the speed: {mean:.2f}×"


def write_figures(output: Path, figures: Mapping[str, Any]) -> None:
    """Write JSON; the file appears whole or not at all."""
    document = {"machine": platform.processor() or platform.machine(), **figures}
    unfinished = output.with_name(f".{output.name}.unfinished")
    unfinished.write_text(json.dumps(document, indent=1))
    unfinished.replace(output)
