"""Expressions → SSA values, one function per kind of expression."""

from __future__ import annotations

from collections.abc import Callable

from mlc.backends.llvm.emit.addresses import (
    Offset,
    checked_address,
    index_value,
    offset_of,
    shared_stride,
)
from mlc.backends.llvm.emit.integers import choose, emit_division, emit_shift
from mlc.backends.llvm.emit.memory import load_lanes, load_vector
from mlc.backends.llvm.emit.state import State
from mlc.backends.llvm.math import (
    emit_float_cast,
    emit_maximum,
    emit_minimum,
    emit_truncation,
)
from mlc.backends.llvm.text_builder import constant, type_name
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
from mlc.ir.rewrite import walk_expr

_FLOAT_ARITHMETIC = {
    "add": "fadd contract",
    "sub": "fsub contract",
    "mul": "fmul contract",
    "div": "fdiv",
    "rem": "frem",
}
_INT_ARITHMETIC = {"add": "add", "sub": "sub", "mul": "mul"}
_INDEX_ARITHMETIC = frozenset(("add", "sub", "mul", "min", "max"))
_LOGIC = {"and": "and", "or": "or", "xor": "xor"}
_FLOAT_COMPARE = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
_SIGNED_COMPARE = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}
_ROUNDING = {"floor": "floor", "ceil": "ceil", "trunc": "trunc", "round": "roundeven"}


def emit_value(state: State, expr: Expr) -> str:
    """The SSA name (or constant text) of an expression."""
    return _EMITTERS[type(expr)](state, expr)


def _const(state: State, expr: Const) -> str:
    return constant(expr.value, expr.type)


def _index(state: State, expr: Expr) -> str:
    value = index_value(state, expr)
    return str(value) if isinstance(value, int) else value.name


def _binary(state: State, expr: Binary) -> str:
    if expr.lanes == 1 and expr.dtype is INDEX and _is_index_arithmetic(expr):
        return _index(state, expr)
    operand_type = expr.left.dtype
    left, right = emit_value(state, expr.left), emit_value(state, expr.right)
    text = type_name(operand_type, expr.lanes)
    if expr.op in COMPARISONS:
        return _compare(state, expr.op, operand_type, f"{text} {left}, {right}")
    if expr.op in ("min", "max"):
        return _extremum(state, expr, left, right)
    if expr.op in _LOGIC:
        return state.op(f"{_LOGIC[expr.op]} {text} {left}, {right}")
    if operand_type.is_float:
        if expr.op in ("floordiv", "mod"):
            return _float_floor(state, expr, left, right)
        return state.op(f"{_FLOAT_ARITHMETIC[expr.op]} {text} {left}, {right}")
    if expr.op in _INT_ARITHMETIC:
        return state.op(f"{_INT_ARITHMETIC[expr.op]} {text} {left}, {right}")
    if expr.op in ("shl", "shr"):
        return emit_shift(state, expr, left, right)
    return emit_division(state, expr, left, right)


def _is_index_arithmetic(expr: Binary) -> bool:
    if expr.op in ("floordiv", "mod"):
        return isinstance(expr.right, Const) and expr.right.value > 0
    return expr.op in _INDEX_ARITHMETIC


def _compare(state: State, op: str, dtype: DType, operands: str) -> str:
    if dtype.is_float:
        return state.op(f"fcmp {_FLOAT_COMPARE[op]} {operands}")
    order = _SIGNED_COMPARE[op]
    if dtype.kind != "int" and order[0] == "s":
        order = "u" + order[1:]
    return state.op(f"icmp {order} {operands}")


def _extremum(state: State, expr: Binary, left: str, right: str) -> str:
    dtype, lanes = expr.dtype, expr.lanes
    if dtype.is_float:
        key = f"{expr.op} {dtype} {lanes} {left} {right}"
        if key not in state.shared:
            make = emit_minimum if expr.op == "min" else emit_maximum
            plain = expr.right.operand if isinstance(expr.right, Broadcast) else expr.right
            never_nan = isinstance(plain, Const) and plain.value == plain.value
            state.shared[key] = make(
                state.builder, left, right, dtype, lanes, b_is_not_nan=never_nan
            )
        return state.shared[key]
    sign = "s" if dtype.kind == "int" else "u"
    order = "lt" if expr.op == "min" else "gt"
    text = type_name(dtype, lanes)
    chosen = state.op(f"icmp {sign}{order} {text} {left}, {right}")
    return choose(state, chosen, expr.lanes, text, left, right)


