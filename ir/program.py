"""A lowered model: distinct kernels, the calls between them, and where every buffer lies.

A program is what the back end turns into one object: it holds no graph any more. Calls run in
order; every argument is an address: an input or output of the model, a place in the constants, or
a place in the one arena whose layout was planned from live ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlc.ir.graph import Loc, Value
from mlc.ir.stmt import Buffer, Func
from mlc.ir.work import Work

ALIGNMENT = 64
"""Bytes to which every buffer in the constants and in the arena is aligned: one cache line."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address: `space` is "input", "output", "constant" or "arena".

    `number` tells which input or output; `offset` is in bytes from its start, or from the start
    of the constants or the arena.
    """

    space: str
    number: int
    offset: int


@dataclass(frozen=True, slots=True)
class KernelCall:
    """One step of the plan: `arguments` are the kernel's parameters, then its workspaces.

    `work` is that of the plain loops, before any schedule.
    """

    kernel: str
    arguments: tuple[Place, ...]
    loc: Loc
    work: Work


@dataclass(frozen=True, slots=True, eq=False)
class PreparedConstant:
    """A constant that a `prepare` function writes at compile time, from other constants."""

    func: Func
    sources: tuple[np.ndarray, ...]
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class PlainConstant:
    """A constant stored as it is (`layout` gives its strides)."""

    array: np.ndarray
    buffer: Buffer
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Kernels by symbol, the plan, and the sizes in bytes of constants and arena."""

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    kernels: Mapping[str, Func]
    calls: tuple[KernelCall, ...]
    constants: tuple[PlainConstant | PreparedConstant, ...]
    constant_bytes: int
    arena_bytes: int


def align(size: int) -> int:
    """`size` rounded up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT
