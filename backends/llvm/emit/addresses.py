"""Index arithmetic and addresses.

An address is built level by level: a pointer for the part of the offset that is fixed outside the
loops, one per loop level on top of it, and a constant displacement last, which the CPU adds for
free.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlc.backends.llvm.emit.state import HERE, IndexValue, Scalar, State
from mlc.backends.llvm.text_builder import memory_type_name
from mlc.ir.affine import Linear, bounds_of, join, linear_form
from mlc.ir.expr import Binary, Broadcast, Const, Expr, Ramp, Var
from mlc.ir.stmt import Buffer


@dataclass(frozen=True, slots=True)
class Offset:
    """Element offset of an access: linear in scalars, `lane_stride` from lane to lane.

    `lane_stride` is None where lanes lie anywhere (an index that is a vector but no ramp).
    """

    linear: Linear
    lanes: int
    lane_stride: int | None


def offset_of(state: State, buffer: Buffer, index: tuple[Expr, ...]) -> Offset:
    """The offset of an access, computed once for each place in the program."""
    key = (buffer.name, id(index))
    found = state.linear_forms.get(key)
    if found is None:
        found = (_offset(buffer, index), index)  # holding the index keeps its id from being reused
        state.linear_forms[key] = found
    offset: Offset = found[0]
    return offset


def _offset(buffer: Buffer, index: tuple[Expr, ...]) -> Offset:
    total, lanes, lane_stride = Linear({}), 1, 0
    for part, stride in zip(index, buffer.strides, strict=True):
        if isinstance(part, Broadcast):
            lanes, part = max(lanes, part.length), part.operand
        if isinstance(part, Ramp):
            lanes = part.length
            step = linear_form(part.stride)
            if step.terms:
                return Offset(total, lanes, None)
            lane_stride, part = lane_stride + stride * step.constant, part.base
        elif part.lanes > 1:
            return Offset(total, part.lanes, None)
        total = total.plus(linear_form(part), stride)
    return Offset(join(total), lanes, lane_stride)


def index_value(state: State, expr: Expr) -> IndexValue:
    """An index expression as a number or a value at the outermost possible level."""
    return linear_value(state, linear_form(expr))


def linear_value(state: State, linear: Linear) -> IndexValue:
    """The value of a linear form."""
    terms, constant = _resolve(state, linear)
    if not terms:
        return _wrapped(constant)
    name, level = "", 0
    for scalar, coefficient in terms:
        level = scalar.level
        part = _scaled(state, scalar, coefficient)
        name = part if not name else state.hoisted(level, f"add i64 {name}, {part}")
    if constant:
        name = state.hoisted(level, f"add i64 {name}, {_wrapped(constant)}")
    return Scalar(name, level)


def _resolve(state: State, linear: Linear) -> tuple[list[tuple[Scalar, int]], int]:
    """Terms that are not numbers, outermost first, and the sum of those that are."""
    terms: list[tuple[Scalar, int]] = []
    constant = linear.constant
    for atom, coefficient in linear.terms.items():
        value = _atom(state, atom)
        if isinstance(value, int):
            constant += value * coefficient
        else:
            terms.append((value, coefficient))
    terms.sort(key=lambda term: term[0].level)
    return terms, constant


def _scaled(state: State, scalar: Scalar, coefficient: int) -> str:
    if coefficient == 1:
        return scalar.name
    return state.hoisted(scalar.level, f"mul i64 {scalar.name}, {_wrapped(coefficient)}")


def _wrapped(value: int) -> int:
    """A number modulo 2**64: indices never get there, but other arithmetic of this type may."""
    return (value + 2**63) % 2**64 - 2**63


def _atom(state: State, atom: Expr) -> IndexValue:
    match atom:
        case Var(name=name):
            return state.variables[name]
        case Binary("floordiv" | "mod" as op, left, Const(value=divisor)) if divisor > 0:
            return _divide(state, op, left, int(divisor))
        case Binary("min" | "max" as op, left, right):
            return _extremum(state, op, index_value(state, left), index_value(state, right))
        case Binary("add" | "sub" | "mul", _, _) if linear_form(atom).terms != {atom: 1}:
            return index_value(state, atom)
        case Binary("mul", left, right):
            return _product(state, index_value(state, left), index_value(state, right))
    return Scalar(state.emit_value(state, atom), HERE)


def _divide(state: State, op: str, left: Expr, divisor: int) -> IndexValue:
    value = index_value(state, left)
    if isinstance(value, int):
        return value // divisor if op == "floordiv" else value % divisor
    known = bounds_of(left, state.bounds)
    name, level = value.name, value.level
    if known is not None and known[0] >= 0:
        instruction = "udiv" if op == "floordiv" else "urem"
        return Scalar(state.hoisted(level, f"{instruction} i64 {name}, {divisor}"), level)
    rest = state.hoisted(level, f"srem i64 {name}, {divisor}")
    negative = state.hoisted(level, f"icmp slt i64 {rest}, 0")
    if op == "mod":
        moved = state.hoisted(level, f"add i64 {rest}, {divisor}")
        text = f"select i1 {negative}, i64 {moved}, i64 {rest}"
    else:
        quotient = state.hoisted(level, f"sdiv i64 {name}, {divisor}")
        lower = state.hoisted(level, f"sub i64 {quotient}, 1")
        text = f"select i1 {negative}, i64 {lower}, i64 {quotient}"
    return Scalar(state.hoisted(level, text), level)


def _extremum(state: State, op: str, left: IndexValue, right: IndexValue) -> IndexValue:
    if isinstance(left, int) and isinstance(right, int):
        return min(left, right) if op == "min" else max(left, right)
    level = max(value.level for value in (left, right) if isinstance(value, Scalar))
    names = [str(v) if isinstance(v, int) else v.name for v in (left, right)]
    order = "slt" if op == "min" else "sgt"
    chosen = state.hoisted(level, f"icmp {order} i64 {names[0]}, {names[1]}")
    text = f"select i1 {chosen}, i64 {names[0]}, i64 {names[1]}"
    return Scalar(state.hoisted(level, text), level)


def _product(state: State, left: IndexValue, right: IndexValue) -> IndexValue:
    if isinstance(left, int) and isinstance(right, int):
        return left * right
    level = max(value.level for value in (left, right) if isinstance(value, Scalar))
    names = [str(v) if isinstance(v, int) else v.name for v in (left, right)]
    return Scalar(state.hoisted(level, f"mul i64 {names[0]}, {names[1]}"), level)


def shared_stride(state: State, offset: Offset) -> int | None:
    """The stride from lane to lane; None where lanes lie anywhere, or each is to be checked."""
    apart = state.check_bounds and offset.lanes > 1 and offset.lane_stride not in (0, 1)
    return None if apart else offset.lane_stride


def checked_address(state: State, buffer: Buffer, offset: Offset) -> str:
    """The pointer to the first lane; with `check_bounds`, one that is safe for any index."""
    pointer = address(state, buffer, offset.linear)
    if not state.check_bounds:
        return pointer
    first = linear_value(state, offset.linear)
    return guarded(state, buffer, pointer, first, (offset.lanes - 1) * (offset.lane_stride or 0))


def guarded(state: State, buffer: Buffer, pointer: str, first: IndexValue, reach: int) -> str:
    """`pointer`, or the spare memory where elements `first` … `first + reach` leave the buffer.

    Leaving is recorded in `@mlc_out_of_bounds`, which the entry reports.
    """
    steps = [(d - 1) * s for d, s in zip(buffer.shape, buffer.strides, strict=True)]
    low = sum(min(0, step) for step in steps) - min(0, reach)
    high = sum(max(0, step) for step in steps) - max(0, reach)
    name = str(first) if isinstance(first, int) else first.name
    distance = state.op(f"sub i64 {name}, {low}")
    inside = "false"
    if high >= low and 0 not in buffer.shape:
        inside = state.op(f"icmp ule i64 {distance}, {high - low}")
    flag = f"select i1 {inside}, ptr @mlc_spare_memory, ptr @mlc_out_of_bounds"
    state.builder.line(f"store i32 1, ptr {state.op(flag)}")
    return state.builder.op(f"select i1 {inside}, ptr {pointer}, ptr @mlc_spare_memory")


def address(state: State, buffer: Buffer, linear: Linear, *, inside: bool = True) -> str:
    """The pointer to the element at a linear offset, which is `inside` of `buffer` or anywhere."""
    step = "getelementptr inbounds" if inside else "getelementptr"
    terms, constant = _resolve(state, linear)
    pointer = state.pointers[buffer.name]
    element = memory_type_name(buffer.dtype)
    position = 0
    while position < len(terms):
        level = terms[position][0].level
        total = ""
        while position < len(terms) and terms[position][0].level == level:
            part = _scaled(state, *terms[position])
            total = part if not total else state.hoisted(level, f"add i64 {total}, {part}")
            position += 1
        text = f"{step} {element}, ptr {pointer}, i64 {total}"
        pointer = state.hoisted(level, text)
    if constant:
        text = f"{step} {element}, ptr {pointer}, i64 {constant}"
        pointer = state.op(text)
    return pointer
