"""The nests that a bilinear algorithm replaces: found around a temporary, and held to their forms.

One nest sets the temporary to zero, one adds products to every element, one reads every element
once. What is found may be computed in another order, and in the place of the reading nest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlc.ir.expr import Const, Expr, Load, Var
from mlc.ir.rewrite import loads_of, map_expr, substitute_expr
from mlc.ir.stmt import Buffer, For, Func, Stmt, Store, zero_of
from mlc.passes.schedule.bilinear.nests import Finish
from mlc.passes.schedule.bilinear.problem import Place, Problem
from mlc.passes.schedule.dependence import Carried, carried_by, read_buffers, written_buffers
from mlc.passes.schedule.location import RefusalError, find_alloc, flatten, ranges_of_loops, spine


@dataclass(frozen=True, slots=True)
class Replaced:
    """What the update nest computes, what the reading nest does with it, and what is around them.

    `before` and `after` are the other statements in the allocation of the temporary.
    """

    problem: Problem
    finish: Finish
    buffers: tuple[Buffer, ...]
    before: tuple[Stmt, ...]
    after: tuple[Stmt, ...]


def find_replaced(func: Func, buffer: str, problem_of: Callable[[Stmt], Problem]) -> Replaced:
    """The nests around the temporary `buffer`.

    `problem_of` reads the problem off the nest that adds the products. Raises `RefusalError` where
    the nests have another form, or the weights are not constant, not floating-point (transforms
    multiply by fractions), or read elsewhere, too.
    """
    buffers, statements = flatten(find_alloc(func.body, buffer).stmt.body)
    writers = [s for s in statements if buffer in written_buffers(s)]
    readers = [s for s in statements if buffer in read_buffers(s) and s not in writers]
    if len(writers) != 2 or len(readers) != 1:
        raise RefusalError(f"'{buffer}' has not two writing nests and one reading nest", "shape")
    zero, update, reader = *writers, *readers
    problem = problem_of(update)
    _check_zero(zero, buffer)
    if not _covers(update, problem.accumulator):
        raise RefusalError(f"not every element of '{buffer}' is added to", "shape")
    _check_weights(func, update, problem)
    _check_order(func, reader, problem)
    at = statements.index(reader)
    for between in statements[statements.index(update) + 1 : at]:
        if problem.source.name in written_buffers(between):
            raise RefusalError(f"'{problem.source.name}' is written before the reader", "order")
    before = tuple(s for s in statements[:at] if s not in writers)
    finish = _finish(reader, problem.accumulator)
    return Replaced(problem, finish, tuple(buffers), before, tuple(statements[at + 1 :]))


def _check_zero(nest: Stmt, name: str) -> None:
    _, store = spine(nest)
    zero = isinstance(store, Store) and store.value == zero_of(store.buffer.dtype)
    if not zero or not isinstance(store, Store) or not _covers(nest, store.buffer):
        raise RefusalError(f"'{name}' does not start as zeros", "shape")


def _covers(nest: Stmt, buffer: Buffer) -> bool:
    """Whether the store of a nest goes over all elements, loop by loop."""
    chain, store = spine(nest)
    return isinstance(store, Store) and _goes_over(chain, store.index, buffer)


def _goes_over(chain: Iterable[For], index: tuple[Expr, ...], buffer: Buffer) -> bool:
    extents = {loop.var: loop.extent for loop in chain}
    names = [part.name for part in index if isinstance(part, Var)]
    found = [extents.get(name) for name in names]
    distinct = len(set(names)) == len(buffer.shape)
    return distinct and found == [Const(size) for size in buffer.shape]


def _check_weights(func: Func, update: Stmt, problem: Problem) -> None:
    weights = problem.weights
    if weights.scope != "constant":
        raise RefusalError(f"'{weights.name}' is not constant", "not-constant")
    if not weights.dtype.is_float:
        raise RefusalError(f"'{weights.name}' is {weights.dtype}, not floating-point", "dtype")
    if _reads(func.body, weights.name) > min(1, _reads(update, weights.name)):
        raise RefusalError(f"'{weights.name}' is read elsewhere, too", "shared")


def _reads(stmt: Stmt, name: str) -> int:
    return sum(load.buffer.name == name for load in loads_of(stmt))


def _check_order(func: Func, reader: Stmt, problem: Problem) -> None:
    """The reading nest may go in any order, and while the source is still read."""
    if problem.source.name in (problem.accumulator.name, *written_buffers(reader)):
        raise RefusalError(f"'{problem.source.name}' is read and written", "order")
    bounds = ranges_of_loops(func.body)
    for loop in spine(reader)[0]:
        carried, buffer = carried_by(loop, bounds)
        if carried is not Carried.NOTHING:
            reason = f"iterations of loop '{loop.var}' touch the same elements of '{buffer}'"
            raise RefusalError(reason, carried.value, loop.var)


def _finish(reader: Stmt, accumulator: Buffer) -> Finish:
    """What the reading nest does with an element, as a function of its place and its value."""
    chain, store = spine(reader)
    name = accumulator.name
    loads = [load for load in loads_of(reader) if load.buffer.name == name]
    if not isinstance(store, Store) or len({load.index for load in loads}) != 1:
        raise RefusalError(f"the nest that reads '{name}' has no plain form", "shape")
    index = loads[0].index
    if len(chain) != len(index) or not _goes_over(chain, index, accumulator):
        raise RefusalError(f"'{name}' is not read element by element", "shape")
    names = [part.name for part in index if isinstance(part, Var)]

    def finish(place: Place, value: Expr) -> Stmt:
        at = dict(zip(names, place, strict=True))

        def change(part: Expr) -> Expr:
            return value if type(part) is Load and part.buffer.name == name else part

        def moved(part: Expr) -> Expr:
            return substitute_expr(map_expr(part, change), at)

        return Store(store.buffer, tuple(map(moved, store.index)), moved(store.value))

    return finish
