"""Fetch the next panel of a buffer while tiles go over this one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlc.ir.affine import Bounds, Linear, linear_form, simplify
from mlc.ir.expr import Const, Expr, Var
from mlc.ir.rewrite import buffers_of, loads_of, substitute_expr, walk
from mlc.ir.stmt import Buffer, For, Func, Prefetch, Stmt, seq
from mlc.passes.schedule.dependence import written_buffers
from mlc.passes.schedule.location import Location, RefusalError, find_loop, ranges_of_loops
from mlc.passes.schedule.rewriting import Index
from mlc.passes.schedule.schedule import Schedule, primitive

LINE_BYTES = 64
"""What one prefetch brings, on the CPUs there are."""

MAX_LINES = 16
"""Most lines to ask for at once; a little more than a CPU waits for at a time."""


@primitive
def prefetch(schedule: Schedule, buffer: str, loop: str, at: str) -> Schedule:
    """Fetch the next panel of `buffer` while `loop` goes over this one, lines at each step of `at`.

    A panel is what each iteration of `loop` (tiles) reads, again and again, of a parameter packed
    so that the next panel follows in memory when a loop further out moves on. Each tile fetches its
    share, lines side by side, at the steps of the loop `at` inside; so many at each that all tiles
    together fetch a panel or a little more. After the last panel it is whatever lies there.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func sums(w: f32[3,64,16], y: f32[2,48]) {
    ...   for p in 3 {
    ...     for r in 2 {
    ...       for k_o in 32 {
    ...         for unroll k_i in 2 {
    ...           for vector j in 16 {
    ...             y[r, p * 16 + j] = y[r, p * 16 + j] + w[p, k_o * 2 + k_i, j]
    ...           }
    ...         }
    ...       }
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(prefetch(Schedule(func), "w", "r", "k_o").func))
    func sums(w: f32[3,64,16], y: f32[2,48]) {
      for p in 3 {
        for r in 2 {
          for k_o in 32 {
            prefetch w[p + 1, 0, r * 512 + k_o * 16]
            for unroll k_i in 2 {
              for vector j in 16 {
                y[r, p * 16 + j] = y[r, p * 16 + j] + w[p, k_o * 2 + k_i, j]
              }
            }
          }
        }
      }
    }

    Refused where `buffer` is no dense parameter that is only read, or where `loop` runs once: the
    next panel is then simply what comes next, which the hardware sees itself.
    """
    func = schedule.func
    param = _parameter(func, buffer)
    bounds = ranges_of_loops(func.body)
    tiles, steps = find_loop(func.body, loop), find_loop(func.body, at)
    between = _between(tiles.stmt, steps)
    index = _only_index(steps.stmt, buffer)
    around = [part.var for part in tiles.parents if isinstance(part, For)]
    panel = _panel(param, index, tiles.stmt, around, bounds)
    counts = [_iterations(part, bounds) for part in (tiles.stmt, *between)]
    if counts[0] < 2:
        reason = f"loop '{loop}' runs once: the next panel of '{buffer}' is fetched as it comes"
        raise RefusalError(reason, "runs-once", loop)
    lines = -(-panel.elements * param.dtype.bytes // LINE_BYTES)
    each = -(-lines // math.prod(counts))
    if each > MAX_LINES:
        reason = f"each step of loop '{at}' would fetch {each} lines, more than {MAX_LINES}"
        raise RefusalError(reason, "too-large", at)
    number: Expr = Const(0)
    for part, count in zip((tiles.stmt, *between), counts, strict=True):
        number = number * count + Var(part.var)
    line = LINE_BYTES // param.dtype.bytes
    fetches: list[Stmt] = []
    for extra in range(each):
        last = panel.next[-1] + number * (each * line) + extra * line
        fetches.append(Prefetch(param, (*panel.next[:-1], simplify(last, bounds))))
    old = steps.stmt
    new = For(old.var, old.extent, old.kind, seq([*fetches, old.body]))
    return schedule.with_body(steps.replaced(new))


def _parameter(func: Func, name: str) -> Buffer:
    buffer = buffers_of(func).get(name)
    if buffer is None:
        raise RefusalError(f"no buffer '{name}'", "no-such-buffer")
    if buffer not in func.params or name in written_buffers(func.body):
        raise RefusalError(f"'{name}' is no parameter that is only read", "written", name)
    dense = Buffer.dense(name, buffer.shape, buffer.dtype)
    if buffer.strides != dense.strides or not buffer.shape:
        raise RefusalError(f"'{name}' is not dense", "bad-layout", name)
    return buffer


def _between(tiles: For, steps: Location[For]) -> list[For]:
    """The loops inside `tiles` down to the steps, which run one after the other."""
    chain = [part for part in (*steps.parents, steps.stmt) if isinstance(part, For)]
    if tiles not in chain[:-1]:
        reason = f"loop '{steps.stmt.var}' is not inside loop '{tiles.var}'"
        raise RefusalError(reason, "not-inside", steps.stmt.var)
    if steps.stmt.kind == "vector":
        raise RefusalError(f"loop '{steps.stmt.var}' is vector", "kind", steps.stmt.var)
    return chain[chain.index(tiles) + 1 :]


def _only_index(steps: For, buffer: str) -> Index:
    indices = {load.index for load in loads_of(steps.body) if load.buffer.name == buffer}
    if len(indices) != 1:
        reason = f"'{buffer}' is read in {len(indices)} places inside loop '{steps.var}', not one"
        raise RefusalError(reason, "reads", buffer)
    return indices.pop()


@dataclass(frozen=True, slots=True)
class _Panel:
    """Elements of a panel, and the index of the first one of the next."""

    elements: int
    next: Index


def _panel(
    buffer: Buffer, index: Index, tiles: For, around: Sequence[str], bounds: Bounds
) -> _Panel:
    offset = Linear({})
    for part, stride in zip(index, buffer.strides, strict=True):
        offset = offset.plus(linear_form(part), stride)
    inside = [part.var for part in walk(tiles.body) if isinstance(part, For)]
    elements = 1
    for atom, coefficient in offset.terms.items():
        if not isinstance(atom, Var) or coefficient < 0 or atom.name not in bounds:
            reason = f"the index of '{buffer.name}' is not a sum of loops inside '{tiles.var}'"
            raise RefusalError(reason, "not-linear", buffer.name)
        if atom.name in inside:
            elements += coefficient * bounds[atom.name][1]
    if Var(tiles.var) in offset.terms:
        reason = f"loop '{tiles.var}' moves on in '{buffer.name}'"
        raise RefusalError(reason, "moves", tiles.var)
    moving = [name for name in around if Var(name) in offset.terms and bounds[name][1] > 0]
    if not moving:
        reason = f"no loop around '{tiles.var}' moves on in '{buffer.name}'"
        raise RefusalError(reason, "moves", tiles.var)
    apart = offset.terms[Var(moving[-1])]
    if elements > apart:
        reason = (
            f"panels of '{buffer.name}' overlap: iterations of loop '{moving[-1]}' are "
            f"{apart} elements apart, and read from {elements}"
        )
        raise RefusalError(reason, "bad-layout", buffer.name)
    start = {**{name: Const(0) for name in inside}, moving[-1]: Var(moving[-1]) + 1}
    following = tuple([simplify(substitute_expr(part, start), bounds) for part in index])
    return _Panel(elements, following)


def _iterations(loop: For, bounds: Bounds) -> int:
    if loop.var not in bounds:
        raise RefusalError(f"the extent of loop '{loop.var}' has no bound", "extent", loop.var)
    return bounds[loop.var][1] + 1
