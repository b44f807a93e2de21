"""ONNX's own conformance suite over `mlc.onnx_backend`: every case that is meant for CPUs."""

from __future__ import annotations

import unittest
import warnings
from collections.abc import Iterator

import pytest
from onnx.backend.test import BackendTest

from bench.conformance import CATEGORIES, Uncached, all_cases, run_case
from tests.conformance.exclusions import EXCLUDED


@pytest.fixture(autouse=True, scope="module")
def _data_of_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The suite writes the data of its larger models where the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONNX_MODELS", str(tmp_path_factory.mktemp("models")))
        yield


def _suite() -> dict[str, type[unittest.TestCase]]:
    """The suite's classes with the cases for CPUs alone, those excluded marked as skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns while some cases make their data
        runner = BackendTest(Uncached, __name__)
        for name in EXCLUDED:
            runner.exclude(f"^{name}$")
        classes: dict[str, type[unittest.TestCase]] = runner.test_cases
    for case_class in classes.values():
        for name in unittest.defaultTestLoader.getTestCaseNames(case_class):
            if not name.endswith("_cpu"):
                delattr(case_class, name)
    return classes


globals().update(_suite())

_CASES = {case.name: case for case in all_cases()}


def test_categories_are_those_of_the_suite() -> None:
    assert set(_suite()) == set(CATEGORIES)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EXCLUDED)
def test_what_is_excluded_does_not_pass(name: str) -> None:
    assert run_case(_CASES[name]).reason, f"{name} passes: it need not be excluded"


def test_nearly_everything_passes() -> None:
    """What is excluded is no more than 1.5 % of the suite."""
    assert len(EXCLUDED) <= 0.015 * len(_CASES)
