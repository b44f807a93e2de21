"""The package's face: light to import, and each public name where the table says."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

import mlc

HEAVY = ["numpy", "cffi", "pycparser", "llvmlite", "onnx", "xgboost", "networkx", "mlc.ir"]


def loaded_after(statement: str) -> set[str]:
    """The modules of a fresh interpreter that ran `statement`."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not loaded_after("import mlc") & {*HEAVY, "mlc.errors"}


def test_loading_needs_no_compiler_and_no_c_parser() -> None:
    loaded = loaded_after("import mlc\nmlc.load")
    assert "mlc.runtime.artifact" in loaded
    assert not loaded & {name for name in HEAVY if name != "numpy"}


@pytest.mark.parametrize("name", mlc.__all__)
def test_every_public_name_is_there(name: str) -> None:
    home = mlc._HOME_OF[name]
    if find_spec(home) is None:
        pytest.skip(f"{home} is not there yet")
    assert getattr(mlc, name).__name__ == name
    assert name in dir(mlc)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'mlc' has no attribute 'nothing'$"):
        mlc.nothing  # noqa: B018
