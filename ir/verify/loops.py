"""Checks that a `Func` follows the rules of the loop IR."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from mlc.errors import VerifyError
from mlc.ir.dtype import BOOL, INDEX
from mlc.ir.expr import Const, Expr
from mlc.ir.rewrite import walk
from mlc.ir.stmt import (
    LOOP_KINDS,
    SCOPES,
    Alloc,
    Buffer,
    For,
    Func,
    If,
    Prefetch,
    Seq,
    Stmt,
    Store,
)
from mlc.ir.text.lines import excerpt
from mlc.ir.text.print_loops import func_lines, print_expr
from mlc.ir.text.syntax import name
from mlc.ir.verify.expressions import ExpressionRules

_PARAM_SCOPES = ("param", "constant")
_ALLOC_SCOPES = tuple(scope for scope in SCOPES if scope not in _PARAM_SCOPES)


def verify_func(func: Func) -> None:
    """Raise `VerifyError`, pointing at the place, where `func` breaks a rule.

    The rules: names of loop variables and buffers are unique and used only inside what binds them,
    and every use of a buffer agrees with its declaration; types and vector lengths agree
    throughout; indices fit the rank of their buffer and, where that can be decided, stay inside it
    (but for prefetches, which are scalar and not of registers);
    parallel loops stand at the top: around them are sequences and arena allocations, serial loops,
    and inside these other parallel loops;
    vector loops hold no loops; a `Seq` holds several statements and no `Seq`; constants are written
    by prepare functions only.
    """
    _FuncRules(func, written=None).check()
    for prepare in func.prepare:
        _check_prepare(func, prepare)


def _check_prepare(func: Func, prepare: Func) -> None:
    where = ", ".join(func.loc) or None
    result = prepare.params[-1] if prepare.params else None
    if result is None or result not in func.params or result.scope != "constant":
        raise VerifyError(
            f"{func.name}: the last parameter of '{prepare.name}' is no constant of it", node=where
        )
    for buffer in prepare.params:
        if buffer.scope != "constant":
            raise VerifyError(
                f"{func.name}: '{prepare.name}' reads '{buffer.name}', which is no constant",
                node=where,
            )
    _FuncRules(prepare, written=result.name).check()
    for inner in prepare.prepare:
        _check_prepare(prepare, inner)


class _FuncRules:
    """One pass over one function; `written` is the constant that it may write, if any."""

    def __init__(self, func: Func, written: str | None) -> None:
        self.func = func
        self.written = written
        self.rules = ExpressionRules(self._fail_at_expr)
        self.at_top = True
        self.in_parallel = False
        self._names: set[str] = set()
        self._current: Stmt | Func = func

    def check(self) -> None:
        for buffer in self.func.params:
            self.declare(buffer, _PARAM_SCOPES)
            self.rules.buffers[buffer.name] = buffer
        self.visit(self.func.body)

    def fail(self, message: str, focus: str = "") -> NoReturn:
        raise VerifyError(
            f"{self.func.name}: {message}",
            node=", ".join(self.func.loc) or None,
            excerpt=excerpt(func_lines(self.func), self._current, focus),
        )

    def _fail_at_expr(self, message: str, expr: Expr | None) -> NoReturn:
        try:
            focus = print_expr(expr) if expr is not None else ""
        except (KeyError, AttributeError, TypeError):
            focus = ""
        self.fail(message, focus)

    def visit(self, stmt: Stmt) -> None:
        rule = _RULES.get(type(stmt))
        if rule is None:
            self.fail(f"{type(stmt).__name__} is not a statement")
        outer, self._current = self._current, stmt
        rule(self, stmt)
        self._current = outer

    def claim(self, text: str) -> None:
        """Take a name that nothing else in the function may have."""
        if text in self._names:
            self.fail(f"the name '{text}' is used twice", name(text))
        self._names.add(text)

    def declare(self, buffer: Buffer, scopes: tuple[str, ...]) -> None:
        """Check the declaration of a buffer."""
        self.claim(buffer.name)
        if buffer.scope not in scopes:
            self.fail(f"'{buffer.name}' has scope {buffer.scope}, not {' or '.join(scopes)}")
        if len(buffer.shape) != len(buffer.strides):
            self.fail(
                f"'{buffer.name}' has {len(buffer.shape)} axes and {len(buffer.strides)} strides"
            )
        if min(buffer.shape, default=0) < 0:
            self.fail(f"'{buffer.name}' has a negative dimension")
        if buffer.align < 1 or buffer.align & (buffer.align - 1):
            self.fail(f"'{buffer.name}' is aligned to {buffer.align}, not a power of two")

    def inside(self, body: Stmt, certain: bool, at_top: bool) -> None:
        """Visit a body; `certain`: it runs whenever the statement around it does."""
        outer = self.rules.certain, self.at_top
        self.rules.certain, self.at_top = outer[0] and certain, outer[1] and at_top
        self.visit(body)
        self.rules.certain, self.at_top = outer


def _for(check: _FuncRules, stmt: For) -> None:
    check.claim(stmt.var)
    if stmt.kind not in LOOP_KINDS:
        check.fail(f"loop '{stmt.var}' has kind '{stmt.kind}'")
    check.rules.check_scalar(stmt.extent, INDEX, f"the extent of loop '{stmt.var}'")
    extent = int(stmt.extent.value) if isinstance(stmt.extent, Const) else None
    if extent is not None and extent < 0:
        check.fail(f"loop '{stmt.var}' has extent {extent}", print_expr(stmt.extent))
    if stmt.kind == "parallel" and not check.at_top:
        check.fail(f"parallel loop '{stmt.var}' does not stand at the top", name(stmt.var))
    if stmt.kind == "vector":
        inner = next((part for part in walk(stmt.body) if isinstance(part, For)), None)
        if inner is not None:
            check.fail(f"vector loop '{stmt.var}' holds the loop '{inner.var}'", name(stmt.var))
    check.rules.ranges[stmt.var] = extent - 1 if extent else None
    outer = check.in_parallel
    check.in_parallel = outer or stmt.kind == "parallel"
    at_top = stmt.kind == "parallel" or (stmt.kind == "serial" and not outer)
    check.inside(stmt.body, certain=bool(extent), at_top=at_top)
    check.in_parallel = outer
    del check.rules.ranges[stmt.var]


def _store(check: _FuncRules, stmt: Store) -> None:
    check.rules.check_access(stmt.buffer, stmt.index, None)
    check.rules.check(stmt.value)
    buffer, value = stmt.buffer, stmt.value
    if buffer.scope == "constant" and buffer.name != check.written:
        check.fail(f"'{buffer.name}' is constant and cannot be stored to")
    lanes = max((part.lanes for part in stmt.index), default=1)
    if value.dtype != buffer.dtype:
        check.fail(
            f"a value of {value.dtype} is stored to '{buffer.name}' of {buffer.dtype}",
            print_expr(value),
        )
    if value.lanes != lanes:
        check.fail(f"{value.lanes} lanes are stored to {lanes} places", print_expr(value))


def _prefetch(check: _FuncRules, stmt: Prefetch) -> None:
    check.rules.check_access(stmt.buffer, stmt.index, None, may_leave=True)
    if stmt.buffer.scope == "register":
        check.fail(f"'{stmt.buffer.name}' has scope register and cannot be prefetched")
    lanes = max((part.lanes for part in stmt.index), default=1)
    if lanes != 1:
        check.fail(f"{lanes} places of '{stmt.buffer.name}' are prefetched at once")


def _if(check: _FuncRules, stmt: If) -> None:
    check.rules.check_scalar(stmt.condition, BOOL, "a condition")
    check.inside(stmt.then, certain=False, at_top=False)
    if stmt.otherwise is not None:
        check.inside(stmt.otherwise, certain=False, at_top=False)


def _seq(check: _FuncRules, stmt: Seq) -> None:
    if len(stmt.body) == 1:
        check.fail("a sequence holds one statement")
    for part in stmt.body:
        if isinstance(part, Seq):
            check.fail("a sequence holds a sequence")
        check.visit(part)


def _alloc(check: _FuncRules, stmt: Alloc) -> None:
    check.declare(stmt.buffer, _ALLOC_SCOPES)
    check.rules.buffers[stmt.buffer.name] = stmt.buffer
    check.inside(stmt.body, certain=True, at_top=stmt.buffer.scope == "arena")
    del check.rules.buffers[stmt.buffer.name]


_RULES: dict[type, Callable[[_FuncRules, Any], None]] = {
    For: _for,
    Store: _store,
    Prefetch: _prefetch,
    If: _if,
    Seq: _seq,
    Alloc: _alloc,
}
