"""Generic traversal and rebuilding of loop-IR trees.

`children` and `rebuild` know the shape of every node; everything else is written on top of them.
Rebuilding returns the same object when nothing below it changed, so untouched parts stay shared.
What a tree consists of is found once for each node (`remembered`), so that nobody goes where there
is nothing for him.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from operator import attrgetter, is_

from mlc.ir.expr import (
    Binary,
    Broadcast,
    Call,
    Cast,
    Expr,
    Load,
    Ramp,
    Select,
    Shuffle,
    Unary,
    Var,
    add,
    floordiv,
    maximum,
    minimum,
    mod,
    mul,
    sub,
)
from mlc.ir.remembered import remembered
from mlc.ir.stmt import Alloc, Buffer, For, Func, If, Prefetch, Seq, Stmt, Store, seq

ExprMap = Callable[[Expr], Expr]

_FOLDING = {
    "add": add,
    "sub": sub,
    "mul": mul,
    "floordiv": floordiv,
    "mod": mod,
    "min": minimum,
    "max": maximum,
}


def binary(op: str, left: Expr, right: Expr) -> Expr:
    """`Binary`, with index constants folded."""
    make = _FOLDING.get(op)
    return make(left, right) if make else Binary(op, left, right)


_EXPR_CHILDREN: dict[type, Callable[..., tuple[Expr, ...]]] = {
    Binary: attrgetter("left", "right"),
    Unary: lambda e: (e.operand,),
    Cast: lambda e: (e.operand,),
    Call: attrgetter("args"),
    Select: attrgetter("condition", "on_true", "on_false"),
    Load: attrgetter("index"),
    Ramp: attrgetter("base", "stride"),
    Broadcast: lambda e: (e.operand,),
    Shuffle: attrgetter("vectors"),
}

_EXPR_REBUILD: dict[type, Callable[..., Expr]] = {
    Binary: lambda e, c: binary(e.op, *c),
    Unary: lambda e, c: Unary(e.op, c[0]),
    Cast: lambda e, c: Cast(c[0], e.type),
    Call: lambda e, c: Call(e.function, c, e.type),
    Select: lambda e, c: Select(*c),
    Load: lambda e, c: Load(e.buffer, c),
    Ramp: lambda e, c: Ramp(c[0], c[1], e.length),
    Broadcast: lambda e, c: Broadcast(c[0], e.length),
    Shuffle: lambda e, c: Shuffle(c, e.picks),
}


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions."""
    get = _EXPR_CHILDREN.get(type(expr))
    return get(expr) if get else ()


def rebuild(expr: Expr, parts: tuple[Expr, ...]) -> Expr:
    """The same node over other sub-expressions."""
    return expr if _same(children(expr), parts) else _EXPR_REBUILD[type(expr)](expr, parts)


def _same(old: Collection[object], new: Collection[object]) -> bool:
    """Whether these are the same objects."""
    return len(old) == len(new) and all(map(is_, old, new))


def map_expr(expr: Expr, change: ExprMap) -> Expr:
    """Rebuild bottom-up: `change` sees every node after its sub-expressions were changed."""
    parts = children(expr)
    if parts:
        expr = rebuild(expr, tuple([map_expr(part, change) for part in parts]))
    return change(expr)


def map_loads(expr: Expr, buffers: Collection[str], change: Callable[[Load], Expr]) -> Expr:
    """Rebuild bottom-up: `change` sees every load of these buffers, its index changed already."""
    parts = children(expr)
    if parts:
        expr = rebuild(expr, tuple([map_loads(part, buffers, change) for part in parts]))
    return change(expr) if type(expr) is Load and expr.buffer.name in buffers else expr


def walk_expr(expr: Expr) -> Iterator[Expr]:
    """Every sub-expression, the whole first."""
    stack = [expr]
    while stack:
        part = stack.pop()
        yield part
        parts = children(part)
        if parts:
            stack.extend(reversed(parts))


def sub_statements(stmt: Stmt) -> tuple[Stmt, ...]:
    """The direct sub-statements."""
    if type(stmt) is For or type(stmt) is Alloc:
        return (stmt.body,)
    if type(stmt) is Seq:
        return stmt.body
    if type(stmt) is If:
        return (stmt.then,) if stmt.otherwise is None else (stmt.then, stmt.otherwise)
    return ()


