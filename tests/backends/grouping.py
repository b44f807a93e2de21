"""From an operator case to a scheduled kernel: memory orders, constants, template, knobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from mlc.backends.llvm.targets import resolve
from mlc.errors import ScheduleError
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.layout import Layout
from mlc.ir.stmt import Func
from mlc.ir.text import print_func
from mlc.ir.types import TensorType
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.lower.group import Group, group_inputs, lower_group
from mlc.passes.lower.views import View
from mlc.passes.schedule.templates.base import Knobs, Machine
from mlc.passes.schedule.templates.select import schedule_group, template_for
from tests.strategies.cases import Case

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, repr=False)
class Lowered:
    """The plain loops of a case, and the contents of its input parameters by name."""

    case: Case
    group: Group
    inputs: dict[str, Array]

    def __repr__(self) -> str:
        constants = [b.name for b in self.group.func.params if b.scope == "constant"]
        return (
            f"{self.case.op} {dict(self.case.attrs)}\n{print_func(self.group.func)}\n"
            f"inputs {self.inputs}, of which constant: {constants}"
        )

    def scheduled(self, target: str, threads: int, knobs: Knobs | None = None) -> Func:
        """The loops ready for the emitter."""
        machine = Machine(resolve(target), threads)
        chosen = template_for(self.group).default(self.group, machine) if knobs is None else knobs
        schedule = schedule_group(self.group, machine.target, threads, chosen)
        return finish_loops(schedule.func)


@st.composite
def _strides(draw: st.DrawFn, tensor: TensorType) -> tuple[int, ...]:
    """A memory order of the axes, perhaps with gaps or a reversed axis."""
    strides = [0] * tensor.rank
    step = draw(st.sampled_from([1, 1, 1, 2]))
    for axis in draw(st.permutations(range(tensor.rank))):
        strides[axis] = step
        step *= tensor.static_shape[axis] + draw(st.sampled_from([0, 0, 3]))
    if strides and draw(st.integers(0, 3)) == 0:
        axis = draw(st.integers(0, tensor.rank - 1))
        strides[axis] *= -1
    return tuple(strides)


@st.composite
def lowered(draw: st.DrawFn, cases: st.SearchStrategy[Case], *, constants: bool = True) -> Lowered:
    """A case as a group: each input in any memory order, some of them constants if allowed."""
    case = draw(cases)
    inputs = [Value(f"x{n}", tensor) for n, tensor in enumerate(case.types)]
    views = {value: View(value, 0, value.type.strides) for value in inputs}
    known: dict[Value, Array] = {}
    ways = ["plain", "strided", "constant"] if constants else ["plain", "strided"]
    for value, array in zip(inputs, case.inputs, strict=True):
        how = draw(st.sampled_from(ways))
        if how == "constant":
            known[value] = array
        if how == "strided":
            views[value] = View(value, 0, draw(_strides(value.type)))
    outputs = []
    for number, tensor in enumerate(case.outputs):
        order = draw(st.permutations(range(tensor.rank))) if draw(st.booleans()) else None
        layout = None if order is None else Layout(tuple(order))
        outputs.append(Value(f"y{number}", tensor.with_layout(layout)))
    node = Node(case.op, tuple(inputs), tuple(outputs), case.attrs, ("the node",))
    views.update({value: View(value, 0, value.type.strides) for value in outputs})
    graph = Graph("test", tuple(inputs), tuple(outputs), (node,), known)
    group = lower_group(node, graph, views, known)
    arrays = dict(zip(inputs, case.inputs, strict=True))
    named = {f"in{n}": arrays[value] for n, value in enumerate(group_inputs(node))}
    return Lowered(case, group, named)


@st.composite
def knobs_for(draw: st.DrawFn, group: Group, target: str, threads: int) -> Knobs:
    """Any point of the spaces of a group's template that applies."""
    machine = Machine(resolve(target), threads)
    space = draw(st.sampled_from(template_for(group).spaces(group, machine)))
    knobs = {name: draw(st.sampled_from(list(choices))) for name, choices in space.items()}
    try:
        schedule_group(group, machine.target, threads, knobs)
    except ScheduleError:
        reject()
    return knobs
