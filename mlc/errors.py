"""The one family of errors that mlc raises on purpose.

Every error says first what is wrong in one line, then where, then what to do about it. Nothing here
imports anything, so that every other module may import it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


class MlcError(Exception):
    """Base of all errors raised by mlc.

    `message` is the short first line; `node` names the model's node (or chain of passes) it came
    from; `excerpt` shows a few lines of source or IR; `hint` says what to do. `str()` gives the
    message followed by only those parts that were given.
    """

    def __init__(
        self,
        message: str,
        *,
        node: str | None = None,
        excerpt: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.node = node
        self.excerpt = excerpt
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.message]
        if self.node is not None:
            lines.append(f"  at: {self.node}")
        if self.excerpt is not None:
            lines.append(self.excerpt)
        if self.hint is not None:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class ModelError(MlcError):
    """The model file is broken: corrupt, truncated, or contradicting itself."""


class UnsupportedError(MlcError):
    """The model uses things that mlc does not know; `items` lists all of them, one line each."""

    def __init__(
        self,
        message: str,
        *,
        items: Sequence[str] = (),
        node: str | None = None,
        excerpt: str | None = None,
        hint: str | None = None,
    ) -> None:
        if items and excerpt is None:
            excerpt = "\n".join(f"  - {item}" for item in items)
        super().__init__(message, node=node, excerpt=excerpt, hint=hint)
        self.items = tuple(items)


class ShapeError(MlcError):
    """Shapes do not fit together, or a shape is impossible."""


class DtypeError(MlcError):
    """Element types do not fit together, or an element type is not supported here."""


class ScheduleError(MlcError):
    """A schedule primitive refused. Cheap to raise: searches read `code` and never render.

    `code` is a short stable name of the reason. `detail` gives the IR excerpt and is called only
    when the error is printed.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "illegal",
        detail: Callable[[], str] | None = None,
        node: str | None = None,
        excerpt: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, node=node, excerpt=excerpt, hint=hint)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        if self.excerpt is None and self.detail is not None:
            self.excerpt = self.detail()
        return super().__str__()


class VerifyError(MlcError):
    """An IR object breaks one of its rules."""


class ParseError(MlcError):
    """IR text does not parse. `line` and `column` count from 1; the excerpt has a caret."""

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
        source: str | None = None,
        node: str | None = None,
        excerpt: str | None = None,
        hint: str | None = None,
    ) -> None:
        if line is not None and column is not None:
            if node is None:
                node = f"line {line}, column {column}"
            if excerpt is None and source is not None:
                excerpt = _caret_excerpt(source, line, column)
        super().__init__(message, node=node, excerpt=excerpt, hint=hint)
        self.line = line
        self.column = column


class TargetError(MlcError):
    """The target is unknown, or cannot do what was asked."""


class InputError(MlcError):
    """An array given to a compiled module does not fit it."""


class ArtifactError(MlcError):
    """A saved module is corrupt, incomplete, or not for this machine."""


class CacheError(MlcError):
    """The compile cache cannot be used."""


class DumpError(MlcError):
    """The folder for dumps cannot be written."""


class CompileError(MlcError):
    """Code generation or linking failed."""


class TuningError(MlcError):
    """Tuning records cannot be read or written, or nothing can be measured."""


def _caret_excerpt(source: str, line: int, column: int) -> str | None:
    """The line before, the line itself, and a caret under `column` (both counted from 1)."""
    lines = source.split("\n")
    if not 1 <= line <= len(lines):
        return None
    width = len(str(line))
    shown = [
        f"  {number:>{width}} | {lines[number - 1]}" for number in range(max(1, line - 1), line + 1)
    ]
    prefix = "".join(char if char == "\t" else " " for char in lines[line - 1][: column - 1])
    shown.append(f"  {'':>{width}} | {prefix}{'^'}")
    return "\n".join(shown)