def statement_exprs(stmt: Stmt) -> tuple[Expr, ...]:
    """The expressions that stand directly in a statement."""
    if type(stmt) is Store:
        return (*stmt.index, stmt.value)
    if type(stmt) is For:
        return (stmt.extent,)
    if type(stmt) is If:
        return (stmt.condition,)
    return stmt.index if type(stmt) is Prefetch else ()


@remembered("_inside")
def _inside(stmt: Stmt) -> tuple[Stmt, ...]:
    """Every sub-statement in program order, without the whole."""
    parts = sub_statements(stmt)
    return tuple([inner for part in parts for inner in (part, *_inside(part))])


def walk(stmt: Stmt) -> Iterator[Stmt]:
    """Every sub-statement in program order, the whole first."""
    return chain((stmt,), _inside(stmt))


def walk_exprs(stmt: Stmt) -> Iterator[Expr]:
    """Every sub-expression of every statement."""
    for part in walk(stmt):
        for expr in statement_exprs(part):
            yield from walk_expr(expr)


def rebuild_stmt(
    stmt: Stmt,
    on_stmt: Callable[[Stmt], Stmt],
    on_expr: ExprMap,
    on_buffer: Callable[[Buffer], Buffer],
) -> Stmt:
    """The same statement with each direct part changed; the same object where nothing changed."""
    match stmt:
        case Store(buffer, index, value):
            new_index = tuple([on_expr(part) for part in index])
            new_value, new_buffer = on_expr(value), on_buffer(buffer)
            if new_value is value and new_buffer is buffer and _same(index, new_index):
                return stmt
            return Store(new_buffer, new_index, new_value)
        case Prefetch(buffer, index):
            new_index, new_buffer = tuple([on_expr(part) for part in index]), on_buffer(buffer)
            if new_buffer is buffer and _same(index, new_index):
                return stmt
            return Prefetch(new_buffer, new_index)
        case For(var, extent, kind, body):
            new_extent, new_body = on_expr(extent), on_stmt(body)
            if new_extent is extent and new_body is body:
                return stmt
            return For(var, new_extent, kind, new_body)
        case Seq(body=parts):
            new_parts = [on_stmt(part) for part in parts]
            if _same(parts, new_parts):
                return stmt
            return seq(new_parts)
        case Alloc(buffer, body):
            new_buffer, new_body = on_buffer(buffer), on_stmt(body)
            same = new_buffer is buffer and new_body is body
            return stmt if same else Alloc(new_buffer, new_body)
        case If(condition, then, otherwise):
            new_condition, new_then = on_expr(condition), on_stmt(then)
            new_otherwise = None if otherwise is None else on_stmt(otherwise)
            same = new_condition is condition and new_then is then and new_otherwise is otherwise
            return stmt if same else If(new_condition, new_then, new_otherwise)
    raise TypeError(f"not a statement: {stmt!r}")


def map_exprs(stmt: Stmt, change: ExprMap, mentioning: Collection[str] | None = None) -> Stmt:
    """Apply `change` to the whole of each expression that stands directly in a statement.

    With names, only in statements in which one of these variables or buffers occurs.
    """
    if mentioning is not None and mentions(stmt).isdisjoint(mentioning):
        return stmt
    return rebuild_stmt(stmt, lambda part: map_exprs(part, change, mentioning), change, _unchanged)


def _unchanged(buffer: Buffer) -> Buffer:
    return buffer


def map_stmt(stmt: Stmt, change: Callable[[Stmt], Stmt]) -> Stmt:
    """Rebuild bottom-up: `change` sees every statement after its sub-statements were changed."""
    new = rebuild_stmt(stmt, lambda part: map_stmt(part, change), lambda e: e, lambda b: b)
    return change(new)


def substitute_expr(expr: Expr, replacement: Mapping[str, Expr]) -> Expr:
    """Replace variables by expressions."""
    if type(expr) is Var:
        return replacement.get(expr.name, expr)
    if free_variables(expr).isdisjoint(replacement):
        return expr
    return rebuild(expr, tuple([substitute_expr(part, replacement) for part in children(expr)]))


