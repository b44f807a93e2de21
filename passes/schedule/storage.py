"""Where buffers live, how much they may take there, and declaring one anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlc.ir.rewrite import map_stmt, walk
from mlc.ir.stmt import Alloc, Buffer, For, Func, Stmt
from mlc.passes.schedule.location import RefusalError, ranges_of_loops
from mlc.passes.schedule.rewriting import IndexMap, lay_out_anew

STACK_BYTES = 256 * 1024
"""Most bytes of a temporary on the stack of the thread that runs the iteration."""

REGISTER_BYTES = 8 * 1024
"""Most bytes of a temporary in registers; a little more than any machine has."""


LIMITS = {"stack": STACK_BYTES, "register": REGISTER_BYTES}


def check_scope(buffer: Buffer, parents: Iterable[Stmt], inside: Stmt) -> None:
    """Refuse where a temporary allocated at a place cannot live where it says.

    In the arena there is one for all threads, on the stack and in registers one for each.
    """
    name, scope = buffer.name, buffer.scope
    taken = buffer.span * buffer.dtype.bytes
    if scope not in ("arena", "stack", "register"):
        raise RefusalError(f"a temporary cannot live in scope '{scope}'", "bad-scope", name)
    if scope in LIMITS and taken > LIMITS[scope]:
        reason = f"'{name}' takes {taken} bytes, more than the {LIMITS[scope]} of scope '{scope}'"
        raise RefusalError(reason, "too-large", name)
    if scope == "arena" and any(is_parallel(part) for part in parents):
        reason = f"'{name}' is inside a parallel loop and cannot live in the arena"
        raise RefusalError(reason, "parallel", name)
    if scope != "arena" and any(is_parallel(part) for part in walk(inside)):
        reason = f"'{name}' is outside of a parallel loop and cannot live in scope '{scope}'"
        raise RefusalError(reason, "parallel", name)


def is_parallel(stmt: Stmt) -> bool:
    """Whether this is a parallel loop."""
    return isinstance(stmt, For) and stmt.kind == "parallel"


def with_buffer(func: Func, new: Buffer, on_index: IndexMap = lambda index: index) -> Func:
    """The function, and what prepares its constants, with another declaration of a buffer.

    The buffer of that name is declared as `new` and accessed at `on_index` of the old indices.
    """

    def redeclare(stmt: Stmt) -> Stmt:
        if isinstance(stmt, Alloc) and stmt.buffer.name == new.name:
            return Alloc(new, stmt.body)
        return stmt

    params = tuple([new if buffer.name == new.name else buffer for buffer in func.params])
    bounds = ranges_of_loops(func.body)
    body = lay_out_anew(func.body, new, new.name, on_index, bounds)
    if params == func.params:
        body = map_stmt(body, redeclare)
    prepare = tuple(
        [
            with_buffer(part, new, on_index)
            if any(buffer.name == new.name for buffer in part.params)
            else part
            for part in func.prepare
        ]
    )
    return replace(func, params=params, body=body, prepare=prepare)
