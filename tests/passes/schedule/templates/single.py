"""One operator as a group, its schedule for a machine, and its results when compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlc.backends.llvm.targets import resolve
from mlc.ir.dtype import F32
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.layout import Layout
from mlc.ir.operators import OPERATORS
from mlc.ir.stmt import Func
from mlc.ir.types import TensorType
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.lower.group import Group, lower_group
from mlc.passes.lower.views import bind_views
from mlc.passes.schedule.templates.base import Knobs
from mlc.passes.schedule.templates.select import schedule_group
from tests.backends.harness import run_compiled

Order = tuple[int, ...] | None


def group_of(
    op: str,
    shapes: Sequence[tuple[int, ...]],
    attrs: dict[str, Any],
    orders: Sequence[Order] = (),
    constants: Sequence[int] = (),
) -> Group:
    """An operator over f32 inputs; `orders` are memory orders of the inputs, then the outputs."""
    given = [None if order is None else Layout(order) for order in orders]
    layouts = iter([*given, *[None] * (len(shapes) + 4 - len(given))])
    inputs = tuple(
        Value(f"x{n}", TensorType(shape, F32, next(layouts))) for n, shape in enumerate(shapes)
    )
    types = OPERATORS[op].infer([value.type for value in inputs], attrs)
    outputs = tuple(Value(f"y{n}", t.with_layout(next(layouts))) for n, t in enumerate(types))
    node = Node(op, inputs, outputs, attrs, ())
    held = {inputs[n]: np.zeros(shapes[n], np.float32) for n in constants}
    free = tuple(value for value in inputs if value not in held)
    graph = Graph("g", free, outputs, (node,), held)
    return lower_group(node, graph, bind_views(graph), graph.constants)


def scheduled(group: Group, target: str, threads: int = 1, knobs: Knobs | None = None) -> Func:
    """The loops ready for the emitter."""
    return finish_loops(schedule_group(group, resolve(target), threads, knobs).func)


def check(group: Group, threads: int = 1, knobs: Knobs | None = None, rtol: float = 1e-5) -> None:
    """The compiled group gives what NumPy gives."""
    generator = np.random.default_rng(0)
    node = group.stages[0].node
    names = dict.fromkeys(group.stages[0].inputs)
    shapes = {param.name: param.shape for param in group.func.params}
    values = {n: generator.standard_normal(shapes[n]).astype(np.float32) for n in names}
    func = scheduled(group, "host", threads, knobs)
    found = run_compiled(func, values, threads=threads, params=group.func.params)
    inputs = [values[name] for name in group.stages[0].inputs]
    (wanted,) = OPERATORS[node.op].reference(inputs, node.attrs)
    np.testing.assert_allclose(found["out0"], wanted, rtol, atol=1e-5)
