"""Integer operations that LLVM leaves undefined for some operands, given the values of NumPy.

A division by zero gives 0, and so does its remainder; the quotient of the least number and −1 wraps
around; shifting by as many bits as there are, or more, shifts everything out. No operand ends the
process.
"""

from __future__ import annotations

from mlc.backends.llvm.emit.state import State
from mlc.backends.llvm.text_builder import constant, type_name
from mlc.ir.dtype import BOOL
from mlc.ir.expr import Binary, Broadcast, Const, Expr


def choose(state: State, condition: str, lanes: int, text: str, left: str, right: str) -> str:
    """`left` in the lanes where `condition` holds, else `right`."""
    mask = type_name(BOOL, lanes)
    return state.op(f"select {mask} {condition}, {text} {left}, {text} {right}")


def _known(expr: Expr) -> int | None:
    """The value of an integer constant, repeated in all lanes or not."""
    plain = expr.operand if isinstance(expr, Broadcast) else expr
    return int(plain.value) if isinstance(plain, Const) else None


def emit_shift(state: State, expr: Binary, left: str, right: str) -> str:
    """`shl` and `shr`; a count out of range, negative ones included, shifts everything out."""
    dtype, lanes = expr.dtype, expr.lanes
    text, known = type_name(dtype, lanes), _known(expr.right)
    arithmetic = expr.op == "shr" and dtype.kind == "int"
    op = "shl" if expr.op == "shl" else "ashr" if arithmetic else "lshr"
    if known is not None and 0 <= known < dtype.bits:
        return state.op(f"{op} {text} {left}, {right}")
    inside = state.op(f"icmp ult {text} {right}, {constant(dtype.bits, dtype, lanes)}")
    if arithmetic:
        most = constant(dtype.bits - 1, dtype, lanes)
        count = choose(state, inside, lanes, text, right, most)
        return state.op(f"ashr {text} {left}, {count}")
    shifted = state.op(f"{op} {text} {left}, {right}")
    return choose(state, inside, lanes, text, shifted, constant(0, dtype, lanes))


def emit_division(state: State, expr: Binary, left: str, right: str) -> str:
    """`div`, `rem` (truncating), `floordiv` and `mod` (rounding down)."""
    dtype, lanes = expr.dtype, expr.lanes
    text, signed = type_name(dtype, lanes), dtype.kind == "int"
    zero, one = constant(0, dtype, lanes), constant(1, dtype, lanes)
    known = _known(expr.right)
    divisor, is_zero, is_minus_one = right, "", ""
    if known is None or known in (0, -1):
        is_zero = state.op(f"icmp eq {text} {right}, {zero}")
        divisor = choose(state, is_zero, lanes, text, one, right)
        if signed:
            minus_one = constant(-1, dtype, lanes)
            is_minus_one = state.op(f"icmp eq {text} {right}, {minus_one}")
            divisor = choose(state, is_minus_one, lanes, text, one, divisor)
    letter = "s" if signed else "u"
    rest = state.op(f"{letter}rem {text} {left}, {divisor}")
    if expr.op in ("rem", "mod"):
        return _floored(state, expr, rest, divisor, rest, divisor)
    quotient = state.op(f"{letter}div {text} {left}, {divisor}")
    if is_minus_one:
        negative = state.op(f"sub {text} {zero}, {left}")
        quotient = choose(state, is_minus_one, lanes, text, negative, quotient)
    if is_zero:
        quotient = choose(state, is_zero, lanes, text, zero, quotient)
    return _floored(state, expr, rest, divisor, quotient, constant(-1, dtype, lanes))


def _floored(
    state: State, expr: Binary, rest: str, divisor: str, truncated: str, correction: str
) -> str:
    """`truncated`, with `correction` added where rounding down differs from truncation."""
    dtype, lanes = expr.dtype, expr.lanes
    if expr.op in ("div", "rem") or dtype.kind != "int":
        return truncated
    text, zero, mask = type_name(dtype, lanes), constant(0, dtype, lanes), type_name(BOOL, lanes)
    inexact = state.op(f"icmp ne {text} {rest}, {zero}")
    crossed = state.op(f"xor {text} {rest}, {divisor}")
    differ = state.op(f"icmp slt {text} {crossed}, {zero}")
    fix = state.op(f"and {mask} {inexact}, {differ}")
    moved = state.op(f"add {text} {truncated}, {correction}")
    return choose(state, fix, lanes, text, moved, truncated)
