"""What the printers and the parsers of both IRs agree on: symbols, precedence, names, numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache

from mlc.ir.dtype import DTYPES, INDEX, DType
from mlc.ir.functions import FUNCTIONS

INFIX: dict[str, tuple[str, int]] = {
    "or": ("|", 1),
    "xor": ("^", 2),
    "and": ("&", 3),
    "eq": ("==", 4),
    "ne": ("!=", 4),
    "lt": ("<", 4),
    "le": ("<=", 4),
    "gt": (">", 4),
    "ge": (">=", 4),
    "shl": ("<<", 5),
    "shr": (">>", 5),
    "add": ("+", 6),
    "sub": ("-", 6),
    "mul": ("*", 7),
    "div": ("/", 7),
    "floordiv": ("//", 7),
    "mod": ("%", 7),
}
"""Binary operators written between their operands: symbol, and how tightly it binds (all to the
left). Other binary operators are written like functions."""

COMPARISON_BINDS = 4
PREFIX: dict[str, str] = {"neg": "-", "not": "!"}
PREFIX_BINDS = 8
"""Unary operators written before their operand; the others are written like functions."""

BRACKETED = frozenset(("cast", "shuffle", *FUNCTIONS))
"""Functions that may have something in `<…>` before their arguments."""

KEYWORDS = BRACKETED.union(
    ("func", "graph", "prepare", "const", "for", "in", "if", "else", "alloc", "loc", "prefetch"),
    ("true", "false", "nan", "inf", "serial", "parallel", "vector", "unroll"),
)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def quote(text: str) -> str:
    """A string literal."""
    return json.dumps(text, ensure_ascii=False)


@lru_cache(4096)
def name(text: str) -> str:
    """A name: as it is where it is a plain word, else quoted.

    >>> print(name("conv1.weight"), name("for"), name("layer 1"))
    conv1.weight "for" "layer 1"
    """
    return text if is_plain(text) and text not in KEYWORDS else quote(text)


def is_plain(text: str) -> bool:
    """Whether `text` can stand as one word."""
    return _PLAIN.fullmatch(text) is not None


def number(value: float, dtype: DType = INDEX) -> str:
    """A constant: index constants bare, booleans as words, all others with their type.

    >>> from mlc.ir.dtype import F32, I8, BOOL
    >>> print(number(3), number(1.5, F32), number(-7, I8), number(True, BOOL))
    3 1.5:f32 -7:i8 true
    """
    if dtype.kind == "bool":
        return "true" if value else "false"
    fractional = dtype.is_float or dtype.is_storage
    text = repr(float(value) if fractional else int(value))
    return text if dtype is INDEX else f"{text}:{dtype}"


def location(loc: Iterable[str]) -> str:
    """The names of the model's nodes that something came from."""
    return f"loc({', '.join(map(quote, loc))})"


def dtype_named(text: str) -> DType | None:
    """The element type of that name, if there is one."""
    return DTYPES.get(text)
