"""What tells one compiler from another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlc.fingerprint import sources_digest, versions


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with a folder that it reaches by a link."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "linked.py").write_text("x = 1")
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "own.py").write_text("y = 1")
    (folder / "linked").symlink_to("../elsewhere")
    return folder


def digest(package: Path) -> str:
    sources_digest.cache_clear()
    return sources_digest(package)


@pytest.mark.parametrize("changed", ["own.py", "linked/linked.py"])
def test_a_change_of_any_source_counts(package: Path, changed: str) -> None:
    before = digest(package)
    assert digest(package) == before
    path = package / changed
    path.write_text("z = 22")
    after = digest(package)
    os.utime(path, ns=(1, 1))
    assert len({before, after, digest(package)}) == 3


def test_a_new_source_counts_and_other_files_do_not(package: Path) -> None:
    before = digest(package)
    (package / "notes.txt").write_text("nothing")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "own.py").write_text("nothing")
    assert digest(package) == before
    (package / "new.py").write_text("")
    assert digest(package) != before


def test_versions_name_the_code_generator() -> None:
    assert {"mlc-compiler", "llvmlite", "python"} <= versions().keys()
    assert all(versions().values())
