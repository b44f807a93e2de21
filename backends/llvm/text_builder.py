"""LLVM IR as text: instructions, names, constants and declarations.

A `TextBuilder` collects the lines of function bodies and hands out SSA names; nothing is checked
here, LLVM's parser does that. Text costs a microsecond an instruction, llvmlite's builder twenty.
"""

from __future__ import annotations

import functools
import math
import struct

import numpy as np

from mlc.ir.dtype import BOOL, DType

_FLOAT_NAMES = {"f64": "double", "f32": "float", "f16": "half", "bf16": "bfloat"}

Number = int | float | bool


@functools.cache
def type_name(dtype: DType, lanes: int = 1) -> str:
    """The LLVM type of a value in a register: `float`, `<8 x float>`; `i1` for bool.

    Storage types are bytes.
    """
    if dtype is BOOL or dtype.kind == "bool":
        scalar = "i1"
    else:
        scalar = _FLOAT_NAMES.get(dtype.name) or f"i{8 * dtype.bytes}"
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


@functools.cache
def memory_type_name(dtype: DType, lanes: int = 1) -> str:
    """The LLVM type of a value in memory: as `type_name`, but a bool takes a byte (`i8`)."""
    if dtype.kind != "bool":
        return type_name(dtype, lanes)
    return "i8" if lanes == 1 else f"<{lanes} x i8>"


@functools.cache
def type_suffix(dtype: DType, lanes: int = 1) -> str:
    """The ending of an overloaded intrinsic's name: `f32`, `v8f32`, `i1`."""
    if dtype.kind == "bool":
        scalar = "i1"
    else:
        scalar = dtype.name if dtype.is_float else f"i{dtype.bits}"
    return scalar if lanes == 1 else f"v{lanes}{scalar}"


def scalar_constant(value: Number, dtype: DType) -> str:
    """The text of a number without its type; floats as exact hexadecimal bits after rounding."""
    if dtype.kind == "bool":
        return "true" if value else "false"
    if dtype.is_storage:
        return str(int(dtype.numpy.type(value).view("uint8")))
    if not dtype.is_float:
        return str(int(value))
    if dtype.name == "f64":
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    if dtype.name == "f32":
        return f"0x{struct.unpack('<Q', struct.pack('<d', _round_f32(value)))[0]:016X}"
    with np.errstate(over="ignore"):
        bits = int(dtype.numpy.type(value).view("uint16"))
    return f"0xH{bits:04X}" if dtype.name == "f16" else f"0xR{bits:04X}"


@functools.lru_cache(maxsize=4096)
def _cached_constant(bits: bytes, dtype: DType, lanes: int) -> str:
    """`constant` of the float whose IEEE bits are given, so that -0.0 and 0.0 differ."""
    text = scalar_constant(struct.unpack("<d", bits)[0], dtype)
    return text if lanes == 1 else f"splat ({type_name(dtype)} {text})"


def constant(value: Number, dtype: DType, lanes: int = 1) -> str:
    """The text of a number, repeated in all lanes, without the leading type."""
    if dtype.is_float:
        return _cached_constant(struct.pack("<d", value), dtype, lanes)
    text = scalar_constant(value, dtype)
    return text if lanes == 1 else f"splat ({type_name(dtype)} {text})"


def _round_f32(value: float) -> float:
    """The float32 nearest to a number; too large ones become infinite as in NumPy."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return rounded


class TextBuilder:
    """Lines of LLVM IR in the order they were asked for.

    `lines` are the instructions so far; `declarations` (shared among the builders of a module by
    passing the same dict) are the functions that have to be declared. Names are unique within a
    builder and begin with `%v`, labels with `b`, so that other prefixes are free for the caller.
    """

    __slots__ = ("_next", "declarations", "lines")

    def __init__(self, declarations: dict[str, None] | None = None) -> None:
        self.lines: list[str] = []
        self.declarations: dict[str, None] = {} if declarations is None else declarations
        self._next = 0

    def fresh(self) -> str:
        """A name not used yet, for a value written later (a phi's incoming value)."""
        self._next += 1
        return f"%v{self._next}"

    def fresh_label(self) -> str:
        """The name of a block, without `%` or colon, not used yet."""
        self._next += 1
        return f"b{self._next}"

    def op(self, instruction: str) -> str:
        """Append `%vN = instruction` and return `%vN`."""
        self._next = number = self._next + 1
        self.lines.append(f"  %v{number} = {instruction}")
        return f"%v{number}"

    def line(self, instruction: str) -> None:
        """Append an instruction that has no result."""
        self.lines.append("  " + instruction)

    def label(self, name: str) -> None:
        """Begin the block `name`."""
        self.lines.append(name + ":")

    def declare(self, signature: str) -> None:
        """Ask for `declare signature` in the module, once."""
        self.declarations[signature] = None

    def intrinsic(self, name: str, dtype: DType, lanes: int, *args: str) -> str:
        """Call an intrinsic whose operands and result are all of the one type it is named after."""
        type_text = type_name(dtype, lanes)
        function = f"@{name}.{type_suffix(dtype, lanes)}"
        self.declarations[f"{type_text} {function}({', '.join([type_text] * len(args))})"] = None
        operands = ", ".join([f"{type_text} {arg}" for arg in args])
        return self.op(f"call {type_text} {function}({operands})")

    def multiply_add(self, left: str, right: str, addend: str, type_text: str) -> str:
        """`left * right + addend`, fused where the CPU can and two instructions where it cannot."""
        product = self.op(f"fmul contract {type_text} {left}, {right}")
        return self.op(f"fadd contract {type_text} {product}, {addend}")

    def splat(self, scalar: str, dtype: DType, lanes: int) -> str:
        """A scalar value repeated in all lanes; the scalar itself for one lane."""
        if lanes == 1:
            return scalar
        vector, element = type_name(dtype, lanes), type_name(dtype)
        first = self.op(f"insertelement {vector} poison, {element} {scalar}, i32 0")
        return self.op(
            f"shufflevector {vector} {first}, {vector} poison, <{lanes} x i32> zeroinitializer"
        )

    def body(self) -> str:
        """The instructions as one text."""
        return "\n".join(self.lines)

    def declare_lines(self) -> str:
        """The declarations as one text."""
        return "\n".join(f"declare {signature}" for signature in self.declarations)
