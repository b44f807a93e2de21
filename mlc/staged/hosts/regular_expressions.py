r"""Regular expressions of RE2, which ONNX asks for, as Python's.

Python's own syntax is the wider one, but not a superset: what RE2 lacks is refused (look-around,
backreferences, conditions, atomic groups, possessive repeats), what Python lacks is rewritten
(`[[:alpha:]]`, `\Q…\E`, `\z`) or refused. `\d`, `\s`, `\w` and `\b` know ASCII alone, as in RE2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlc.errors import ModelError, UnsupportedError

_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f", "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
"""Named classes as the inside of a bracket expression."""

_REFUSED: dict[str, str] = {
    r"\(\?<?[=!]": "look-around",
    r"\(\?\(": "a condition",
    r"\(\?>": "an atomic group",
    r"\(\?P=": "a backreference",
    r"\\[1-9]": "a backreference",
    r"(?:[*+?]|\{\d+(?:,\d*)?\})\+": "a possessive repeat",
    r"\\[pPCX]": "a Unicode class",
    r"\\Z": r"\Z (the end is \z in RE2)",
}
"""What no pattern may hold outside of brackets, and what it is called."""

_NAMED_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")


def compile_expression(pattern: str) -> re.Pattern[str]:
    """The pattern as Python's.

    Raises `ModelError` where it is none, `UnsupportedError` where Python and RE2 differ.
    """
    text = "".join(_tokens(pattern))
    try:
        return re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ModelError(f"the pattern {pattern!r} is no regular expression: {error}") from None


def _tokens(pattern: str) -> Iterator[str]:
    position, in_brackets = 0, False
    while position < len(pattern):
        rest = pattern[position:]
        if rest.startswith(r"\Q"):
            literal, _, _ = rest[2:].partition(r"\E")
            position += len(literal) + 2 + 2 * rest[2:].startswith(r"\E", len(literal))
            yield re.escape(literal)
            continue
        named = _NAMED_CLASS.match(rest) if in_brackets else None
        if named is not None:
            yield _named_class(pattern, named)
            position += named.end()
            continue
        if not in_brackets:
            _check(pattern, position)
        if rest[0] == "\\":
            token = {r"\z": r"\Z"}.get(rest[:2], rest[:2])
            position += 2
        else:
            # A bracket that comes first inside brackets is a plain character.
            opens = re.match(r"\[\^?\]?", rest) if not in_brackets else None
            token = opens.group() if opens else rest[0]
            in_brackets = opens is not None or (in_brackets and rest[0] != "]")
            position += len(token)
        yield token


def _named_class(pattern: str, named: re.Match[str]) -> str:
    inside = _CLASSES.get(named.group(2))
    if inside is None:
        raise ModelError(f"the pattern {pattern!r} names the unknown class {named.group()}")
    if named.group(1):
        raise UnsupportedError(f"the pattern {pattern!r} holds a negated named class")
    return inside


def _check(pattern: str, position: int) -> None:
    for refused, name in _REFUSED.items():
        if re.compile(refused).match(pattern, position):
            raise UnsupportedError(f"the pattern {pattern!r} holds {name}, which is not supported")
