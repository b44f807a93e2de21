"""The examples in docstrings run, under the names that users import (mlc.ir…, never ir…)."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import mlc

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(mlc.__path__, "mlc.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.testmod(module, optionflags=flags)
    assert failed == 0
