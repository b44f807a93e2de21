"""Elementwise mathematics: one input, two inputs, any number of inputs."""

from __future__ import annotations

from functools import reduce

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView, normal_axis
from mlc.ir.dtype import F64
from mlc.ir.graph import Value

_UNARY = {
    "Abs": "abs",
    "Acos": "acos",
    "Acosh": "acosh",
    "Asin": "asin",
    "Asinh": "asinh",
    "Atan": "atan",
    "Atanh": "atanh",
    "BitwiseNot": "bitwise_not",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "IsNaN": "isnan",
    "Log": "log",
    "Neg": "neg",
    "Not": "not",
    "Reciprocal": "reciprocal",
    "Round": "round",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Sqrt": "sqrt",
    "Tan": "tan",
    "Tanh": "tanh",
}

_BINARY = {
    "Add": "add",
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "Div": "div",
    "Mul": "mul",
    "Sub": "sub",
}


def unary(op: str) -> Converter:
    """A converter to one core operator of one input."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        return [builder.emit(op, node.input(0))]

    return convert


def binary(op: str) -> Converter:
    """A converter to one core operator of two inputs, which broadcast."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        return [builder.emit(op, node.input(0), node.input(1))]

    return convert


def aligned_binary(op: str) -> Converter:
    """Two inputs before operator set 7, where `axis` places the second one's axes in the first."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x, y = node.input(0), node.input(1)
        if node.flag("broadcast") and node.has("axis"):
            behind = x.type.rank - node.axis("axis", x.type.rank) - y.type.rank
            y = builder.reshape(y, (*y.type.shape, *(1,) * behind))
        return [builder.emit(op, x, y)]

    return convert


def variadic(op: str) -> Converter:
    """A converter that joins any number of inputs by a core operator of two."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        return [reduce(lambda left, right: builder.emit(op, left, right), node.present())]

    return convert


def _mean(builder: Builder, node: NodeView) -> list[Value]:
    (total,) = variadic("add")(builder, node)
    count = len(node.present())
    return [builder.emit("div", total, builder.scalar(count, total.type.dtype))]


def _pow(builder: Builder, node: NodeView) -> list[Value]:
    """The exponent may have another element type; the result has that of the base."""
    base, exponent = node.input(0), node.input(1)
    dtype = base.type.dtype
    if dtype.is_integer and exponent.type.dtype.is_float:
        power = builder.emit("pow", builder.cast(base, F64), builder.cast(exponent, F64))
        return [builder.cast(power, dtype)]
    return [builder.emit("pow", base, builder.cast(exponent, dtype))]


def _mod(builder: Builder, node: NodeView) -> list[Value]:
    op = "rem" if node.flag("fmod") else "mod"
    return [builder.emit(op, node.input(0), node.input(1))]


def _bit_shift(builder: Builder, node: NodeView) -> list[Value]:
    direction = node.text("direction")
    if direction not in ("LEFT", "RIGHT"):
        raise ModelError(f"BitShift: direction '{direction}' is neither LEFT nor RIGHT")
    op = "shift_left" if direction == "LEFT" else "shift_right"
    return [builder.emit(op, node.input(0), node.input(1))]


def _clip_attributes(builder: Builder, node: NodeView) -> list[Value]:
    low = node.number("min") if node.has("min") else None
    high = node.number("max") if node.has("max") else None
    return [clipped(builder, node.input(0), low, high)]


def _clip_inputs(builder: Builder, node: NodeView) -> list[Value]:
    x, low, high = node.input(0), node.optional(1), node.optional(2)
    bounds = [None if bound is None else builder.array(bound) for bound in (low, high)]
    constant = all(b is None or a is not None for b, a in zip((low, high), bounds, strict=True))
    if constant and x.type.dtype.is_float:
        return [clipped(builder, x, *(None if b is None else float(b.item()) for b in bounds))]
    for op, bound in (("max", low), ("min", high)):
        if bound is not None:
            x = builder.emit(op, x, builder.reshape(bound, ()))
    return [x]


def clipped(builder: Builder, x: Value, low: float | None, high: float | None) -> Value:
    """`x` limited from below and above by numbers; None is no limit."""
    if low is not None and high is not None:
        return builder.emit("clip", x, min=low, max=high)
    if low is not None:
        return builder.emit("max", x, builder.scalar(low, x.type.dtype))
    if high is not None:
        return builder.emit("min", x, builder.scalar(high, x.type.dtype))
    return x


def _is_inf(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    found = builder.emit("isinf", x)
    zero = builder.scalar(0, x.type.dtype)
    if not node.flag("detect_negative", True):
        found = builder.emit("and", found, builder.emit("greater", x, zero))
    if not node.flag("detect_positive", True):
        found = builder.emit("and", found, builder.emit("less", x, zero))
    return [found]


def _running(op: str) -> Converter:
    """A running sum or product along an axis."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x = node.input(0)
        axes = builder.required_integers(node.input(1), f"{node.op_type}: the axis")
        if len(axes) != 1:
            raise ModelError(f"{node.op_type}: the axis must be one number, not {len(axes)}")
        axis = normal_axis(axes[0], x.type.rank)
        exclusive, reverse = node.flag("exclusive"), node.flag("reverse")
        return [builder.emit(op, x, axis=axis, exclusive=exclusive, reverse=reverse)]

    return convert


def _identity(builder: Builder, node: NodeView) -> list[Value]:
    return [node.input(0)]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    **{name: unary(op) for name, op in _UNARY.items()},
    **{name: {1: aligned_binary(op), 7: binary(op)} for name, op in _BINARY.items()},
    "BitShift": _bit_shift,
    "Clip": {1: _clip_attributes, 11: _clip_inputs},
    "CumProd": _running("cumprod"),
    "CumSum": _running("cumsum"),
    "Identity": _identity,
    "IsInf": _is_inf,
    "Max": variadic("max"),
    "Mean": _mean,
    "Min": variadic("min"),
    "Mod": _mod,
    "Pow": {1: aligned_binary("pow"), 7: _pow},
    "Sum": variadic("add"),
}
