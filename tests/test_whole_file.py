"""Small files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc.whole_file import write_whole


def test_a_file_is_written_or_replaced_for_the_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "note"
    for text in ("old", "new"):
        write_whole(path, text)
        assert path.read_text() == text
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.iterdir()] == [path]


def test_what_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("no")

    path = tmp_path / "note"
    write_whole(path, "old")
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]
