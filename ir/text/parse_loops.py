"""Reads the text of the loop IR that `print_func` writes, or that somebody edited.

The grammar, with `#` comments and free use of white space:

    func      = "func" name "(" buffer, … ")" [loc] "{" {prepare} {statement} "}"
    prepare   = "prepare" the rest of a func
    buffer    = name ":" dtype "[" int, … "]" ["strides" "[" int, … "]"] [scope] ["align" int]
    statement = name "[" expr, … "]" "=" expr
              | "prefetch" name "[" expr, … "]"
              | "for" [kind] name "in" expr block
              | "if" expr block ["else" block]
              | "alloc" buffer block
    block     = "{" {statement} "}"
    expr      = infix and prefix operators as in `mlc.ir.text.syntax`, over
                number [":" dtype] | "true" | "false" | name [":" dtype] | name "[" expr, … "]"
              | function ["<" dtype or ints ">"] "(" expr, … ")" | "(" expr ")"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from mlc.errors import ParseError
from mlc.ir.dtype import BOOL, INDEX, DType
from mlc.ir.expr import (
    BINARY_OPERATORS,
    UNARY_OPERATORS,
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
from mlc.ir.stmt import (
    LOOP_KINDS,
    SCOPES,
    Alloc,
    Buffer,
    For,
    Func,
    If,
    Prefetch,
    Stmt,
    Store,
    seq,
)
from mlc.ir.text.print_loops import default_call_type
from mlc.ir.text.syntax import BRACKETED, INFIX, PREFIX
from mlc.ir.text.tokens import Token, Tokens

_INFIX_OF = {symbol: (op, binds) for op, (symbol, binds) in INFIX.items()}
_PREFIX_OF = {symbol: op for op, symbol in PREFIX.items()}
_Parsed = TypeVar("_Parsed")


def parse_func(text: str) -> Func:
    """The function that `text` shows; raises `ParseError`."""
    return _whole(text, (), lambda parser: parser.func("func"))


def parse_stmt(text: str, buffers: Iterable[Buffer] = ()) -> Stmt:
    """The statements that `text` shows, over `buffers`; raises `ParseError`."""
    return _whole(text, buffers, lambda parser: parser.statements("end"))


def parse_expr(text: str, buffers: Iterable[Buffer] = ()) -> Expr:
    """The expression that `text` shows, over `buffers`; raises `ParseError`.

    >>> parse_expr("2 * i")
    Binary(op='mul', left=Const(value=2, type=I64), right=Var(name='i', type=I64))
    """
    return _whole(text, buffers, lambda parser: parser.expr())


def _whole(text: str, buffers: Iterable[Buffer], parse: Callable[[LoopParser], _Parsed]) -> _Parsed:
    parser = LoopParser(Tokens(text), {buffer.name: buffer for buffer in buffers})
    try:
        result = parse(parser)
    except RecursionError:
        raise ParseError("the text is nested too deeply") from None
    parser.tokens.expect_end()
    return result


class LoopParser:
    """Recursive descent; `buffers` are those in scope, by name."""

    def __init__(self, tokens: Tokens, buffers: dict[str, Buffer] | None = None) -> None:
        self.tokens = tokens
        self.buffers = buffers or {}

    def func(self, head: str) -> Func:
        """A function, or with the head "prepare" one that prepares constants of another."""
        tokens = self.tokens
        tokens.expect(head)
        name = tokens.name("a function")
        outer, self.buffers = self.buffers, {}
        params = tokens.listed(self.buffer, "(", ")")
        loc = tokens.location() or ()
        tokens.expect("{")
        prepare: list[Func] = []
        while tokens.at("prepare"):
            prepare.append(self.func("prepare"))
        self.buffers = {buffer.name: buffer for buffer in params}
        body = self.statements("}")
        tokens.expect("}")
        self.buffers = outer
        return Func(name, params, body, loc, tuple(prepare))

    def buffer(self) -> Buffer:
        """The declaration of a buffer."""
        tokens = self.tokens
        name = tokens.name("a buffer")
        tokens.expect(":")
        dtype = tokens.dtype()
        shape = tokens.listed(lambda: tokens.integer("a dimension"), "[", "]")
        buffer = Buffer.dense(name, shape, dtype)
        if tokens.accept("strides"):
            at = tokens.peek()
            strides = tokens.listed(lambda: tokens.integer("a stride"), "[", "]")
            if len(strides) != len(shape):
                tokens.fail(f"{len(shape)} dimensions have {len(strides)} strides", at)
            buffer = replace(buffer, strides=strides)
        if tokens.peek().text in SCOPES:
            buffer = replace(buffer, scope=tokens.next().text)
        if tokens.accept("align"):
            buffer = replace(buffer, align=tokens.integer("an alignment"))
        return buffer

    def statements(self, closing: str) -> Stmt:
        """Statements up to a closing brace, or to the end of the text."""
        parts: list[Stmt] = []
        while not self.tokens.at(closing) and self.tokens.peek().kind != "end":
            parts.append(self.statement())
        return seq(parts)

    def block(self) -> Stmt:
        """Statements in braces."""
        self.tokens.expect("{")
        body = self.statements("}")
        self.tokens.expect("}")
        return body

    def statement(self) -> Stmt:
        """One statement."""
        if self.tokens.accept("for"):
            return self._for()
        if self.tokens.accept("if"):
            condition, then = self.expr(), self.block()
            return If(condition, then, self.block() if self.tokens.accept("else") else None)
        if self.tokens.accept("alloc"):
            return self._alloc()
        if self.tokens.accept("prefetch"):
            return Prefetch(*self._place("a buffer"))
        buffer, index = self._place("a buffer or a statement")
        self.tokens.expect("=")
        return Store(buffer, index, self.expr())

    def _place(self, expected: str) -> tuple[Buffer, tuple[Expr, ...]]:
        buffer = self._known_buffer(self.tokens.peek(), self.tokens.name(expected))
        return buffer, self.expressions("[", "]")

    def _for(self) -> Stmt:
        tokens = self.tokens
        marked = tokens.peek().kind == "name" and tokens.peek().text in LOOP_KINDS
        kind = tokens.next().text if marked else "serial"
        var = tokens.name("a loop variable")
        tokens.expect("in")
        return For(var, self.expr(), kind, self.block())

    def _alloc(self) -> Stmt:
        buffer = self.buffer()
        outer = self.buffers
        self.buffers = {**outer, buffer.name: buffer}
        body = self.block()
        self.buffers = outer
        return Alloc(buffer, body)

    def _known_buffer(self, at: Token, name: str) -> Buffer:
        buffer = self.buffers.get(name)
        if buffer is None:
            self.tokens.fail(f"no buffer '{name}' is in scope here", at)
        return buffer

    def expr(self, binds: int = 0) -> Expr:
        """An expression whose infix operators bind at least as tightly as `binds`."""
        left = self._prefix()
        while True:
            token = self.tokens.peek()
            op, own = _INFIX_OF.get(token.text, ("", -1)) if token.kind == "symbol" else ("", -1)
            if own < binds or not op:
                return left
            self.tokens.next()
            left = Binary(op, left, self.expr(own + 1))

    def _prefix(self) -> Expr:
        tokens = self.tokens
        token = tokens.peek()
        literal = token if token.text != "-" else tokens.peek(1)
        if literal.kind == "number" or (literal.kind == "name" and literal.text in ("inf", "nan")):
            value = tokens.number()
            return Const(value, self._suffix())
        if token.kind == "symbol" and token.text in _PREFIX_OF:
            tokens.next()
            return Unary(_PREFIX_OF[token.text], self._prefix())
        if tokens.accept("("):
            inner = self.expr()
            tokens.expect(")")
            return inner
        return self._named()

    def _suffix(self) -> DType:
        return self.tokens.dtype() if self.tokens.accept(":") else INDEX

    def _named(self) -> Expr:
        """What starts with a name: a truth value, a variable, a load, or a function."""
        tokens = self.tokens
        at = tokens.peek()
        if tokens.at("true") or tokens.at("false"):
            return Const(tokens.next().text == "true", BOOL)
        name = tokens.name("a variable, buffer or function")
        if tokens.at("["):
            return Load(self._known_buffer(at, name), self.expressions("[", "]"))
        if tokens.at("(") or (at.kind == "name" and name in BRACKETED and tokens.at("<")):
            return self._function(at, name)
        return Var(name, self._suffix())

    def _function(self, at: Token, name: str) -> Expr:
        special = _SPECIAL.get(name)
        if special is not None:
            return special(self)
        if name in FUNCTIONS:
            return self._call(name)
        if name in BINARY_OPERATORS:
            return Binary(name, *self.arguments(2))
        if name not in UNARY_OPERATORS:
            self.tokens.fail(f"unknown function '{name}'", at)
        return Unary(name, *self.arguments(1))

    def _call(self, name: str) -> Expr:
        stated = self.stated_type() if self.tokens.at("<") else None
        args = self.arguments(FUNCTIONS[name].arity)
        return Call(name, args, stated or default_call_type(name, args))

    def stated_type(self) -> DType:
        """An element type in `<…>`."""
        self.tokens.expect("<")
        dtype = self.tokens.dtype()
        self.tokens.expect(">")
        return dtype

    def expressions(self, opening: str = "(", closing: str = ")") -> tuple[Expr, ...]:
        """Expressions in brackets."""
        return self.tokens.listed(self.expr, opening, closing)

    def arguments(self, count: int) -> tuple[Expr, ...]:
        """That many expressions in parentheses."""
        at, args = self.tokens.peek(), self.expressions()
        if len(args) != count:
            plural = "" if count == 1 else "s"
            self.tokens.fail(f"expected {count} argument{plural} here, not {len(args)}", at)
        return args


def _cast(parser: LoopParser) -> Expr:
    dtype = parser.stated_type()
    (operand,) = parser.arguments(1)
    return Cast(operand, dtype)


def _select(parser: LoopParser) -> Expr:
    condition, on_true, on_false = parser.arguments(3)
    return Select(condition, on_true, on_false)


def _ramp(parser: LoopParser) -> Expr:
    parser.tokens.expect("(")
    base = parser.expr()
    parser.tokens.expect(",")
    stride = parser.expr()
    return Ramp(base, stride, _length(parser.tokens))


def _broadcast(parser: LoopParser) -> Expr:
    parser.tokens.expect("(")
    return Broadcast(parser.expr(), _length(parser.tokens))


def _length(tokens: Tokens) -> int:
    tokens.expect(",")
    length = tokens.integer("a number of lanes")
    tokens.expect(")")
    return length


def _shuffle(parser: LoopParser) -> Expr:
    tokens = parser.tokens
    picks = tokens.listed(lambda: tokens.integer("a lane"), "<", ">")
    at, vectors = tokens.peek(), parser.expressions()
    if not vectors:
        tokens.fail("shuffle takes at least one vector", at)
    return Shuffle(vectors, picks)


_SPECIAL: dict[str, Callable[[LoopParser], Expr]] = {
    "cast": _cast,
    "select": _select,
    "ramp": _ramp,
    "broadcast": _broadcast,
    "shuffle": _shuffle,
}
