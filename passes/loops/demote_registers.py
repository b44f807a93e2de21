"""demote-registers: put a register buffer on the stack where its accesses can't be told apart.

Holds before: vector loops are gone, unrolled loops have constant extents. After: every access to a
buffer of scope `register` has an index that is constant once unrolled loops are expanded, one vector
length serves all accesses of the buffer, and every vector starts at a multiple of that length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mlc.ir.affine import Linear, linear_form
from mlc.ir.expr import Expr, Load, Ramp, Var
from mlc.ir.rewrite import replace_buffers, walk, walk_exprs
from mlc.ir.stmt import Alloc, Buffer, For, Func, Store


def demote_registers(func: Func) -> Func:
    """Give buffers that can't live in registers the scope `stack`."""
    buffers = [part.buffer for part in walk(func.body) if type(part) is Alloc]
    registers = {buffer.name: buffer for buffer in buffers if buffer.scope == "register"}
    if not registers:
        return func
    unrolled = {p.var for p in walk(func.body) if type(p) is For and p.kind == "unroll"}
    lanes: dict[str, set[int]] = {name: set() for name in registers}
    bad: set[str] = set()
    for buffer, index in _accesses(func):
        if buffer.name in registers:
            length = _vector_length(buffer, index, unrolled)
            lanes[buffer.name].add(length)
            if length == 0:
                bad.add(buffer.name)
    bad |= {name for name, found in lanes.items() if len(found) > 1}
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


def _vector_length(buffer: Buffer, index: tuple[Expr, ...], unrolled: set[str]) -> int:
    """Lanes of the access, or 0 where it can't be served by registers."""
    total, lanes = Linear({}), 1
    for part, stride in zip(index, buffer.strides, strict=True):
        if isinstance(part, Ramp):
            if lanes > 1 or stride * linear_form(part.stride).constant != 1:
                return 0
            lanes, part = part.length, part.base
        elif part.lanes > 1:
            return 0
        total = total.plus(linear_form(part), stride)
    for atom in total.terms:
        if not (isinstance(atom, Var) and atom.name in unrolled):
            return 0
    aligned = all(c % lanes == 0 for c in (*total.terms.values(), total.constant))
    return lanes if aligned else 0
