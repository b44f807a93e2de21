"""The words of IR text, and a cursor over them that says exactly where something is wrong.

Text consists of names, quoted strings, numbers, `%values`, `@layouts`, digests and symbols. White
space separates and means nothing else; `#` starts a comment that ends with the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from mlc.errors import ParseError
from mlc.ir.dtype import DType
from mlc.ir.text.syntax import dtype_named

_Item = TypeVar("_Item")

_TOKEN = re.compile(
    r"""(?P<space>(?:\s|\#[^\n]*)+)
      | (?P<digest>sha256:[0-9a-f]{64}\b)
      | (?P<value>%(?:[A-Za-z0-9_.]+|(?=")))
      | (?P<layout>@[A-Za-z0-9.]+)
      | (?P<name>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<symbol>->|//|<<|>>|[<>=!]=|[-+*/%<>=!&|^()\[\]{},:])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word: its kind (a group of the pattern above, or "end"), its text and where it starts."""

    kind: str
    text: str
    offset: int


class Tokens:
    """A cursor over the tokens of `source`; every complaint is a `ParseError` with its place."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._tokens = self._split(source)
        self._position = 0

    def _split(self, source: str) -> list[Token]:
        tokens, offset = [], 0
        while offset < len(source):
            match = _TOKEN.match(source, offset)
            if match is None:
                self.fail(f"unexpected character {source[offset]!r}", Token("", "", offset))
            kind = str(match.lastgroup)
            if kind != "space":
                tokens.append(Token(kind, match.group(), offset))
            offset = match.end()
        tokens.append(Token("end", "", len(source)))
        return tokens

    def fail(self, message: str, at: Token | None = None) -> NoReturn:
        """Complain about the token `at`, or the next one."""
        offset = (at or self.peek()).offset
        line = self.source.count("\n", 0, offset) + 1
        column = offset - (self.source.rfind("\n", 0, offset) + 1) + 1
        raise ParseError(message, line=line, column=column, source=self.source)

    def peek(self, ahead: int = 0) -> Token:
        """The next token, or a later one."""
        return self._tokens[min(self._position + ahead, len(self._tokens) - 1)]

    def next(self) -> Token:
        """Take the next token."""
        token = self.peek()
        self._position = min(self._position + 1, len(self._tokens) - 1)
        return token

    def at(self, text: str) -> bool:
        """Whether the next token is this word or symbol (a quoted string never is)."""
        token = self.peek()
        return token.text == text and token.kind in ("name", "symbol")

    def accept(self, text: str) -> bool:
        """Take the next token where it is this word or symbol."""
        found = self.at(text)
        if found:
            self.next()
        return found

    def expect(self, text: str) -> None:
        """Take this word or symbol, or complain."""
        if not self.accept(text):
            self.fail(f"expected '{text}', found {self._found()}")

    def expect_end(self) -> None:
        """Complain where anything is left."""
        if self.peek().kind != "end":
            self.fail(f"expected nothing more, found {self._found()}")

    def _found(self) -> str:
        token = self.peek()
        return "the end of the text" if token.kind == "end" else f"'{token.text}'"

    def name(self, what: str) -> str:
        """A name, plain or quoted; `what` says in a complaint what it would have named."""
        if self.peek().kind == "string":
            return self.string()
        if self.peek().kind != "name":
            self.fail(f"expected the name of {what}, found {self._found()}")
        return self.next().text

    def value_name(self) -> str:
        """The name of a value in a graph, without its `%`."""
        if self.peek().kind != "value":
            self.fail(f"expected a value such as %x, found {self._found()}")
        plain = self.next().text[1:]
        return plain or self.string()

    def string(self) -> str:
        """A quoted string."""
        if self.peek().kind != "string":
            self.fail(f"expected a quoted string, found {self._found()}")
        token = self.next()
        try:
            return str(json.loads(token.text, strict=False))
        except ValueError:
            self.fail("this string has an escape that means nothing", token)

    def number(self) -> int | float:
        """A number, which may be negative, infinite or not a number."""
        negative = self.accept("-")
        token = self.next()
        if token.text in ("inf", "nan"):
            value: int | float = float(token.text)
        elif token.kind == "number":
            try:
                value = int(token.text) if token.text.isdigit() else float(token.text)
            except ValueError:
                self.fail("this number is too long", token)
        else:
            self.fail(f"expected a number, found '{token.text}'", token)
        return -value if negative else value

    def integer(self, what: str) -> int:
        """A whole number; `what` says in a complaint what it would have been."""
        at = self.peek()
        value = self.number() if at.kind == "number" or self.at("-") else None
        if not isinstance(value, int):
            self.fail(f"expected {what}, a whole number", at)
        return value

    def dtype(self) -> DType:
        """An element type."""
        token = self.next()
        found = dtype_named(token.text)
        if found is None:
            self.fail(f"expected an element type such as f32, found '{token.text}'", token)
        return found

    def listed(self, item: Callable[[], _Item], opening: str, closing: str) -> tuple[_Item, ...]:
        """Items with commas between them (one after the last is allowed), in brackets."""
        self.expect(opening)
        items: list[_Item] = []
        while not self.at(closing):
            items.append(item())
            if not self.accept(","):
                break
        self.expect(closing)
        return tuple(items)

    def location(self) -> tuple[str, ...] | None:
        """`loc("…", …)`, or None where there is none."""
        return self.listed(self.string, "(", ")") if self.accept("loc") else None
