"""Reduce into several partial results at once."""

from __future__ import annotations

from collections.abc import Sequence

from mlc.ir.affine import Range, simplify
from mlc.ir.expr import Binary, Const, Expr, Load, Var, minimum
from mlc.ir.reductions import neutral_element
from mlc.ir.rewrite import free_variables, substitute_expr
from mlc.ir.stmt import Alloc, Buffer, For, Stmt, Store, loops, seq
from mlc.passes.schedule.dependence import reduction_operator
from mlc.passes.schedule.location import (
    RefusalError,
    find_loop,
    fresh,
    names_in,
    range_of_loop,
    ranges_of_loops,
    rebuild_spine,
    spine,
)
from mlc.passes.schedule.rewriting import substitute
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def rfactor(schedule: Schedule, loop: str, lanes: int) -> Schedule:
    """Let a reduction loop fill `lanes` partial results, which are then combined.

    `b[i] = b[i] op value` inside `loop` (and perhaps loops inside it) becomes three nests: partial
    results `b_lanes` set to the neutral element of `op`; the reduction, with `loop_o` over blocks
    and `loop_i` over the lanes innermost; and `b[i] = b[i] op b_lanes[lane]` over the loop
    `loop_l`. Sums are re-associated. Refused where the body is another store, or `b` moves with
    `loop`.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func sum(x: f32[100], y: f32[1]) {
    ...   y[0] = 0.0:f32
    ...   for k in 100 {
    ...     y[0] = y[0] + x[k]
    ...   }
    ... }''')
    >>> print(print_func(rfactor(Schedule(func), "k", 8).func))
    func sum(x: f32[100], y: f32[1]) {
      y[0] = 0.0:f32
      alloc y_lanes: f32[8] stack {
        for k_z in 8 {
          y_lanes[k_z] = 0.0:f32
        }
        for k_o in 13 {
          for k_i in min(8, 100 - k_o * 8) {
            y_lanes[k_i] = y_lanes[k_i] + x[k_o * 8 + k_i]
          }
        }
        for k_l in 8 {
          y[0] = y[0] + y_lanes[k_l]
        }
      }
    }
    """
    body = schedule.func.body
    place = find_loop(body, loop)
    old = place.stmt
    if lanes < 2:
        raise RefusalError(f"{lanes} lanes are too few", "bad-factor", loop)
    chain, store = spine(old)
    if any(part.kind not in ("serial", "unroll") for part in chain):
        raise RefusalError(f"a loop from '{loop}' inwards is vector or parallel", "kind", loop)
    if not isinstance(store, Store) or reduction_operator(store) is None:
        raise RefusalError(f"loop '{loop}' holds more than a reduction", "not-a-reduction", loop)
    used = {name for part in store.index for name in free_variables(part)}
    if loop in used:
        reason = f"'{store.buffer.name}' moves with loop '{loop}'"
        raise RefusalError(reason, "not-a-reduction", loop)
    inside = {part.var for part in chain}
    for part in chain[1:]:
        if free_variables(part.extent) & inside:
            reason = f"the extent of loop '{part.var}' depends on a loop of the reduction"
            raise RefusalError(reason, "extent", part.var)
    kept = [part for part in chain if part.var in used]
    bounds = ranges_of_loops(body)
    new = _partial(chain, kept, store, lanes, names_in(body), bounds)
    return schedule.with_body(place.replaced(new))


def _partial(
    chain: Sequence[For],
    kept: Sequence[For],
    store: Store,
    lanes: int,
    taken: set[str],
    bounds: dict[str, Range],
) -> Stmt:
    """The three nests; `kept` are the loops inside that walk the result."""
    loop, target = chain[0].var, store.buffer
    shape = [bounds[part.var][1] + 1 for part in kept] + [lanes]
    name = fresh(f"{target.name}_lanes", taken)
    buffer = Buffer.dense(name, shape, target.dtype, "stack")
    zero, lane, outer, inner = (fresh(loop + end, taken) for end in ("_z", "_l", "_o", "_i"))
    op, value = _parts(store)

    start = Const(neutral_element(op, target.dtype), target.dtype)
    first = [(fresh(f"{part.var}_z", taken), part.extent) for part in kept]
    at: list[Expr] = [Var(var) for var, _ in first]
    clear = loops([*first, (zero, lanes)], Store(buffer, (*at, Var(zero)), start))

    rounds = simplify((chain[0].extent + (lanes - 1)) // lanes, bounds)
    bounds[outer] = range_of_loop(rounds, bounds) or (0, 0)
    bounds[inner] = 0, lanes - 1
    left = chain[0].extent - Var(outer) * lanes
    width = simplify(minimum(Const(lanes), left), bounds)
    position = {loop: Var(outer) * lanes + Var(inner)}
    here = (*[Var(part.var) for part in kept], Var(inner))
    update = Store(buffer, here, Binary(op, Load(buffer, here), value))
    body: Stmt = For(inner, width, "serial", substitute(update, position, bounds))
    reduce = For(outer, rounds, "serial", rebuild_spine(chain[1:], body))

    last = [(fresh(f"{part.var}_l", taken), part.extent) for part in kept]
    moved = {part.var: Var(var) for part, (var, _) in zip(kept, last, strict=True)}
    index = tuple([substitute_expr(part, moved) for part in store.index])
    lanes_of: tuple[Expr, ...] = (*[Var(var) for var, _ in last], Var(lane))
    joined = Binary(op, Load(target, index), Load(buffer, lanes_of))
    combine = loops([*last, (lane, lanes)], Store(target, index, joined))
    return Alloc(buffer, seq((clear, reduce, combine)))


def _parts(store: Store) -> tuple[str, Expr]:
    """`op` and `value` of `b[i] = b[i] op value`."""
    match store:
        case Store(buffer, _, Binary(op, Load(read), value)) if read.name == buffer.name:
            return op, value
        case Store(_, _, Binary(op, value, _)):
            return op, value
    raise TypeError(f"not a reduction: {store!r}")
