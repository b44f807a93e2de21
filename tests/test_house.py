"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("mlc", "ir", "passes", "backends", "autotune", "tests", "bench")
MOST_LINES = 450
FILES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    # The links in mlc/ lead to folders of this list.
    if not any(parent.is_symlink() for parent in path.parents)
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_folder_has_files() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(FOLDERS)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_stay_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{name(path)} has {lines} lines: one idea per file"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_library_code_reads_no_environment(path: Path) -> None:
    if path.relative_to(ROOT).parts[0] in ("tests", "bench") or "cli" in name(path):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    reads = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert not reads, f"{name(path)}:{reads[0]}: options are arguments, not environment variables"
