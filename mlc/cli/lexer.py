"""Colours for the texts of the stages: which lexer reads which, and the one for mlc's own IR."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import Lexer, RegexLexer, words
from pygments.lexers.asm import GasLexer, LlvmLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, Text

_KEYWORDS = (
    "alloc", "const", "else", "for", "func", "graph", "if", "in", "parallel", "prepare", "serial",
    "unroll", "vector",
)  # fmt: skip


class IrLexer(RegexLexer):  # type: ignore[misc]
    """Graphs and loops as mlc prints them."""

    name = "mlc IR"
    tokens: ClassVar = {
        "root": [
            (r"#.*", Comment.Single),
            (r'%?"(?:[^"\\]|\\.)*"', String),
            (r"%\w+", Name.Variable),
            (words(_KEYWORDS, prefix=r"\b", suffix=r"\b"), Keyword),
            (r"\b(?:bf16|[fiu](?:8|16|32|64)|bool|index)\b", Keyword.Type),
            (r"\bsha256:[0-9a-f]+", String.Other),
            (r"-?\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b", Number),
            (r"\b[A-Za-z_]\w*(?=\()", Name.Function),
            (r"[-+*/%<>=!&|@]+", Operator),
            (r"\w+|\s+|.", Text),
        ]
    }


_LEXERS: dict[str, type[Lexer]] = {"llvm": LlvmLexer, "asm": GasLexer}


def lexer_of(stage: str) -> Lexer:
    """The lexer for the text of a stage."""
    return _LEXERS.get(stage, IrLexer)()
