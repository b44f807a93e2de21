"""Loads and stores of scalars, of vectors and of lanes that lie apart."""

from __future__ import annotations

from mlc.backends.llvm.emit.addresses import guarded
from mlc.backends.llvm.emit.state import HERE, Scalar, State
from mlc.backends.llvm.text_builder import memory_type_name, type_name
from mlc.ir.dtype import BOOL, DType
from mlc.ir.stmt import Buffer


def load_vector(state: State, buffer: Buffer, pointer: str, lanes: int, stride: int) -> str:
    """Load `lanes` elements that lie `stride` elements apart, beginning at `pointer`."""
    dtype = buffer.dtype
    if lanes == 1:
        return _load(state, dtype, pointer, 1)
    if stride == 1:
        return _load(state, dtype, pointer, lanes)
    if stride == 0:
        scalar = _load(state, dtype, pointer, 1)
        text, vector = type_name(dtype), type_name(dtype, lanes)
        first = state.op(f"insertelement {vector} poison, {text} {scalar}, i32 0")
        mask = f"<{lanes} x i32> zeroinitializer"
        return state.op(f"shufflevector {vector} {first}, {vector} poison, {mask}")
    element = memory_type_name(dtype)
    return _join(
        state,
        dtype,
        [
            state.op(f"getelementptr inbounds {element}, ptr {pointer}, i64 {lane * stride}")
            for lane in range(lanes)
        ],
    )


def load_lanes(state: State, buffer: Buffer, offsets: list[str]) -> str:
    """Load one element per offset (elements from the start of the buffer)."""
    return _join(state, buffer.dtype, _pointers(state, buffer, offsets))


def _pointers(state: State, buffer: Buffer, offsets: list[str]) -> list[str]:
    element, base = memory_type_name(buffer.dtype), state.pointers[buffer.name]
    text = f"getelementptr inbounds {element}, ptr {base}, i64 "
    pointers = [state.op(text + offset) for offset in offsets]
    if state.check_bounds:
        lanes = zip(pointers, offsets, strict=True)
        return [guarded(state, buffer, p, Scalar(o, HERE), 0) for p, o in lanes]
    return pointers


def _join(state: State, dtype: DType, pointers: list[str]) -> str:
    text, vector = type_name(dtype), type_name(dtype, len(pointers))
    result = "poison"
    for lane, pointer in enumerate(pointers):
        scalar = _load(state, dtype, pointer, 1)
        result = state.op(f"insertelement {vector} {result}, {text} {scalar}, i32 {lane}")
    return result


def _load(state: State, dtype: DType, pointer: str, lanes: int) -> str:
    memory = memory_type_name(dtype, lanes)
    text = f"load {memory}, ptr {pointer}, align {dtype.bytes}"
    name = state.shared_loads.get(text)
    if name is None:
        name = state.builder.op(text)
        if dtype is BOOL:
            name = state.builder.op(f"icmp ne {memory} {name}, zeroinitializer")
        state.shared_loads[text] = name
    return name


def store_vector(
    state: State, buffer: Buffer, pointer: str, value: str, lanes: int, stride: int
) -> None:
    """Store `lanes` elements `stride` elements apart, beginning at `pointer`."""
    if lanes == 1 or stride == 1:
        _store(state, buffer.dtype, pointer, value, lanes)
        return
    element = memory_type_name(buffer.dtype)
    pointers = [
        state.op(f"getelementptr inbounds {element}, ptr {pointer}, i64 {lane * stride}")
        for lane in range(lanes)
    ]
    _store_each(state, buffer.dtype, pointers, value)


def store_lanes(state: State, buffer: Buffer, offsets: list[str], value: str) -> None:
    """Store one lane per offset, in the order of the lanes."""
    _store_each(state, buffer.dtype, _pointers(state, buffer, offsets), value)


def _store_each(state: State, dtype: DType, pointers: list[str], value: str) -> None:
    vector = type_name(dtype, len(pointers))
    for lane, pointer in enumerate(pointers):
        scalar = state.op(f"extractelement {vector} {value}, i32 {lane}")
        _store(state, dtype, pointer, scalar, 1)


def _store(state: State, dtype: DType, pointer: str, value: str, lanes: int) -> None:
    memory = memory_type_name(dtype, lanes)
    if dtype is BOOL:
        value = state.op(f"zext {type_name(BOOL, lanes)} {value} to {memory}")
    state.builder.line(f"store {memory} {value}, ptr {pointer}, align {dtype.bytes}")
    state.shared_loads.clear()
