from __future__ import annotations

import inspect

import pytest

from mlc import errors
from mlc.errors import MlcError, ParseError, ScheduleError, UnsupportedError

FAMILY = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, Exception)
]


@pytest.mark.parametrize("kind", FAMILY)
def test_every_error_is_of_the_family_and_shows_its_parts(kind: type[MlcError]) -> None:
    error = kind("bad", node='Conv "a"', excerpt="  1 | x", hint="do this")
    assert isinstance(error, MlcError)
    assert str(error) == 'bad\n  at: Conv "a"\n  1 | x\n  hint: do this'


@pytest.mark.parametrize("kind", FAMILY)
def test_only_given_parts_show(kind: type[MlcError]) -> None:
    assert str(kind("bad")) == "bad"
    assert str(kind("bad", hint="do this")) == "bad\n  hint: do this"


def test_a_part_added_later_shows() -> None:
    error = MlcError("bad")
    error.node = "here"
    assert str(error) == "bad\n  at: here"


def test_unsupported_lists_everything_at_once() -> None:
    error = UnsupportedError("2 operators are not supported", items=["Foo (a)", "Bar (b, c)"])
    assert str(error) == "2 operators are not supported\n  - Foo (a)\n  - Bar (b, c)"
    assert error.items == ("Foo (a)", "Bar (b, c)")


def test_a_refused_schedule_renders_only_when_printed() -> None:
    calls = []

    def detail() -> str:
        calls.append(1)
        return "  for i in 100:"

    error = ScheduleError("split: not divisible", code="split-remainder", detail=detail)
    assert (error.code, calls) == ("split-remainder", [])
    assert str(error) == "split: not divisible\n  for i in 100:"
    assert str(error) == "split: not divisible\n  for i in 100:"
    assert len(calls) == 1


def test_a_parse_error_has_a_caret_under_its_column() -> None:
    error = ParseError("expected ')'", line=2, column=5, source="first\nabcd efg\nthird")
    assert (error.line, error.column) == (2, 5)
    assert str(error) == (
        "expected ')'\n  at: line 2, column 5\n  1 | first\n  2 | abcd efg\n    |     ^"
    )


def test_the_caret_follows_tabs_and_stands_at_the_end_of_the_text() -> None:
    error = ParseError("unexpected end", line=1, column=4, source="\tab")
    assert str(error).splitlines()[-1] == "    | \t  ^"


def test_a_position_outside_the_source_has_no_excerpt() -> None:
    error = ParseError("bad", line=9, column=1, source="one line")
    assert str(error) == "bad\n  at: line 9, column 1"