def _float_floor(state: State, expr: Binary, left: str, right: str) -> str:
    """`mod` and `floordiv` of floats, with the sign of the divisor as in Python."""
    text = type_name(expr.dtype, expr.lanes)
    rest = state.op(f"frem {text} {left}, {right}")
    zero = constant(0.0, expr.dtype, expr.lanes)
    mask = type_name(BOOL, expr.lanes)
    inexact = state.op(f"fcmp une {text} {rest}, {zero}")
    negative_rest = state.op(f"fcmp olt {text} {rest}, {zero}")
    negative_right = state.op(f"fcmp olt {text} {right}, {zero}")
    differ = state.op(f"xor {mask} {negative_rest}, {negative_right}")
    fix = state.op(f"and {mask} {inexact}, {differ}")
    moved = state.op(f"fadd {text} {rest}, {right}")
    modulo = choose(state, fix, expr.lanes, text, moved, rest)
    if expr.op == "mod":
        return modulo
    difference = state.op(f"fsub {text} {left}, {modulo}")
    quotient = state.op(f"fdiv {text} {difference}, {right}")
    return state.builder.intrinsic("llvm.rint", expr.dtype, expr.lanes, quotient)


def _unary(state: State, expr: Unary) -> str:
    value, dtype, lanes = emit_value(state, expr.operand), expr.dtype, expr.lanes
    text = type_name(dtype, lanes)
    if expr.op == "not":
        return state.op(f"xor {text} {value}, {constant(_all_ones(dtype), dtype, lanes)}")
    if dtype.is_float:
        if expr.op == "neg":
            return state.op(f"fneg {text} {value}")
        name = {"abs": "fabs", "sqrt": "sqrt", **_ROUNDING}[expr.op]
        return state.builder.intrinsic(f"llvm.{name}", dtype, lanes, value)
    if expr.op == "neg":
        return state.op(f"sub {text} {constant(0, dtype, lanes)}, {value}")
    if expr.op == "abs" and dtype.kind == "int":
        negative = state.op(f"sub {text} {constant(0, dtype, lanes)}, {value}")
        below = state.op(f"icmp slt {text} {value}, {constant(0, dtype, lanes)}")
        return choose(state, below, lanes, text, negative, value)
    return value


def _all_ones(dtype: DType) -> int | bool:
    return True if dtype is BOOL else -1


def _call(state: State, expr: Call) -> str:
    if FUNCTIONS[expr.function].gives_stated:
        return _bitcast(state, expr)
    args = [emit_value(state, arg) for arg in expr.args]
    operand = expr.args[0]
    key = f"{expr.function} {operand.dtype} {operand.lanes} {args}"
    if key not in state.shared:
        function = state.math[expr.function]
        state.shared[key] = function.emit(state.builder, args, operand.dtype, operand.lanes)
    return state.shared[key]


def _bitcast(state: State, expr: Call) -> str:
    (operand,) = expr.args
    value = emit_value(state, operand)
    source, target = type_name(operand.dtype, expr.lanes), type_name(expr.type, expr.lanes)
    return value if source == target else state.op(f"bitcast {source} {value} to {target}")


def _cast(state: State, expr: Cast) -> str:
    value, source, target = emit_value(state, expr.operand), expr.operand.dtype, expr.type
    if source is target:
        return value
    lanes = expr.lanes
    source_text, target_text = type_name(source, lanes), type_name(target, lanes)
    if target is BOOL:
        zero = constant(0.0 if source.is_float else 0, source, lanes)
        return _compare(state, "ne", source, f"{source_text} {value}, {zero}")
    if source.is_float and target.is_integer:
        return emit_truncation(state.builder, value, source, target, lanes)
    if source.is_float and target.is_float:
        return emit_float_cast(state.builder, value, source, target, lanes)
    if source.bits == target.bits and source is not BOOL and not target.is_float:
        return value
    op = _conversion(source, target)
    return state.op(f"{op} {source_text} {value} to {target_text}")


def _conversion(source: DType, target: DType) -> str:
    if target.is_float:
        return "sitofp" if source.kind == "int" else "uitofp"
    if source is not BOOL and target.bits < source.bits:
        return "trunc"
    return "sext" if source.kind == "int" else "zext"


def _select(state: State, expr: Select) -> str:
    condition = emit_value(state, expr.condition)
    if condition in ("true", "false"):
        return emit_value(state, expr.on_true if condition == "true" else expr.on_false)
    text = type_name(expr.dtype, expr.lanes)
    if expr.condition.lanes == 1 and (_reads(expr.on_true) or _reads(expr.on_false)):
        return _branch_select(state, expr, condition, text)
    left, right = emit_value(state, expr.on_true), emit_value(state, expr.on_false)
    return choose(state, condition, expr.condition.lanes, text, left, right)


