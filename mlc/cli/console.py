"""Where output goes: results to stdout, plain unless it is a terminal; all else to stderr."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from mlc.cli.lexer import lexer_of

_WIDTH_OF_FILES = 160


def output() -> Console:
    """For results. Files get wide lines, so that tables keep their contents."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)


def errors() -> Console:
    """For errors, warnings and progress."""
    return Console(stderr=True)


def working(text: str) -> AbstractContextManager[Any]:
    """Show that something takes its time; nothing where nobody watches."""
    console = errors()
    return console.status(text) if console.is_terminal else nullcontext()


def table(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """An empty table without lines; the columns of `numbers` are set to the right."""
    result = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        result.add_column(column, justify="right" if column in numbers else "left")
    return result


def print_stage(text: str, stage: str) -> None:
    """The text of a stage: in colours on a terminal, exactly as it is everywhere else."""
    console = output()
    if not console.is_terminal:
        print(text)
        return
    syntax = Syntax(text, lexer_of(stage), theme="ansi_dark", background_color="default")
    console.print(syntax, soft_wrap=True)
