"""Where buffers live, how much they may take there, and declaring one anew."""

from __future__ import annotations

from dataclasses import replace

from mlc.ir.rewrite import map_stmt
from mlc.ir.stmt import Alloc, Buffer, Func, Stmt
from mlc.passes.schedule.location import ranges_of_loops
from mlc.passes.schedule.rewriting import IndexMap, rewrite_accesses

STACK_BYTES = 256 * 1024
"""Most bytes of a temporary on the stack of the thread that runs the iteration."""

REGISTER_BYTES = 8 * 1024
"""Most bytes of a temporary in registers; a little more than any machine has."""


def with_buffer(func: Func, new: Buffer, on_index: IndexMap = lambda index: index) -> Func:
    """The function with the buffer of that name declared as `new`, accessed at `on_index`."""

    def redeclare(stmt: Stmt) -> Stmt:
        if isinstance(stmt, Alloc) and stmt.buffer.name == new.name:
            return Alloc(new, stmt.body)
        return stmt

    params = tuple([new if buffer.name == new.name else buffer for buffer in func.params])
    bounds = ranges_of_loops(func.body)
    body = rewrite_accesses(func.body, new.name, new, on_index, bounds)
    if params == func.params:
        body = map_stmt(body, redeclare)
    return replace(func, params=params, body=body)
