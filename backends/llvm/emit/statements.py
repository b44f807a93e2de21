"""Statements → blocks of LLVM IR.

Register buffers never reach memory: a store makes a new SSA value the current one of its slot, a
loop carries the slots its body writes through phis, and a branch joins them.
"""

from __future__ import annotations

from collections.abc import Callable

from mlc.backends.llvm.emit.addresses import (
    address,
    checked_address,
    index_value,
    offset_of,
    shared_stride,
)
from mlc.backends.llvm.emit.memory import store_lanes, store_vector
from mlc.backends.llvm.emit.state import IndexValue, Scalar, Slot, State
from mlc.backends.llvm.emit.values import emit_value, index_slot, vector_offsets
from mlc.backends.llvm.text_builder import memory_type_name, type_name
from mlc.ir.affine import bounds_of
from mlc.ir.expr import Const
from mlc.ir.rewrite import stores_of
from mlc.ir.stmt import Alloc, For, If, Prefetch, Seq, Stmt, Store

_NEAR = 2
"""Locality of what is prefetched: into the second-level cache; the first holds what is in use."""


def emit_statement(state: State, stmt: Stmt) -> None:
    """Write the code of a statement at the end of the current block."""
    _EMITTERS[type(stmt)](state, stmt)


def _seq(state: State, stmt: Seq) -> None:
    for part in stmt.body:
        emit_statement(state, part)


def _store(state: State, stmt: Store) -> None:
    value = emit_value(state, stmt.value)
    buffer = stmt.buffer
    offset = offset_of(state, buffer, stmt.index)
    if buffer.scope == "register":
        slot = (buffer.name, index_slot(state, offset))
        state.registers[slot] = value
        state.register_types[slot] = type_name(buffer.dtype, offset.lanes)
        return
    stride = shared_stride(state, offset)
    if stride is None:
        store_lanes(state, buffer, vector_offsets(state, buffer, stmt.index), value)
        return
    pointer = checked_address(state, buffer, offset)
    store_vector(state, buffer, pointer, value, offset.lanes, stride)


def _prefetch(state: State, stmt: Prefetch) -> None:
    """A read of data to come; no bounds are checked, as it touches no memory that is not there."""
    offset = offset_of(state, stmt.buffer, stmt.index)
    pointer = address(state, stmt.buffer, offset.linear, inside=False)
    state.builder.declare("void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    arguments = f"ptr {pointer}, i32 0, i32 {_NEAR}, i32 1"
    state.builder.line(f"call void @llvm.prefetch.p0({arguments})")


def _alloc(state: State, stmt: Alloc) -> None:
    buffer = stmt.buffer
    if buffer.scope == "stack":
        name = state.stack.get(buffer)
        if name is None:
            name = state.stack[buffer] = f"%stack{len(state.stack)}"
            element, count = memory_type_name(buffer.dtype), max(buffer.span, 1)
            state.allocas.append(f"  {name} = alloca {element}, i64 {count}, align 64")
        state.pointers[buffer.name] = name
    emit_statement(state, stmt.body)


def _for(state: State, stmt: For) -> None:
    if stmt.kind == "parallel" and state.fork is not None:
        state.fork(state, stmt)
        return
    if stmt.kind == "unroll" and isinstance(stmt.extent, Const):
        _unrolled(state, stmt, int(stmt.extent.value))
        return
    known = bounds_of(stmt.extent, state.bounds)
    if known is not None:
        state.bounds[stmt.var] = (0, max(known[1] - 1, 0))
    extent = index_value(state, stmt.extent)
    if isinstance(extent, int):
        if extent > 0:
            _counted_loop(state, stmt, extent)
    else:
        _guarded_loop(state, stmt, extent)


def _unrolled(state: State, stmt: For, extent: int) -> None:
    for iteration in range(extent):
        state.variables[stmt.var] = iteration
        emit_statement(state, stmt.body)
    state.variables.pop(stmt.var, None)


def _carried(state: State, body: Stmt) -> list[Slot]:
    """The slots with a value now which the body may overwrite."""
    written = {store.buffer.name for store in stores_of(body) if store.buffer.scope == "register"}
    return [slot for slot in state.registers if slot[0] in written]


def _counted_loop(state: State, stmt: For, extent: IndexValue) -> None:
    """A loop that runs at least once: body first, test at the bottom."""
    builder = state.builder
    carried = _carried(state, stmt.body)
    body, done = builder.fresh_label(), builder.fresh_label()
    counter, following = builder.fresh(), builder.fresh()
    before = state.block
    builder.line(f"br label %{body}")
    state.start_block(body)
    phi_lines: list[str] = []
    builder.lines.append(phi_lines)  # type: ignore[arg-type]
    phis = {slot: builder.fresh() for slot in carried}
    incoming = {slot: state.registers[slot] for slot in carried}
    state.registers.update(phis)
    state.enter_level()
    state.variables[stmt.var] = Scalar(counter, state.level)
    emit_statement(state, stmt.body)
    state.leave_level()
    state.variables.pop(stmt.var)
    phi_lines.append(f"  {counter} = phi i64 [ 0, %{before} ], [ {following}, %{state.block} ]")
    for slot, phi in phis.items():
        ends = f"[ {incoming[slot]}, %{before} ], [ {state.registers[slot]}, %{state.block} ]"
        phi_lines.append(f"  {phi} = phi {state.register_types[slot]} {ends}")
    limit = extent if isinstance(extent, int) else extent.name
    builder.line(f"{following} = add nuw nsw i64 {counter}, 1")
    again = builder.op(f"icmp ult i64 {following}, {limit}")
    builder.line(f"br i1 {again}, label %{body}, label %{done}")
    state.start_block(done)


def _guarded_loop(state: State, stmt: For, extent: Scalar) -> None:
    """A loop that may run not at all."""
    condition = state.op(f"icmp sgt i64 {extent.name}, 0")
    _branches(state, condition, lambda: _counted_loop(state, stmt, extent), lambda: None)


def _if(state: State, stmt: If) -> None:
    condition = emit_value(state, stmt.condition)
    otherwise = stmt.otherwise
    _branches(
        state,
        condition,
        lambda: emit_statement(state, stmt.then),
        lambda: None if otherwise is None else emit_statement(state, otherwise),
    )


def _branches(
    state: State, condition: str, then: Callable[[], None], otherwise: Callable[[], None]
) -> None:
    """Two arms and their join; slots that differ between the arms meet in phis."""
    labels = [state.builder.fresh_label() for _ in range(3)]
    state.builder.line(f"br i1 {condition}, label %{labels[0]}, label %{labels[1]}")
    before = dict(state.registers)
    ends: list[tuple[str, dict[Slot, str]]] = []
    for label, arm in zip(labels, (then, otherwise), strict=False):
        state.registers = dict(before)
        state.start_block(label)
        arm()
        state.builder.line(f"br label %{labels[2]}")
        ends.append((state.block, state.registers))
    state.start_block(labels[2])
    (left_block, left), (right_block, right) = ends
    state.registers = {}
    for slot in left.keys() & right.keys():
        state.registers[slot] = left[slot]
        if left[slot] != right[slot]:
            text = f"[ {left[slot]}, %{left_block} ], [ {right[slot]}, %{right_block} ]"
            state.registers[slot] = state.builder.op(f"phi {state.register_types[slot]} {text}")


_EMITTERS: dict[type, Callable[..., None]] = {
    Seq: _seq,
    Store: _store,
    Prefetch: _prefetch,
    Alloc: _alloc,
    For: _for,
    If: _if,
}
