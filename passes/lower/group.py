"""A fused node → its plain loop nests, one per operator, before any schedule.

After: a `Func` whose parameters are called `in0, in1, …` and `out0, …` in the order of the node,
whose temporaries are `t0, t1, …` by node of the body, and whose loops begin with `n0_, n1_, …`. A
contraction or reduction never writes an output itself: a last stage copies, so that schedules
have one shape. Equal computations over equal strides give equal functions, whatever the model
called them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlc.ir.dtype import dtype_of
from mlc.ir.expr import Const, Expr, Load
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.ir.rewrite import map_expr, map_exprs
from mlc.ir.stmt import Alloc, Buffer, Func, Stmt, seq
from mlc.passes.lower.self_copy import drop_self_copies
from mlc.passes.lower.views import View

STAGED = (Kind.CONTRACTION, Kind.REDUCTION)
"""Kinds of operators whose result is always a temporary of the group."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One operator of a group: the buffers it reads and writes, and the prefix of its loops."""

    node: Node
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    prefix: str


@dataclass(frozen=True, slots=True)
class Group:
    """A kernel before scheduling: plain loops, and which nests belong to which operator."""

    func: Func
    stages: tuple[Stage, ...]


def body_of(node: Node, graph: Graph) -> Graph:
    """The body of a fused node; a bare node is a group of one."""
    body = node.attrs.get("body")
    if isinstance(body, Graph):
        return body
    inner = Node(node.op, node.inputs, node.outputs, node.attrs, node.loc)
    inputs = tuple(dict.fromkeys(node.inputs))
    return Graph(node.op, inputs, node.outputs, (inner,), {})


def group_inputs(node: Node) -> tuple[Value, ...]:
    """The values that become the parameters `in0, in1, …` of a node's kernel."""
    if isinstance(node.attrs.get("body"), Graph):
        return node.inputs
    return tuple(dict.fromkeys(node.inputs))


def param_values(node: Node) -> dict[str, Value]:
    """The value behind each parameter of a node's kernel."""
    values = {f"in{number}": value for number, value in enumerate(group_inputs(node))}
    return values | {f"out{number}": value for number, value in enumerate(node.outputs)}


def lower_group(
    node: Node, graph: Graph, views: Mapping[Value, View], constants: Collection[Value]
) -> Group:
    """The plain loops of a node of the fused graph, without copies of memory onto itself."""
    body = body_of(node, graph)
    buffers: dict[Value, Buffer] = {}
    params: list[Buffer] = []
    for number, (inner, outer) in enumerate(zip(body.inputs, group_inputs(node), strict=True)):
        view = views[outer]
        scope = "constant" if view.root in constants else "param"
        params.append(_buffer(f"in{number}", outer, view.strides, scope))
        buffers[inner] = params[-1]
    for number, (inner, outer) in enumerate(zip(body.outputs, node.outputs, strict=True)):
        params.append(_buffer(f"out{number}", outer, views[outer].strides, "param"))
        buffers[inner] = params[-1]
    for number, inner in enumerate(body.constants):
        buffers[inner] = _buffer(f"c{number}", inner, inner.type.strides, "constant")
    scalars = {buffers[value].name: _scalar(array) for value, array in body.constants.items()}
    stages, nests, temporaries = _stages(body, buffers)
    stmt = seq(nests)
    if scalars:
        stmt = _inline_scalars(stmt, scalars)
    for buffer in reversed(temporaries):
        stmt = Alloc(buffer, stmt)
    func = Func(body.name, tuple(params), stmt, node.loc)
    places = {name: views[value] for name, value in param_values(node).items()}
    return Group(drop_self_copies(func, places), tuple(stages))


def _stages(
    body: Graph, buffers: dict[Value, Buffer]
) -> tuple[list[Stage], list[Stmt], list[Buffer]]:
    stages: list[Stage] = []
    nests: list[Stmt] = []
    temporaries: list[Buffer] = []
    copies: list[tuple[Value, Buffer]] = []
    for number, node in enumerate(body.nodes):
        staged = OPERATORS[node.op].kind in STAGED
        for position, value in enumerate(node.outputs):
            if value not in buffers or staged:
                name = f"t{number}" if position == 0 else f"t{number}_{position}"
                if value in buffers:
                    copies.append((value, buffers[value]))
                buffers[value] = _buffer(name, value, value.type.strides, "arena")
                temporaries.append(buffers[value])
        outputs = [buffers[value] for value in node.outputs]
        prefix = f"n{number}_"
        inputs = [buffers[value] for value in node.inputs]
        nests.append(OPERATORS[node.op].loops(inputs, outputs, node.attrs, prefix))
        stages.append(Stage(node, _names(inputs), _names(outputs), prefix))
    for value, target in copies:
        prefix = f"n{len(stages)}_"
        copy = Node("identity", (value,), (value,), {}, value.loc)
        nests.append(OPERATORS["identity"].loops([buffers[value]], [target], {}, prefix))
        stages.append(Stage(copy, _names([buffers[value]]), (target.name,), prefix))
    return stages, nests, temporaries


def _names(buffers: Sequence[Buffer]) -> tuple[str, ...]:
    return tuple(buffer.name for buffer in buffers)


def _buffer(name: str, value: Value, strides: tuple[int, ...], scope: str) -> Buffer:
    dtype = value.type.dtype
    return Buffer(name, value.type.static_shape, strides, dtype, scope, dtype.bytes)


def _scalar(array: np.ndarray) -> Const:
    return Const(array.reshape(-1)[0].item(), dtype_of(array.dtype))


def _inline_scalars(stmt: Stmt, scalars: Mapping[str, Const]) -> Stmt:
    """Replace loads of one-element constants by their value."""

    def on_load(expr: Expr) -> Expr:
        if type(expr) is Load:
            return scalars.get(expr.buffer.name, expr)
        return expr

    return map_exprs(stmt, lambda expr: map_expr(expr, on_load))