def _reads(expr: Expr) -> bool:
    return any(type(part) is Load and part.buffer.scope != "register" for part in walk_expr(expr))


def _branch_select(state: State, expr: Select, condition: str, text: str) -> str:
    """A scalar select reads only the arm taken: the other may lie outside its buffer."""
    labels = [state.builder.fresh_label() for _ in range(3)]
    state.builder.line(f"br i1 {condition}, label %{labels[0]}, label %{labels[1]}")
    incoming = []
    for label, arm in zip(labels, (expr.on_true, expr.on_false), strict=False):
        state.start_block(label)
        value = emit_value(state, arm)
        incoming.append(f"[ {value}, %{state.block} ]")
        state.builder.line(f"br label %{labels[2]}")
    state.start_block(labels[2])
    return state.builder.op(f"phi {text} {', '.join(incoming)}")


def _load(state: State, expr: Load) -> str:
    offset = offset_of(state, expr.buffer, expr.index)
    if expr.buffer.scope == "register":
        slot = index_slot(state, offset)
        return state.registers[(expr.buffer.name, slot)]
    stride = shared_stride(state, offset)
    if stride is None:
        return load_lanes(state, expr.buffer, vector_offsets(state, expr.buffer, expr.index))
    pointer = checked_address(state, expr.buffer, offset)
    return load_vector(state, expr.buffer, pointer, offset.lanes, stride)


def index_slot(state: State, offset: Offset) -> int:
    """The element offset of a register access: a number once loops are unrolled."""
    total = offset.linear.constant
    for atom, coefficient in offset.linear.terms.items():
        value = state.variables[atom.name] if isinstance(atom, Var) else None
        if not isinstance(value, int):
            raise AssertionError(f"register access that is not constant: {atom}")
        total += value * coefficient
    return total


def vector_offsets(state: State, buffer: object, index: tuple[Expr, ...]) -> list[str]:
    """Element offsets of each lane, for an index with lanes anywhere."""
    lanes = max(part.lanes for part in index)
    strides: tuple[int, ...] = buffer.strides  # type: ignore[attr-defined]
    total = ""
    vector = type_name(INDEX, lanes)
    for part, stride in zip(index, strides, strict=True):
        value = emit_value(state, part)
        if part.lanes == 1:
            value = _splat(state, value, INDEX, lanes)
        scaled = state.op(f"mul {vector} {value}, {constant(stride, INDEX, lanes)}")
        total = scaled if not total else state.op(f"add {vector} {total}, {scaled}")
    return [state.op(f"extractelement {vector} {total}, i32 {lane}") for lane in range(lanes)]


def _splat(state: State, value: str, dtype: DType, lanes: int) -> str:
    text, vector = type_name(dtype), type_name(dtype, lanes)
    if not value.startswith("%"):
        return f"splat ({text} {value})"
    first = state.op(f"insertelement {vector} poison, {text} {value}, i32 0")
    mask = f"<{lanes} x i32> zeroinitializer"
    return state.op(f"shufflevector {vector} {first}, {vector} poison, {mask}")


def _broadcast(state: State, expr: Broadcast) -> str:
    return _splat(state, emit_value(state, expr.operand), expr.dtype, expr.length)


def _ramp(state: State, expr: Ramp) -> str:
    text = type_name(expr.dtype, expr.length)
    base = _splat(state, emit_value(state, expr.base), expr.dtype, expr.length)
    stride = _splat(state, emit_value(state, expr.stride), expr.dtype, expr.length)
    lanes = ", ".join(f"{type_name(expr.dtype)} {lane}" for lane in range(expr.length))
    steps = state.op(f"mul {text} {stride}, <{lanes}>")
    return state.op(f"add {text} {base}, {steps}")


def _shuffle(state: State, expr: Shuffle) -> str:
    values = [emit_value(state, vector) for vector in expr.vectors]
    lanes = expr.vectors[0].lanes
    text = type_name(expr.dtype, lanes)
    if len(values) == 1:
        values.append("poison")
    picks = ", ".join(f"i32 {pick}" for pick in expr.picks)
    mask = f"<{len(expr.picks)} x i32> <{picks}>"
    return state.op(f"shufflevector {text} {values[0]}, {text} {values[1]}, {mask}")


_EMITTERS: dict[type, Callable[..., str]] = {
    Const: _const,
    Var: _index,
    Binary: _binary,
    Unary: _unary,
    Call: _call,
    Cast: _cast,
    Select: _select,
    Load: _load,
    Broadcast: _broadcast,
    Ramp: _ramp,
    Shuffle: _shuffle,
}
