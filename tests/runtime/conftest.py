"""What the tests of artifacts share: the toy model on disk, in both kinds of code."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc.backends.llvm.link import link_shared
from mlc.runtime.artifact_writer import write_artifact
from tests.runtime import toy


@pytest.fixture(params=["shared", "object"])
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "model"
    linker = None
    if request.param == "shared":
        toy.need_linker()
        linker = link_shared
    write_artifact(toy.compiled(texts=toy.TEXTS), path, linker=linker)
    return path
