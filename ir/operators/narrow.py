"""Conversions between storage types and types that can be computed with, bit by bit, exactly.

Every narrow float is widened to f32 and rounded from f32 (wider numbers are rounded to f32 first,
as NumPy's `ml_dtypes` does it). Narrow integers keep the low bits of what is converted. Sources:
"OCP 8-bit Floating Point Specification", 2023; "OCP Microscaling Formats", 2023; for the formats
without negative zero Noune et al., "8-bit Numerical Formats for Deep Neural Networks", 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlc.ir.build import number
from mlc.ir.dtype import (
    BOOL,
    F4E2M1,
    F8E4M3FN,
    F8E4M3FNUZ,
    F8E5M2,
    F8E5M2FNUZ,
    F8E8M0,
    F32,
    I2,
    I4,
    I8,
    I32,
    U2,
    U4,
    U8,
    U32,
    DType,
    dtype_of,
)
from mlc.ir.expr import Binary, Call, Cast, Expr, Select

ROUND_MODES = ("up", "down", "nearest")
"""How numbers become powers of two (f8e8m0): away from zero, towards it, ties away from zero."""


@dataclass(frozen=True)
class _Format:
    """A float with a sign, `mantissa` bits and an exponent of that `bias`; codes are magnitudes.

    `infinity` and `nan` are what infinities (and finite numbers above `largest`) and NaN become;
    a format whose `nan` is the negative zero has no negative zero.
    """

    bits: int
    mantissa: int
    bias: int
    largest: int
    infinity: int
    nan: int

    @property
    def sign(self) -> int:
        """The sign bit."""
        return 1 << (self.bits - 1)

    @property
    def has_negative_zero(self) -> bool:
        """Whether zero has a sign."""
        return self.nan != self.sign

    @property
    def has_infinity(self) -> bool:
        """Whether there are infinities."""
        return self.largest < self.infinity < self.nan


_FORMATS: dict[DType, _Format] = {
    F8E4M3FN: _Format(8, 3, 7, 0x7E, 0x7F, 0x7F),
    F8E4M3FNUZ: _Format(8, 3, 8, 0x7F, 0x80, 0x80),
    F8E5M2: _Format(8, 2, 15, 0x7B, 0x7C, 0x7E),
    F8E5M2FNUZ: _Format(8, 2, 16, 0x7F, 0x80, 0x80),
    # Without infinities and NaN: what is too large saturates, NaN is taken for a negative zero.
    F4E2M1: _Format(4, 1, 1, 0x7, 0x7, 0x0),
}
_INTEGERS = {I4: I8, U4: U8, I2: I8, U2: U8}

_INFINITY = 0x7F800000
_QUIET_NAN = 0x7FC00000
_SIGN = 0x80000000


def convert(x: Expr, to: DType, *, saturate: bool = True, round_mode: str = "up") -> Expr:
    """`x` as an element of type `to`, by the rules of ONNX's Cast."""
    if x.dtype is to:
        return x
    if x.dtype.is_storage:
        return convert(_widened(x), to, saturate=saturate, round_mode=round_mode)
    if to in _INTEGERS:
        return _low_bits(x, to)
    if to is F8E8M0:
        return _bitcast(_power_of_two(_bits(x), saturate, round_mode), to)
    if to in _FORMATS:
        return _bitcast(_rounded(_bits(x), _FORMATS[to], saturate), to)
    return Cast(x, to)


def convert_array(
    array: np.ndarray, to: DType, *, saturate: bool = True, round_mode: str = "up"
) -> np.ndarray:
    """`convert` in NumPy."""
    source = dtype_of(array.dtype)
    if source is to:
        return array
    if source.is_storage:
        array = array.astype(_INTEGERS.get(source, F32).numpy)
    if to is F8E8M0:
        return _powers_of_two(array.astype(np.float32), saturate, round_mode)
    if to in _FORMATS and saturate:
        code = np.array(_FORMATS[to].largest, np.uint8)
        largest = code.view(to.numpy).astype(np.float32)
        array = np.clip(array.astype(np.float32), -largest, largest)
    if to in _INTEGERS and array.dtype.kind not in "iub":
        wide = np.nan_to_num(array.astype(np.float64)).clip(-(2.0**31), 2.0**31 - 1)
        array = wide.astype(np.int32)
    with np.errstate(all="ignore"):
        return array.astype(to.numpy)


def _u32(value: int) -> Expr:
    return number(value, U32)


def _bitcast(x: Expr, to: DType) -> Expr:
    return Call("bitcast", (x,), to)


def _bits(x: Expr) -> Expr:
    return _bitcast(Cast(x, F32) if x.dtype is not F32 else x, U32)


def _widened(x: Expr) -> Expr:
    """The elements of a storage type in a type that holds them all: i8, u8 or f32."""
    code = _bitcast(x, U8)
    if x.dtype in _INTEGERS:
        return _extended(code, x.dtype)
    word = Cast(code, U32)
    return _two_to_the(word) if x.dtype is F8E8M0 else _float_of(word, _FORMATS[x.dtype])


def _extended(code: Expr, narrow: DType) -> Expr:
    """The number whose low bits are those of `code`."""
    wide = _INTEGERS[narrow]
    moved = number(8 - narrow.bits, wide)
    raised = Binary("shl", Cast(code, wide) if wide is not code.dtype else code, moved)
    return Binary("shr", raised, moved)


def _low_bits(x: Expr, narrow: DType) -> Expr:
    if not x.dtype.is_integer and x.dtype is not BOOL:
        x = Cast(x, I32)
    code = x if x.dtype is U8 else Cast(x, U8)
    return _bitcast(Binary("and", code, number((1 << narrow.bits) - 1, U8)), narrow)


