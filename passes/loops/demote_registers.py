"""demote-registers: put a register buffer on the stack where its accesses can't be told apart.

Holds before: vector loops are gone, unrolled loops have constant extents. After: every access to
a buffer of scope `register` has an index that is constant once unrolled loops are expanded, and
any two accesses touch either the same elements or none in common, so that each is one SSA value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from mlc.ir.affine import Linear, linear_form
from mlc.ir.expr import Const, Expr, Load, Ramp, Var
from mlc.ir.rewrite import replace_buffers, walk, walk_exprs
from mlc.ir.stmt import Alloc, Buffer, For, Func, Store

MAX_SLOTS = 1024
"""More values than this in one buffer are not worth the name of registers."""


def demote_registers(func: Func) -> Func:
    """Give buffers that can't live in registers the scope `stack`."""
    allocated = [part.buffer for part in walk(func.body) if type(part) is Alloc]
    registers = {buffer.name: buffer for buffer in allocated if buffer.scope == "register"}
    if not registers:
        return func
    unrolled = {
        part.var: int(part.extent.value)
        for part in walk(func.body)
        if type(part) is For and part.kind == "unroll" and isinstance(part.extent, Const)
    }
    slots: dict[str, dict[int, int] | None] = {name: {} for name in registers}
    for buffer, index in _accesses(func):
        found = slots.get(buffer.name)
        if found is not None and not _add_slots(found, buffer, index, unrolled):
            slots[buffer.name] = None
    bad = [name for name, found in slots.items() if found is None or _overlap(found)]
    if not bad:
        return func
    demoted = {name: replace(registers[name], scope="stack") for name in bad}
    return replace(func, body=replace_buffers(func.body, demoted))


def _accesses(func: Func) -> Iterator[tuple[Buffer, tuple[Expr, ...]]]:
    for part in walk(func.body):
        if type(part) is Store:
            yield part.buffer, part.index
    for expr in walk_exprs(func.body):
        if type(expr) is Load:
            yield expr.buffer, expr.index


def _add_slots(
    slots: dict[int, int], buffer: Buffer, index: tuple[Expr, ...], unrolled: Mapping[str, int]
) -> bool:
    """Add first element → lanes of every instance of an access; False if it has no such form."""
    total, lanes = Linear({}), 1
    for part, stride in zip(index, buffer.strides, strict=True):
        base = part
        if isinstance(part, Ramp):
            if lanes > 1 or stride * linear_form(part.stride).constant != 1:
                return False
            lanes, base = part.length, part.base
        elif part.lanes > 1:
            return False
        total = total.plus(linear_form(base), stride)
    starts = [total.constant]
    for atom, coefficient in total.terms.items():
        extent = unrolled.get(atom.name) if isinstance(atom, Var) else None
        if extent is None or extent * len(starts) > MAX_SLOTS:
            return False
        starts = [start + coefficient * i for start in starts for i in range(extent)]
    return all(slots.setdefault(start, lanes) == lanes for start in starts)


def _overlap(slots: Mapping[int, int]) -> bool:
    starts = sorted(slots)
    return any(a + slots[a] > b for a, b in pairwise(starts))
