"""Training: derivatives, and optimizers, which take one step for each tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.gradients import gradients
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.graph import Value

_Step = Callable[[Builder, NodeView, Value, Value, Sequence[Value]], Sequence[Value]]
"""(…, rate, count of steps before, [tensor, gradient, state …]) → [new tensor, new state …]."""


def _optimizer(states: int, step: _Step) -> Converter:
    """After rate and count the inputs are all tensors, all gradients, then each kind of state."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        values = node.present()
        count, rest = divmod(len(values) - 2, 2 + states)
        if rest or count < 1:
            raise ModelError(
                f"{node.op_type}: {len(values)} inputs, expected 2 and {2 + states} per tensor"
            )
        rate, before = (builder.reshape(value, ()) for value in values[:2])
        results = [
            step(builder, node, rate, before, values[2 + position :: count])
            for position in range(count)
        ]
        return [value for kind in zip(*results, strict=True) for value in kind]

    return convert


def _regularized(builder: Builder, node: NodeView, x: Value, gradient: Value) -> Value:
    """The gradient with that of the regularization."""
    factor = node.number("norm_coefficient", 0.0)
    if factor == 0:
        return gradient
    return builder.emit("add", builder.scaled(x, factor), gradient)


def _mixed(builder: Builder, old: Value, share: float, new: Value, rest: float) -> Value:
    """Share * old + rest * new."""
    return builder.emit("add", builder.scaled(old, share), builder.scaled(new, rest))


def _adagrad(
    builder: Builder, node: NodeView, rate: Value, count: Value, values: Sequence[Value]
) -> list[Value]:
    x, gradient, squares = values
    dtype = x.type.dtype
    slope = _regularized(builder, node, x, gradient)
    decay = builder.scaled(builder.cast(count, dtype), node.number("decay_factor", 0.0))
    rate = builder.emit("div", builder.cast(rate, dtype), builder.shifted(decay, 1.0))
    squares = builder.emit("add", squares, builder.emit("mul", slope, slope))
    length = builder.shifted(builder.emit("sqrt", squares), node.number("epsilon", 1e-6))
    change = builder.emit("div", builder.emit("mul", rate, slope), length)
    return [builder.emit("sub", x, change), squares]


def _adam(
    builder: Builder, node: NodeView, rate: Value, count: Value, values: Sequence[Value]
) -> list[Value]:
    x, gradient, mean, squares = values
    alpha, beta = node.number("alpha", 0.9), node.number("beta", 0.999)
    slope = _regularized(builder, node, x, gradient)
    mean = _mixed(builder, mean, alpha, slope, 1 - alpha)
    squares = _mixed(builder, squares, beta, builder.emit("mul", slope, slope), 1 - beta)
    length = builder.shifted(builder.emit("sqrt", squares), node.number("epsilon", 1e-6))
    rate = _unbiased(builder, builder.cast(rate, x.type.dtype), count, alpha, beta)
    change = builder.emit("mul", rate, builder.emit("div", mean, length))
    moved = builder.emit("sub", x, change)
    after = node.number("norm_coefficient_post", 0.0)
    return [builder.scaled(moved, 1 - after), mean, squares]


def _unbiased(builder: Builder, rate: Value, count: Value, alpha: float, beta: float) -> Value:
    """The rate after the first step: times sqrt(1 - beta^t) / (1 - alpha^t)."""
    dtype = rate.type.dtype
    steps, one = builder.cast(count, dtype), builder.scalar(1.0, dtype)

    def rest(base: float) -> Value:
        return builder.emit("sub", one, builder.emit("pow", builder.scalar(base, dtype), steps))

    factor = builder.emit("div", builder.emit("sqrt", rest(beta)), rest(alpha))
    later = builder.emit("greater", count, builder.scalar(0, count.type.dtype))
    return builder.emit("select", later, builder.emit("mul", rate, factor), rate)


def _momentum(
    builder: Builder, node: NodeView, rate: Value, count: Value, values: Sequence[Value]
) -> list[Value]:
    x, gradient, speed = values
    dtype, mode = x.type.dtype, node.text("mode")
    if mode not in ("standard", "nesterov"):
        raise ModelError(f"Momentum: mode '{mode}' is neither standard nor nesterov")
    alpha = node.number("alpha")
    slope = _regularized(builder, node, x, gradient)
    later = builder.emit("greater", count, builder.scalar(0, count.type.dtype))
    beta = builder.emit(
        "select", later, builder.scalar(node.number("beta"), dtype), builder.scalar(1.0, dtype)
    )
    pushed = builder.emit("mul", beta, slope)
    speed = builder.emit("add", builder.scaled(speed, alpha), pushed)
    step = speed
    if mode == "nesterov":
        step = builder.emit("add", slope, builder.scaled(speed, alpha))
    change = builder.emit("mul", builder.cast(rate, dtype), step)
    return [builder.emit("sub", x, change), speed]


def _gradient(builder: Builder, node: NodeView) -> list[Value]:
    """The derivatives of one tensor of the graph by others, at the values these have."""
    names, goal = node.texts("xs"), node.text("y")
    y = node.named(goal)
    if y is None:
        raise UnsupportedError(f"Gradient: '{goal}' is not computed before")
    sources = [node.named(name) for name in (*names, *node.texts("zs", ()))]
    if sources != list(node.inputs):
        raise UnsupportedError(
            "Gradient: inputs other than the tensors that xs and zs name are not supported"
        )
    return gradients(builder, y, node.present()[: len(names)])


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Adagrad": _optimizer(1, _adagrad),
    "Adam": _optimizer(2, _adam),
    "Gradient": _gradient,
    "Momentum": _optimizer(1, _momentum),
}