def _float_of(code: Expr, form: _Format) -> Expr:
    """The f32 with the same exponent and mantissa; a product moves the exponent's bias."""
    magnitude = Binary("and", code, _u32(form.sign - 1))
    fields = _bitcast(Binary("shl", magnitude, _u32(23 - form.mantissa)), F32)
    value = _bitcast(Binary("mul", fields, number(2.0 ** (127 - form.bias), F32)), U32)
    greatest = form.largest
    if form.has_infinity:
        greatest = form.infinity
        value = Select(Binary("eq", magnitude, _u32(greatest)), _u32(_INFINITY), value)
    if form.nan > greatest:
        nan = Binary("gt", magnitude, _u32(greatest))
        if not form.has_negative_zero:
            nan = Binary("eq", code, _u32(form.nan))
        value = Select(nan, _u32(_QUIET_NAN), value)
    sign = Binary("shl", Binary("and", code, _u32(form.sign)), _u32(32 - form.bits))
    return _bitcast(Binary("or", value, sign), F32)


def _rounded(bits: Expr, form: _Format, saturate: bool) -> Expr:
    """The code nearest to the f32 of those bits, ties to even, as u8."""
    magnitude = Binary("and", bits, _u32(_SIGN - 1))
    code = _nearest(magnitude, form)
    above = form.largest if saturate else form.infinity
    code = Select(Binary("gt", code, _u32(form.largest)), _u32(above), code)
    sign: Expr = Binary("and", Binary("shr", bits, _u32(32 - form.bits)), _u32(form.sign))
    if not form.has_negative_zero:
        sign = Select(Binary("eq", code, _u32(0)), _u32(0), sign)
    nan = Binary("gt", magnitude, _u32(_INFINITY))
    if form is _FORMATS[F4E2M1]:
        sign = Select(nan, _u32(form.sign), sign)
    code = Select(nan, _u32(form.nan), code)
    return Cast(Binary("or", code, sign), U8)


def _nearest(magnitude: Expr, form: _Format) -> Expr:
    """Rounds the mantissa of a positive f32; results beyond the largest code keep counting.

    Numbers below the smallest normal one are added to a number whose last place is theirs, so that
    the addition rounds them.
    """
    dropped = 23 - form.mantissa
    odd = Binary("and", Binary("shr", magnitude, _u32(dropped)), _u32(1))
    raised = Binary("add", Binary("add", magnitude, _u32((1 << (dropped - 1)) - 1)), odd)
    offset = (127 - form.bias) << form.mantissa
    normal = Binary("sub", Binary("shr", raised, _u32(dropped)), _u32(offset))
    large = 2.0 ** (24 - form.bias - form.mantissa)
    added = Binary("add", _bitcast(magnitude, F32), number(large, F32))
    base = int(np.float32(large).view(np.uint32))
    small = Binary("sub", _bitcast(added, U32), _u32(base))
    smallest = (128 - form.bias) << 23
    return Select(Binary("lt", magnitude, _u32(smallest)), small, normal)


_RAISED = {"up": 0x7FFFFF, "down": 0, "nearest": 0x400000}
"""What is added to an f32's bits before they are cut down to the exponent."""

_SMALL = {"up": 0x400001, "down": 0x800000, "nearest": 0x600000}
"""From which bits on a subnormal f32 becomes 2⁻¹²⁶ and not 2⁻¹²⁷."""


def _power_of_two(bits: Expr, saturate: bool, round_mode: str) -> Expr:
    """The code of f8e8m0 (exponent plus 127, or 255 for NaN) next to an f32, as u8."""
    magnitude = Binary("and", bits, _u32(_SIGN - 1))
    raised = Binary("add", magnitude, _u32(_RAISED[round_mode]))
    normal = Binary("shr", raised, _u32(23))
    small = Cast(Binary("ge", magnitude, _u32(_SMALL[round_mode])), U32)
    code = Select(Binary("lt", magnitude, _u32(0x800000)), small, normal)
    code = Select(Binary("gt", code, _u32(254)), _u32(254 if saturate else 255), code)
    lost = Binary("gt", magnitude, _u32(_INFINITY))
    if not saturate:
        lost = Binary("or", lost, Binary("lt", magnitude, _u32(0x400000)))
    return Cast(Select(lost, _u32(255), code), U8)


def _two_to_the(code: Expr) -> Expr:
    value = Select(Binary("eq", code, _u32(0)), _u32(0x400000), Binary("shl", code, _u32(23)))
    value = Select(Binary("eq", code, _u32(255)), _u32(_QUIET_NAN), value)
    return _bitcast(value, F32)


def _powers_of_two(array: np.ndarray, saturate: bool, round_mode: str) -> np.ndarray:
    """Logarithms of f32 in NumPy, rounded."""
    value = np.abs(array.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        mantissa, exponent = np.frexp(value)  # value = mantissa * 2**exponent, mantissa ≥ 0.5
    grows = {"up": mantissa > 0.5, "down": mantissa > 1, "nearest": mantissa >= 0.75}[round_mode]
    power = exponent.astype(np.int64) - 1 + grows
    power = np.where(np.isinf(value), 128, power)
    below = (value < 2.0**-127) | (value == 0)
    code = np.where(below, 0 if saturate else 255, power + 127)
    code = np.where(power > 127, 254 if saturate else 255, code)
    return np.where(np.isnan(value), 255, code).astype(np.uint8).view(F8E8M0.numpy)
