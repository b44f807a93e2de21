"""What the emitter knows while it writes one LLVM function.

The text is a tree of line lists: every loop level has a preamble, a list spliced in at the top of
the loop's body. Index arithmetic is written into the preamble of the innermost loop it depends
on, once, which hoists and shares it without a pass. Loads and arithmetic are shared within a
basic block by the text of the instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mlc.backends.llvm.math import FAST_MATH, MATH
from mlc.backends.llvm.text_builder import TextBuilder
from mlc.ir.affine import Range
from mlc.ir.expr import Expr
from mlc.ir.stmt import Buffer, For

Slot = tuple[str, int]
"""A register: buffer name and element offset of its first lane."""


@dataclass
class Level:
    """One loop nest level: lines at the top of its body, and the values written there by key."""

    preamble: list[Any]
    known: dict[Any, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scalar:
    """An index value: SSA name, and the loop level from which on it is available."""

    name: str
    level: int


IndexValue = int | Scalar

HERE = 1 << 30
"""The level of a value that was written where the text is now and can't be hoisted."""


class State:
    """Mutable state of one function's emission."""

    def __init__(
        self,
        declarations: dict[str, None],
        emit_value: Callable[[State, Expr], str],
        check_bounds: bool = False,
        fast_math: bool = False,
    ) -> None:
        self.builder = TextBuilder(declarations)
        self.emit_value = emit_value
        self.check_bounds = check_bounds
        self.math = FAST_MATH if fast_math else MATH
        self.root: list[Any] = self.builder.lines
        self.levels: list[Level] = []
        self.block = "entry"
        self.variables: dict[str, IndexValue] = {}
        self.bounds: dict[str, Range] = {}
        self.pointers: dict[str, str] = {}
        self.registers: dict[Slot, str] = {}
        self.register_types: dict[Slot, str] = {}
        self.shared: dict[str, str] = {}
        self.shared_loads: dict[str, str] = {}
        self.linear_forms: dict[tuple[str, int], Any] = {}
        self.allocas: list[Any] = []
        self.fork: Callable[[State, For], None] | None = None
        self.stack: dict[Buffer, str] = {}
        self.enter_level()

    def enter_level(self) -> None:
        """Open a loop level whose preamble stands where the text is now."""
        preamble: list[Any] = []
        self.builder.lines.append(preamble)  # type: ignore[arg-type]
        self.levels.append(Level(preamble))

    def leave_level(self) -> None:
        """Close the innermost loop level."""
        self.levels.pop()

    @property
    def level(self) -> int:
        """Number of the innermost loop level."""
        return len(self.levels) - 1

    def start_block(self, label: str) -> None:
        """Begin a basic block; nothing is shared with the blocks before it."""
        self.builder.label(label)
        self.block = label
        self.shared = {}
        self.shared_loads = {}

    def op(self, text: str) -> str:
        """Write an instruction without side effects, or reuse the same one of this block."""
        name = self.shared.get(text)
        if name is None:
            name = self.shared[text] = self.builder.op(text)
        return name

    def hoisted(self, level: int, text: str) -> str:
        """Write index arithmetic into the preamble of a level, or reuse what is known there."""
        if level == HERE:
            return self.op(text)
        for outer in range(level + 1):
            name = self.levels[outer].known.get(text)
            if name is not None:
                return name
        lines, self.builder.lines = self.builder.lines, self.levels[level].preamble
        name = self.builder.op(text)
        self.builder.lines = lines
        self.levels[level].known[text] = name
        return name

    def text(self) -> str:
        """All lines, preambles in their places."""
        return "\n".join(_flatten(self.root))


def _flatten(lines: list[Any]) -> Iterator[str]:
    for line in lines:
        if isinstance(line, list):
            yield from _flatten(line)
        else:
            yield line
