"""What `mlc.tune` makes of its arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import pytest

import mlc
from mlc import tuning
from mlc.autotune.measurement import MeasureOptions
from mlc.backends.llvm.targets import resolve
from tests.autotune.fakes import graph

CONSTANTS = 4 * (32 * 24 + 24 * 24)


class EnoughError(Exception):
    """Nothing is measured here."""


def options_of(monkeypatch: pytest.MonkeyPatch, cache: int, **given: MeasureOptions) -> object:
    """How `mlc.tune` has candidates of a small model measured, on a machine with such a cache."""
    seen: list[object] = []

    def measurer(options: object, **_: object) -> NoReturn:
        seen.append(options)
        raise EnoughError

    monkeypatch.setattr(tuning, "Measurer", measurer)
    with pytest.raises(EnoughError):
        mlc.tune(graph(), replace(resolve("host"), l3_bytes=cache), database=":memory:", **given)
    return seen[0]


@pytest.mark.parametrize(("cache", "size"), [(1 << 20, CONSTANTS), (1000, 4000)])
def test_candidates_read_as_many_constants_as_the_model(
    monkeypatch: pytest.MonkeyPatch, cache: int, size: int
) -> None:
    assert options_of(monkeypatch, cache) == MeasureOptions(working_set_bytes=size)


def test_or_as_many_as_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = MeasureOptions(working_set_bytes=7)
    assert options_of(monkeypatch, 1000, measure=asked) is asked
