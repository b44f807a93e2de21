"""Generic traversal and rebuilding of loop-IR trees.

`children` and `rebuild` know the shape of every node; everything else is written on top of them.
Rebuilding returns the same object when nothing below it changed, so untouched parts stay shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

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
    Binary: lambda e: (e.left, e.right),
    Unary: lambda e: (e.operand,),
    Cast: lambda e: (e.operand,),
    Call: lambda e: e.args,
    Select: lambda e: (e.condition, e.on_true, e.on_false),
    Load: lambda e: e.index,
    Ramp: lambda e: (e.base, e.stride),
    Broadcast: lambda e: (e.operand,),
    Shuffle: lambda e: e.vectors,
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
    old = children(expr)
    if len(old) == len(parts) and all(a is b for a, b in zip(old, parts, strict=True)):
        return expr
    return _EXPR_REBUILD[type(expr)](expr, parts)


def map_expr(expr: Expr, change: ExprMap) -> Expr:
    """Rebuild bottom-up: `change` sees every node after its sub-expressions were changed."""
    parts = children(expr)
    if parts:
        expr = rebuild(expr, tuple([map_expr(part, change) for part in parts]))
    return change(expr)


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
    match stmt:
        case Store(index=index, value=value):
            return (*index, value)
        case Prefetch(index=index):
            return index
        case For(extent=extent):
            return (extent,)
        case If(condition=condition):
            return (condition,)
    return ()


def walk(stmt: Stmt) -> Iterator[Stmt]:
    """Every sub-statement in program order, the whole first."""
    stack = [stmt]
    while stack:
        part = stack.pop()
        yield part
        stack.extend(reversed(sub_statements(part)))


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
            same = new_value is value and new_buffer is buffer
            if same and all(a is b for a, b in zip(index, new_index, strict=True)):
                return stmt
            return Store(new_buffer, new_index, new_value)
        case Prefetch(buffer, index):
            new_index, new_buffer = tuple([on_expr(part) for part in index]), on_buffer(buffer)
            same = new_buffer is buffer
            if same and all(a is b for a, b in zip(index, new_index, strict=True)):
                return stmt
            return Prefetch(new_buffer, new_index)
        case For(var, extent, kind, body):
            new_extent, new_body = on_expr(extent), on_stmt(body)
            if new_extent is extent and new_body is body:
                return stmt
            return For(var, new_extent, kind, new_body)
        case Seq(body=parts):
            new_parts = [on_stmt(part) for part in parts]
            if all(a is b for a, b in zip(parts, new_parts, strict=True)):
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


def map_exprs(stmt: Stmt, change: ExprMap) -> Stmt:
    """Apply `change` to the whole of each expression that stands directly in a statement."""
    return rebuild_stmt(stmt, lambda part: map_exprs(part, change), change, lambda buffer: buffer)


def map_stmt(stmt: Stmt, change: Callable[[Stmt], Stmt]) -> Stmt:
    """Rebuild bottom-up: `change` sees every statement after its sub-statements were changed."""
    new = rebuild_stmt(stmt, lambda part: map_stmt(part, change), lambda e: e, lambda b: b)
    return change(new)


def substitute_expr(expr: Expr, replacement: Mapping[str, Expr]) -> Expr:
    """Replace variables by expressions."""

    def change(part: Expr) -> Expr:
        return replacement.get(part.name, part) if type(part) is Var else part

    return map_expr(expr, change)


def substitute(stmt: Stmt, replacement: Mapping[str, Expr]) -> Stmt:
    """Replace free variables by expressions throughout a statement."""
    return map_exprs(stmt, lambda expr: substitute_expr(expr, replacement))


def replace_buffers(stmt: Stmt, replacement: Mapping[str, Buffer]) -> Stmt:
    """Replace buffers, found by name, in accesses and allocations; indices stay."""

    def on_buffer(buffer: Buffer) -> Buffer:
        return replacement.get(buffer.name, buffer)

    def on_expr(expr: Expr) -> Expr:
        return map_expr(expr, _change_load)

    def _change_load(part: Expr) -> Expr:
        if type(part) is Load and part.buffer.name in replacement:
            return Load(replacement[part.buffer.name], part.index)
        return part

    def on_stmt(part: Stmt) -> Stmt:
        return rebuild_stmt(part, on_stmt, on_expr, on_buffer)

    return on_stmt(stmt)


def free_variables(expr: Expr) -> set[str]:
    """Names of the variables that an expression reads."""
    return {part.name for part in walk_expr(expr) if type(part) is Var}


def depends_on(expr: Expr, name: str) -> bool:
    """Whether an expression reads the variable `name`."""
    if type(expr) is Var:
        return expr.name == name
    return any(depends_on(part, name) for part in children(expr))


def loads_of(stmt: Stmt) -> Iterator[Load]:
    """Every load in a statement."""
    return (expr for expr in walk_exprs(stmt) if type(expr) is Load)


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
