"""Prints the loop IR.

Each line remembers the statement that it shows, so that errors can point at it. The names printed
can be replaced (`Names`), which is how the structural hash makes them canonical.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mlc.ir.dtype import BOOL, INDEX, DType
from mlc.ir.expr import (
    COMPARISONS,
    Binary,
    Broadcast,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Ramp,
    Select,
    Shuffle,
    Unary,
    Var,
)
from mlc.ir.functions import FUNCTIONS
from mlc.ir.remembered import remembered
from mlc.ir.stmt import Alloc, Buffer, For, Func, If, Prefetch, Seq, Stmt, Store
from mlc.ir.text.lines import WIDTH, Line
from mlc.ir.text.syntax import INFIX, PREFIX, PREFIX_BINDS, location, name, number


class Names:
    """What variables and buffers are called in the text: here, what they are called in the IR."""

    def variable(self, text: str) -> str:
        """The name of a loop variable or dimension symbol."""
        return name(text)

    def buffer(self, text: str) -> str:
        """The name of a buffer."""
        return name(text)

    def function(self, text: str) -> str:
        """The name of a function."""
        return name(text)

    def location(self, loc: tuple[str, ...]) -> str:
        """What follows the parameters of a function, or nothing."""
        return f" {location(loc)}" if loc else ""

    def inner(self) -> Names:
        """The names inside a prepare function."""
        return self


_NAMES = Names()
_ATOM = 100


def print_func(func: Func) -> str:
    """The text of a function; `parse_func` reads it back.

    >>> from mlc.ir.dtype import F32
    >>> x, i = Buffer.dense("x", (8,), F32), Var("i")
    >>> double = Store(x, (i,), Binary("mul", Load(x, (i,)), Const(2.0, F32)))
    >>> print(print_func(Func("double", (x,), For("i", Const(8), "vector", double))))
    func double(x: f32[8]) {
      for vector i in 8 {
        x[i] = x[i] * 2.0:f32
      }
    }
    """
    return "\n".join(map(str, func_lines(func)))


def print_stmt(stmt: Stmt) -> str:
    """The text of a statement."""
    return "\n".join(map(str, stmt_lines(stmt)))


def print_expr(expr: Expr) -> str:
    """The text of an expression.

    >>> i = Var("i")
    >>> print(print_expr((i + 1) * 4 % 3))
    (i + 1) * 4 % 3
    """
    return _print(expr, _NAMES)


def print_buffer(buffer: Buffer, names: Names = _NAMES) -> str:
    """The declaration of a buffer; strides and alignment only where they are not the usual ones."""
    dense = Buffer.dense("", buffer.shape, buffer.dtype)
    text = f"{names.buffer(buffer.name)}: {buffer.dtype}[{_numbers(buffer.shape)}]"
    if buffer.strides != dense.strides:
        text += f" strides[{_numbers(buffer.strides)}]"
    if buffer.scope != "param":
        text += f" {buffer.scope}"
    if buffer.align != dense.align:
        text += f" align {buffer.align}"
    return text


def _numbers(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))


def func_lines(func: Func, names: Names = _NAMES, depth: int = 0, head: str = "func") -> list[Line]:
    """The lines of a function."""
    start = f"{head} {names.function(func.name)}("
    params = [print_buffer(buffer, names) for buffer in func.params]
    end = f"){names.location(func.loc)} {{"
    if len(start) + sum(map(len, params)) + 2 * len(params) + len(end) <= WIDTH:
        lines = [Line(depth, start + ", ".join(params) + end, func)]
    else:
        lines = [Line(depth, start, func)]
        lines += [
            Line(depth + 1, f"{text},", buffer)
            for text, buffer in zip(params, func.params, strict=True)
        ]
        lines.append(Line(depth, end))
    for prepare in func.prepare:
        lines += func_lines(prepare, names.inner(), depth + 1, "prepare")
    lines += stmt_lines(func.body, names, depth + 1)
    lines.append(Line(depth, "}"))
    return lines


def stmt_lines(stmt: Stmt, names: Names = _NAMES, depth: int = 0) -> Iterator[Line]:
    """The lines of a statement."""
    return _STATEMENTS[type(stmt)](stmt, names, depth)


def _store_lines(stmt: Store, names: Names, depth: int) -> Iterator[Line]:
    yield Line(depth, _plain_store(stmt) if names is _NAMES else _store(stmt, names), stmt)


def _store(stmt: Store, names: Names) -> str:
    place = f"{names.buffer(stmt.buffer.name)}[{_list(stmt.index, names)}]"
    return f"{place} = {_print(stmt.value, names)}"


@remembered("_text")
def _plain_store(stmt: Store) -> str:
    """Schedules that are printed one after the other share most of their statements."""
    return _store(stmt, _NAMES)


def _prefetch_lines(stmt: Prefetch, names: Names, depth: int) -> Iterator[Line]:
    place = f"{names.buffer(stmt.buffer.name)}[{_list(stmt.index, names)}]"
    yield Line(depth, f"prefetch {place}", stmt)


def _for_lines(stmt: For, names: Names, depth: int) -> Iterator[Line]:
    kind = "" if stmt.kind == "serial" else f"{stmt.kind} "
    extent = _print(stmt.extent, names)
    yield Line(depth, f"for {kind}{names.variable(stmt.var)} in {extent} {{", stmt)
    yield from stmt_lines(stmt.body, names, depth + 1)
    yield Line(depth, "}")


def _if_lines(stmt: If, names: Names, depth: int) -> Iterator[Line]:
    yield Line(depth, f"if {_print(stmt.condition, names)} {{", stmt)
    yield from stmt_lines(stmt.then, names, depth + 1)
    if stmt.otherwise is not None:
        yield Line(depth, "} else {")
        yield from stmt_lines(stmt.otherwise, names, depth + 1)
    yield Line(depth, "}")


def _seq_lines(stmt: Seq, names: Names, depth: int) -> Iterator[Line]:
    for part in stmt.body:
        yield from stmt_lines(part, names, depth)


def _alloc_lines(stmt: Alloc, names: Names, depth: int) -> Iterator[Line]:
    yield Line(depth, f"alloc {print_buffer(stmt.buffer, names)} {{", stmt)
    yield from stmt_lines(stmt.body, names, depth + 1)
    yield Line(depth, "}")


_STATEMENTS: dict[type, Callable[[Any, Names, int], Iterator[Line]]] = {
    Store: _store_lines,
    Prefetch: _prefetch_lines,
    For: _for_lines,
    If: _if_lines,
    Seq: _seq_lines,
    Alloc: _alloc_lines,
}


def _print(expr: Expr, names: Names, binds: int = 0) -> str:
    """The text of `expr`, in parentheses where what is around it binds tighter than `binds`."""
    text, own = _EXPRESSIONS[type(expr)](expr, names)
    return text if own >= binds else f"({text})"


def _list(exprs: tuple[Expr, ...], names: Names) -> str:
    return ", ".join([_print(expr, names) for expr in exprs])


def _const(expr: Const, names: Names) -> tuple[str, int]:
    return number(expr.value, expr.type), _ATOM


def _var(expr: Var, names: Names) -> tuple[str, int]:
    return names.variable(expr.name) + _type_suffix(expr.type), _ATOM


def _type_suffix(dtype: DType) -> str:
    return "" if dtype == INDEX else f":{dtype}"


def _binary(expr: Binary, names: Names) -> tuple[str, int]:
    if expr.op not in INFIX:
        return f"{expr.op}({_list((expr.left, expr.right), names)})", _ATOM
    symbol, binds = INFIX[expr.op]
    left_binds = binds + 1 if expr.op in COMPARISONS else binds
    left, right = _print(expr.left, names, left_binds), _print(expr.right, names, binds + 1)
    return f"{left} {symbol} {right}", binds


def _unary(expr: Unary, names: Names) -> tuple[str, int]:
    if expr.op not in PREFIX:
        return f"{expr.op}({_print(expr.operand, names)})", _ATOM
    operand = _print(expr.operand, names, PREFIX_BINDS)
    if isinstance(expr.operand, Const):
        operand = f"({operand})"
    return PREFIX[expr.op] + operand, PREFIX_BINDS


def default_call_type(function: str, args: tuple[Expr, ...]) -> DType:
    """The type of a call that does not state one."""
    return BOOL if FUNCTIONS[function].gives_bool else args[0].dtype


def _call(expr: Call, names: Names) -> tuple[str, int]:
    known = expr.function in FUNCTIONS and expr.args
    usual = known and expr.type == default_call_type(expr.function, expr.args)
    stated = "" if usual else f"<{expr.type}>"
    return f"{expr.function}{stated}({_list(expr.args, names)})", _ATOM


def _cast(expr: Cast, names: Names) -> tuple[str, int]:
    return f"cast<{expr.type}>({_print(expr.operand, names)})", _ATOM


def _select(expr: Select, names: Names) -> tuple[str, int]:
    return f"select({_list((expr.condition, expr.on_true, expr.on_false), names)})", _ATOM


def _load(expr: Load, names: Names) -> tuple[str, int]:
    return f"{names.buffer(expr.buffer.name)}[{_list(expr.index, names)}]", _ATOM


def _ramp(expr: Ramp, names: Names) -> tuple[str, int]:
    return f"ramp({_list((expr.base, expr.stride), names)}, {expr.length})", _ATOM


def _broadcast(expr: Broadcast, names: Names) -> tuple[str, int]:
    return f"broadcast({_print(expr.operand, names)}, {expr.length})", _ATOM


def _shuffle(expr: Shuffle, names: Names) -> tuple[str, int]:
    return f"shuffle<{_numbers(expr.picks)}>({_list(expr.vectors, names)})", _ATOM


_EXPRESSIONS: dict[type, Callable[[Any, Names], tuple[str, int]]] = {
    Const: _const,
    Var: _var,
    Binary: _binary,
    Unary: _unary,
    Call: _call,
    Cast: _cast,
    Select: _select,
    Load: _load,
    Ramp: _ramp,
    Broadcast: _broadcast,
    Shuffle: _shuffle,
}
