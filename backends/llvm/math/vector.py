"""Shorthand for arithmetic on one vector type, so that formulas read as formulas.

A `Vector` is a builder, an element type (f32 or f64) and a number of lanes; its methods append one
instruction each and take and return SSA names. `a * b + c` goes through `multiply_add`, which fuses
where the CPU can; everything else is strict IEEE arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlc.backends.llvm.text_builder import TextBuilder, constant, type_name
from mlc.ir.dtype import BOOL, F32, F64, I32, I64, DType


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """The parts of an IEEE format that bit manipulation needs."""

    bits: int
    mantissa_bits: int
    bias: int

    @property
    def exponent_bits(self) -> int:
        """Width of the exponent."""
        return self.bits - 1 - self.mantissa_bits


_FORMATS = {"f32": FloatFormat(32, 23, 127), "f64": FloatFormat(64, 52, 1023)}


class Vector:
    """Arithmetic on `lanes` elements of `dtype`, appended to `builder`."""

    __slots__ = ("_integer", "_mask", "_type", "builder", "dtype", "format", "integer", "lanes")

    def __init__(self, builder: TextBuilder, dtype: DType, lanes: int) -> None:
        self.builder = builder
        self.dtype = dtype
        self.lanes = lanes
        self.format = _FORMATS[dtype.name]
        self.integer = I32 if dtype is F32 else I64
        self._type = type_name(dtype, lanes)
        self._integer = type_name(self.integer, lanes)
        self._mask = type_name(BOOL, lanes)

    def number(self, value: float) -> str:
        """A float constant in all lanes."""
        return constant(value, self.dtype, self.lanes)

    def whole(self, value: int) -> str:
        """An integer constant, as wide as the elements, in all lanes."""
        return constant(value, self.integer, self.lanes)

    def add(self, left: str, right: str) -> str:
        """`left + right`."""
        return self.builder.op(f"fadd {self._type} {left}, {right}")

    def subtract(self, left: str, right: str) -> str:
        """`left - right`."""
        return self.builder.op(f"fsub {self._type} {left}, {right}")

    def multiply(self, left: str, right: str) -> str:
        """`left * right`."""
        return self.builder.op(f"fmul {self._type} {left}, {right}")

    def divide(self, left: str, right: str) -> str:
        """`left / right`."""
        return self.builder.op(f"fdiv {self._type} {left}, {right}")

    def negate(self, value: str) -> str:
        """`-value`."""
        return self.builder.op(f"fneg {self._type} {value}")

    def multiply_add(self, left: str, right: str, addend: str) -> str:
        """`left * right + addend`."""
        return self.builder.multiply_add(left, right, addend, self._type)

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """`c0 + c1 x + c2 x² …` by Horner's rule."""
        *rest, last = coefficients
        value = self.number(last)
        for coefficient in reversed(rest):
            value = self.multiply_add(value, x, self.number(coefficient))
        return value

    def sqrt(self, value: str) -> str:
        """The square root; NaN below zero."""
        return self.builder.intrinsic("llvm.sqrt", self.dtype, self.lanes, value)

    def absolute(self, value: str) -> str:
        """`|value|`."""
        return self.builder.intrinsic("llvm.fabs", self.dtype, self.lanes, value)

    def with_sign_of(self, magnitude: str, sign: str) -> str:
        """`magnitude` with the sign bit of `sign`."""
        return self.builder.intrinsic("llvm.copysign", self.dtype, self.lanes, magnitude, sign)

    def truncate(self, value: str) -> str:
        """Rounded towards zero."""
        return self.builder.intrinsic("llvm.trunc", self.dtype, self.lanes, value)

    def compare(self, predicate: str, left: str, right: str) -> str:
        """A mask: `fcmp` with LLVM's name of the predicate ("olt", "uno" …)."""
        return self.builder.op(f"fcmp {predicate} {self._type} {left}, {right}")

    def select(self, mask: str, on_true: str, on_false: str) -> str:
        """Floats picked by a mask."""
        return self.builder.op(
            f"select {self._mask} {mask}, {self._type} {on_true}, {self._type} {on_false}"
        )

    def both(self, left: str, right: str) -> str:
        """Masks that both hold."""
        return self.builder.op(f"and {self._mask} {left}, {right}")

    def at_most(self, value: str, limit: float) -> str:
        """The smaller of `value` and a constant; NaN stays NaN."""
        bound = self.number(limit)
        return self.select(self.compare("ogt", value, bound), bound, value)

    def at_least(self, value: str, limit: float) -> str:
        """The larger of `value` and a constant; NaN stays NaN."""
        bound = self.number(limit)
        return self.select(self.compare("olt", value, bound), bound, value)

    def bits(self, value: str) -> str:
        """The bits of floats as integers."""
        return self.builder.op(f"bitcast {self._type} {value} to {self._integer}")

    def from_bits(self, value: str) -> str:
        """Integers as the bits of floats."""
        return self.builder.op(f"bitcast {self._integer} {value} to {self._type}")

    def from_integer(self, value: str) -> str:
        """The float equal to a signed integer."""
        return self.builder.op(f"sitofp {self._integer} {value} to {self._type}")

    def integer_op(self, name: str, left: str, right: str) -> str:
        """An LLVM instruction on integers: "add", "sub", "shl", "ashr", "and", "xor" …"""
        return self.builder.op(f"{name} {self._integer} {left}, {right}")

    def integer_compare(self, predicate: str, left: str, right: str) -> str:
        """A mask out of integers: `icmp`."""
        return self.builder.op(f"icmp {predicate} {self._integer} {left}, {right}")

    def widened(self, value: str) -> tuple[Vector, str]:
        """f32 lanes as f64 lanes."""
        wide = Vector(self.builder, F64, self.lanes)
        return wide, self.builder.op(f"fpext {self._type} {value} to {type_name(F64, self.lanes)}")

    def narrowed(self, value: str) -> str:
        """f64 lanes, rounded to the lanes of this f32 vector."""
        return self.builder.op(f"fptrunc {type_name(F64, self.lanes)} {value} to {self._type}")