def substitute(stmt: Stmt, replacement: Mapping[str, Expr]) -> Stmt:
    """Replace free variables by expressions throughout a statement."""
    return map_exprs(stmt, lambda expr: substitute_expr(expr, replacement), replacement)


def replace_buffers(stmt: Stmt, replacement: Mapping[str, Buffer]) -> Stmt:
    """Replace buffers, found by name, in accesses and allocations; indices stay."""
    if mentions(stmt).isdisjoint(replacement):
        return stmt

    def on_expr(expr: Expr) -> Expr:
        return map_loads(expr, replacement, lambda e: Load(replacement[e.buffer.name], e.index))

    return rebuild_stmt(
        stmt,
        lambda part: replace_buffers(part, replacement),
        on_expr,
        lambda buffer: replacement.get(buffer.name, buffer),
    )


@remembered("_variables")
def free_variables(expr: Expr) -> frozenset[str]:
    """Names of the variables that an expression reads."""
    if type(expr) is Var:
        return frozenset((expr.name,))
    if type(expr) is Binary:
        return free_variables(expr.left) | free_variables(expr.right)
    return frozenset().union(*map(free_variables, children(expr)))


@remembered("_loads")
def _loads_inside(expr: Expr) -> tuple[Load, ...]:
    return tuple([load for part in children(expr) for load in loads_in(part)])


def loads_in(expr: Expr) -> tuple[Load, ...]:
    """Every load in an expression, the whole first."""
    inside = _loads_inside(expr)
    return (expr, *inside) if type(expr) is Load else inside


@remembered("_mentions")
def mentions(stmt: Stmt) -> frozenset[str]:
    """Names of the loops, variables and buffers that occur in a statement."""
    inside = [mentions(part) for part in sub_statements(stmt)]
    own = _own_names(stmt)
    if len(inside) == 1 and inside[0].issuperset(own):
        return inside[0]  # nearly always so: who allocates a buffer uses it
    return frozenset(own).union(*inside)


def _own_names(stmt: Stmt) -> list[str]:
    names: list[str] = []
    for expr in statement_exprs(stmt):
        for part in walk_expr(expr):
            if type(part) is Var:
                names.append(part.name)
            elif type(part) is Load:
                names.append(part.buffer.name)
    if isinstance(stmt, For):
        names.append(stmt.var)
    elif isinstance(stmt, (Store, Prefetch, Alloc)):
        names.append(stmt.buffer.name)
    return names


def depends_on(expr: Expr, name: str) -> bool:
    """Whether an expression reads the variable `name`."""
    return name in free_variables(expr)


def loads_of(stmt: Stmt) -> Iterator[Load]:
    """Every load in a statement."""
    exprs = (expr for part in walk(stmt) for expr in statement_exprs(part))
    return (load for expr in exprs for load in loads_in(expr))


def stores_of(stmt: Stmt) -> Iterator[Store]:
    """Every store in a statement."""
    return (part for part in walk(stmt) if type(part) is Store)


def buffers_of(func: Func) -> dict[str, Buffer]:
    """Every buffer of a function by name: parameters and allocations."""
    table = {buffer.name: buffer for buffer in func.params}
    table.update({part.buffer.name: part.buffer for part in walk(func.body) if type(part) is Alloc})
    return table


def with_suffix(stmt: Stmt, suffix: str) -> Stmt:
    """A copy of `stmt` whose loop variables and allocations are called `name + suffix`.

    For a statement that is to stand twice in a function, where names are unique.
    """
    variables = {part.var for part in walk(stmt) if type(part) is For}
    allocated = {
        part.buffer.name: replace(part.buffer, name=part.buffer.name + suffix)
        for part in walk(stmt)
        if type(part) is Alloc
    }
    renamed = substitute(stmt, {name: Var(name + suffix) for name in variables})
    renamed = replace_buffers(renamed, allocated)

    def rename_loop(part: Stmt) -> Stmt:
        if type(part) is For:
            return For(part.var + suffix, part.extent, part.kind, part.body)
        return part

    return map_stmt(renamed, rename_loop)
