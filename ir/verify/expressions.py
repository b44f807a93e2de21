"""The rules of expressions in the loop IR: types and vector lengths agree, names are in scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from mlc.ir.affine import linear_form
from mlc.ir.dtype import BOOL, INDEX, DType
from mlc.ir.expr import (
    ARITHMETIC,
    BINARY_OPERATORS,
    COMPARISONS,
    LOGICAL,
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
from mlc.ir.stmt import Buffer

Fail = Callable[[str, "Expr | None"], NoReturn]

_BINARY_OF_KIND = {
    "float": frozenset(ARITHMETIC + COMPARISONS),
    "int": BINARY_OPERATORS,
    "uint": BINARY_OPERATORS,
    "bool": frozenset(COMPARISONS + LOGICAL) - {"shl", "shr"},
    "storage": frozenset(),
}
_UNARY_OF_KIND = {
    "float": UNARY_OPERATORS - {"not"},
    "int": frozenset(("neg", "abs", "not")),
    "uint": frozenset(("neg", "abs", "not")),
    "bool": frozenset(("not",)),
    "storage": frozenset(),
}


_VALUES_OF_KIND: dict[str, tuple[type, ...]] = {
    "float": (int, float),
    "int": (int,),
    "uint": (int,),
    "bool": (bool,),
    "storage": (int, float),
}


class ExpressionRules:
    """Checks expressions against what is in scope.

    `buffers` are the buffers in scope by name. `ranges` holds the loop variables in scope: the
    greatest value where every value from 0 up to it is certain to occur, else None. `fail` is
    called with what is wrong and, if there is one, the expression that it is wrong with. `certain`
    says whether what is checked runs at all, and for all values of the variables: only then an
    index that leaves its buffer for some of them is an error.
    """

    def __init__(self, fail: Fail) -> None:
        self.buffers: dict[str, Buffer] = {}
        self.ranges: dict[str, int | None] = {}
        self.certain = True
        self.fail = fail

    def check(self, expr: Expr) -> None:
        """Check an expression and all parts of it."""
        rule = _RULES.get(type(expr))
        if rule is None:
            self.fail(f"{type(expr).__name__} is not an expression", expr)
        rule(self, expr)

    def check_scalar(self, expr: Expr, dtype: DType, what: str) -> None:
        """Check an expression that has to be a scalar of type `dtype`."""
        self.check(expr)
        if expr.dtype != dtype or expr.lanes != 1:
            self.fail(f"{what} is {_described(expr)}, not {dtype}", expr)

    def check_access(
        self,
        buffer: Buffer,
        index: Sequence[Expr],
        whole: Expr | None,
        may_leave: bool = False,
    ) -> None:
        """Check the buffer and the index of a load (`whole`) or of a statement (None)."""
        known = self.buffers.get(buffer.name)
        if known is None:
            self.fail(f"buffer '{buffer.name}' is not in scope", whole)
        if known is not buffer and known != buffer:
            self.fail(f"buffer '{buffer.name}' is not the one declared with that name", whole)
        if len(index) != len(buffer.shape):
            self.fail(
                f"'{buffer.name}' has {len(buffer.shape)} axes, its index {len(index)} parts", whole
            )
        for part in index:
            self.check(part)
            if part.dtype != INDEX:
                self.fail(f"an index of '{buffer.name}' is {_described(part)}, not {INDEX}", part)
        lengths = {part.lanes for part in index} - {1}
        if len(lengths) > 1:
            self.fail(f"indices of '{buffer.name}' are vectors of different lengths", whole)
        if self.certain and not may_leave:
            for part, dim in zip(index, buffer.shape, strict=True):
                self._check_bounds(buffer, part, dim, whole)

    def _check_bounds(self, buffer: Buffer, part: Expr, dim: int, whole: Expr | None) -> None:
        reached = self._reached(part)
        if reached is not None and not 0 <= reached[0] <= reached[1] < dim:
            outside = reached[0] if reached[0] < 0 else reached[1]
            self.fail(f"an index of '{buffer.name}' reaches {outside} on an axis of {dim}", whole)

    def _reached(self, part: Expr) -> tuple[int, int] | None:
        """The least and greatest value that an index is certain to take, where that is known."""
        match part:
            case Broadcast(operand=operand):
                return self._reached(operand)
            case Ramp(base, Const(value=stride), length):
                of_base, last = self._reached(base), int(stride) * (length - 1)
                if of_base is None:
                    return None
                return of_base[0] + min(0, last), of_base[1] + max(0, last)
        if part.lanes != 1:
            return None
        linear = linear_form(part)
        low = high = linear.constant
        for atom, factor in linear.terms.items():
            most = self.ranges.get(atom.name) if isinstance(atom, Var) else None
            if most is None:
                return None
            low, high = low + min(0, factor * most), high + max(0, factor * most)
        return low, high


def _described(expr: Expr) -> str:
    return str(expr.dtype) if expr.lanes == 1 else f"{expr.lanes} x {expr.dtype}"


def _const(rules: ExpressionRules, expr: Const) -> None:
    fits = _VALUES_OF_KIND[expr.type.kind]
    if not isinstance(expr.value, fits):
        rules.fail(f"a constant of type {expr.type} has a value of another kind", expr)


def _var(rules: ExpressionRules, expr: Var) -> None:
    if expr.name not in rules.ranges:
        rules.fail(f"variable '{expr.name}' is not in scope", expr)
    if expr.type != INDEX:
        rules.fail(f"loop variable '{expr.name}' is used as {expr.type}, not {INDEX}", expr)


def _alike(rules: ExpressionRules, whole: Expr, left: Expr, right: Expr) -> None:
    if (left.dtype, left.lanes) != (right.dtype, right.lanes):
        rules.fail(f"operands differ: {_described(left)} and {_described(right)}", whole)


def _binary(rules: ExpressionRules, expr: Binary) -> None:
    rules.check(expr.left)
    rules.check(expr.right)
    if expr.op not in BINARY_OPERATORS:
        rules.fail(f"there is no binary operator '{expr.op}'", expr.left)
    _alike(rules, expr, expr.left, expr.right)
    if expr.op not in _BINARY_OF_KIND[expr.left.dtype.kind]:
        rules.fail(f"'{expr.op}' does not apply to {expr.left.dtype}", expr)


def _unary(rules: ExpressionRules, expr: Unary) -> None:
    rules.check(expr.operand)
    if expr.op not in UNARY_OPERATORS:
        rules.fail(f"there is no unary operator '{expr.op}'", expr.operand)
    if expr.op not in _UNARY_OF_KIND[expr.dtype.kind]:
        rules.fail(f"'{expr.op}' does not apply to {expr.dtype}", expr)


def _call(rules: ExpressionRules, expr: Call) -> None:
    for arg in expr.args:
        rules.check(arg)
    function = FUNCTIONS.get(expr.function)
    if function is None:
        rules.fail(f"there is no function '{expr.function}'", expr)
    if len(expr.args) != function.arity:
        rules.fail(
            f"{expr.function} takes {function.arity} arguments, {len(expr.args)} are given", expr
        )
    first = expr.args[0]
    for arg in expr.args[1:]:
        _alike(rules, expr, first, arg)
    if function.gives_stated:
        _bitcast(rules, expr, first.dtype)
        return
    if not (first.dtype.is_float or function.is_reduction):
        rules.fail(f"{expr.function} does not apply to {first.dtype}", expr)
    result = BOOL if function.gives_bool else first.dtype
    if expr.type != result:
        rules.fail(f"{expr.function} of {first.dtype} gives {result}, not {expr.type}", expr)


def _bitcast(rules: ExpressionRules, expr: Call, source: DType) -> None:
    if source.bytes != expr.type.bytes or BOOL in (source, expr.type):
        rules.fail(f"{expr.function} cannot turn {source} into {expr.type}", expr)


def _cast(rules: ExpressionRules, expr: Cast) -> None:
    rules.check(expr.operand)
    if expr.operand.dtype.is_storage or expr.type.is_storage:
        rules.fail(f"a cast cannot turn {expr.operand.dtype} into {expr.type}", expr)


def _select(rules: ExpressionRules, expr: Select) -> None:
    rules.check(expr.condition)
    outer, rules.certain = rules.certain, False
    rules.check(expr.on_true)
    rules.check(expr.on_false)
    rules.certain = outer
    if expr.condition.dtype != BOOL:
        rules.fail(f"a condition is {_described(expr.condition)}, not {BOOL}", expr.condition)
    _alike(rules, expr, expr.on_true, expr.on_false)
    if expr.condition.lanes not in (1, expr.lanes):
        rules.fail(f"{expr.condition.lanes} conditions choose among {expr.lanes} lanes", expr)


def _load(rules: ExpressionRules, expr: Load) -> None:
    rules.check_access(expr.buffer, expr.index, expr)


def _ramp(rules: ExpressionRules, expr: Ramp) -> None:
    rules.check_scalar(expr.base, INDEX, "the base of a ramp")
    rules.check_scalar(expr.stride, INDEX, "the stride of a ramp")
    _positive(rules, expr, expr.length)


def _broadcast(rules: ExpressionRules, expr: Broadcast) -> None:
    rules.check(expr.operand)
    if expr.operand.lanes != 1:
        rules.fail(f"what is broadcast is {_described(expr.operand)}, not a scalar", expr)
    _positive(rules, expr, expr.length)


def _positive(rules: ExpressionRules, expr: Expr, length: int) -> None:
    if length < 1:
        rules.fail(f"a vector has {length} lanes", expr)


def _shuffle(rules: ExpressionRules, expr: Shuffle) -> None:
    for vector in expr.vectors:
        rules.check(vector)
    if not expr.vectors or not expr.picks:
        rules.fail("a shuffle has nothing to pick from, or picks nothing", expr)
    if {vector.dtype for vector in expr.vectors} != {expr.dtype}:
        rules.fail("the vectors of a shuffle have different types", expr)
    total = sum(vector.lanes for vector in expr.vectors)
    for pick in expr.picks:
        if not 0 <= pick < total:
            rules.fail(f"a shuffle picks lane {pick} of {total}", expr)


_RULES: dict[type, Callable[[ExpressionRules, Any], None]] = {
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
