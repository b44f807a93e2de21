"""Lines of printed IR that remember what they show, and excerpts that point at one of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

INDENT = "  "
WIDTH = 100


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text: how deep it is nested, and the object that it shows, if it shows one."""

    depth: int
    text: str
    owner: object = None

    def __str__(self) -> str:
        return INDENT * self.depth + self.text


def excerpt(lines: Sequence[Line], owner: object, focus: str = "") -> str | None:
    """The line that shows `owner` between its neighbours, with a caret under the text `focus`.

    None where no line shows it. Without `focus`, or where it does not occur, the caret stands under
    the start of the line.
    """
    found = next((n for n, line in enumerate(lines) if line.owner is owner), None)
    if found is None:
        return None
    shown = range(max(0, found - 1), min(len(lines), found + 2))
    width = len(str(shown[-1] + 1))
    result = []
    for number in shown:
        result.append(f"  {number + 1:>{width}} | {lines[number]}")
        if number == found:
            column = len(INDENT) * lines[number].depth + _column(lines[number].text, focus)
            result.append(f"  {'':>{width}} | {' ' * column}^")
    return "\n".join(result)


def _column(text: str, focus: str) -> int:
    """Where `focus` starts in `text`, not in the middle of a word; 0 where it does not occur."""
    found = re.search(rf"(?<![\w.]){re.escape(focus)}(?![\w.])|{re.escape(focus)}(?<!\w)", text)
    return found.start() if found else 0
