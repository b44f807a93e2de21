"""A tuning report as a file: a page (.html) or its figures (.json), whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from mlc.autotune.report.page import page
from mlc.autotune.tuning_report import TuningReport
from mlc.errors import TuningError


def check_report_path(path: Path) -> None:
    """Raise `TuningError` for a path that `save_report` could not write."""
    if path.suffix not in _FORMATS:
        raise TuningError(
            f"a report cannot be written as '{path.name}'", hint="give it a name in .html or .json"
        )
    if not path.parent.is_dir():
        raise TuningError(f"there is no folder '{path.parent}' for the report")


def save_report(report: TuningReport, path: Path) -> None:
    """Write a report in the format that the path's suffix names."""
    check_report_path(path)
    text = _FORMATS[path.suffix](report)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            unfinished = Path(folder) / path.name
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)
    except OSError as error:
        raise TuningError(f"cannot write '{path}': {error.strerror}") from None


def _figures(report: TuningReport) -> str:
    return json.dumps(report.to_json(), indent=1)


_FORMATS: Mapping[str, Callable[[TuningReport], str]] = {".html": page, ".json": _figures}
