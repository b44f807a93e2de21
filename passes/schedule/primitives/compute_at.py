"""Compute a temporary inside a loop of its consumer, piece by piece."""

from __future__ import annotations

from collections.abc import Sequence

from mlc.ir.rewrite import walk
from mlc.ir.stmt import Buffer, For, Stmt
from mlc.passes.schedule.dependence import accesses_of, written_buffers
from mlc.passes.schedule.location import (
    Location,
    RefusalError,
    block,
    find_alloc,
    find_loop,
    flatten,
    has_loop,
    names_in,
    ranges_of_loops,
)
from mlc.passes.schedule.producers import check_move, restrict
from mlc.passes.schedule.region import Span, dense_buffer, relative, spans_of
from mlc.passes.schedule.rewriting import Index, rewrite_accesses
from mlc.passes.schedule.schedule import Schedule, primitive
from mlc.passes.schedule.storage import STACK_BYTES, check_scope, is_parallel


@primitive
def compute_at(schedule: Schedule, buffer: str, loop: str) -> Schedule:
    """Move the nests that write the temporary `buffer` into `loop`, shrunk to what it reads there.

    All reads of the buffer stand inside `loop`. The producers' loops keep their names; those of
    dimensions that are one element inside `loop` go, and loops that walk one dimension together
    (`h*7 + w`) become one, called `h_w`. The buffer keeps its dimensions and shrinks to the
    greatest piece, dense, in the order in which the consumer walks it; it moves to the stack where
    it is small enough. What is read twice by neighbouring pieces is computed twice.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func norm(x: f32[4,9], y: f32[4,9]) {
    ...   alloc s: f32[4] arena {
    ...     for z in 4 {
    ...       s[z] = 0.0:f32
    ...     }
    ...     for i in 4 {
    ...       for k in 9 {
    ...         s[i] = s[i] + x[i, k]
    ...       }
    ...     }
    ...     for j in 4 {
    ...       for l in 9 {
    ...         y[j, l] = x[j, l] / s[j]
    ...       }
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(compute_at(Schedule(func), "s", "j").func))
    func norm(x: f32[4,9], y: f32[4,9]) {
      for j in 4 {
        alloc s: f32[1] stack {
          s[0] = 0.0:f32
          for k in 9 {
            s[0] = s[0] + x[j, k]
          }
          for l in 9 {
            y[j, l] = x[j, l] / s[0]
          }
        }
      }
    }
    """
    body = schedule.func.body
    place = find_alloc(body, buffer)
    target = find_loop(body, loop)
    if target.stmt.kind in ("vector", "unroll"):
        raise RefusalError(f"loop '{loop}' is {target.stmt.kind}", "kind", loop)
    buffers, statements = flatten(place.stmt.body)
    to = next((n for n, part in enumerate(statements) if has_loop(part, loop)), None)
    if to is None:
        raise RefusalError(f"loop '{loop}' is not where '{buffer}' lives", "not-beside", loop)
    producers = [n for n, part in enumerate(statements) if buffer in written_buffers(part)]
    check_move(statements, producers, to, buffer)
    others = [part for n, part in enumerate(statements) if n not in producers]
    reads = _reads(others, target.stmt, buffer)
    bounds = ranges_of_loops(body)
    old = place.stmt.buffer
    spans = spans_of(reads, old.shape, target.stmt.body, bounds)
    new = _shrunk(old, spans, target)
    taken = names_in(body)
    moved = [restrict(statements[n], buffer, old.shape, spans, bounds, taken) for n in producers]
    for part in moved:
        bounds = ranges_of_loops(part, bounds)

    def moved_index(index: Index) -> Index:
        return relative(index, spans)

    pieces = [
        rewrite_accesses(part, buffer, new, moved_index, bounds)
        for part in (*moved, target.stmt.body)
    ]
    inside = For(loop, target.stmt.extent, target.stmt.kind, block((new,), pieces))
    statements[to] = find_loop(statements[to], loop).replaced(inside)
    rest = [part for n, part in enumerate(statements) if n not in producers]
    return schedule.with_body(place.replaced(block(buffers, rest)))


def _reads(others: Sequence[Stmt], loop: For, buffer: str) -> list[Index]:
    """Where the buffer is read in `loop`; refused where it is read outside."""
    inside = [a.index for a in accesses_of(loop.body) if a.buffer.name == buffer]
    if not inside:
        raise RefusalError(f"'{buffer}' is not read inside loop '{loop.var}'", "no-reads", loop.var)
    everywhere = sum(a.buffer.name == buffer for part in others for a in accesses_of(part))
    if everywhere > len(inside):
        reason = f"'{buffer}' is also read outside loop '{loop.var}'"
        raise RefusalError(reason, "other-reads", loop.var)
    return inside


def _shrunk(old: Buffer, spans: Sequence[Span], target: Location[For]) -> Buffer:
    """The buffer for the spans: on the stack, or in the arena where it is too large for that."""
    new = dense_buffer(old, old.name, spans, "stack")
    shared = any(is_parallel(part) for part in walk(target.stmt.body))
    if new.span * old.dtype.bytes <= STACK_BYTES and not shared:
        return new
    new = dense_buffer(old, old.name, spans, "arena")
    check_scope(new, (target.stmt, *target.parents), target.stmt.body)
    return new
