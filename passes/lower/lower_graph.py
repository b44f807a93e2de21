"""lower-graph: a fused graph → a `Program` of scheduled kernels and a static plan.

Holds before: every value has a static type; every node that computes is fused or stands alone.
After: views are gone, equal kernels exist once, every buffer has its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlc.ir.expr import Const
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.program import (
    KernelCall,
    Place,
    PlainConstant,
    PreparedConstant,
    Program,
    align,
)
from mlc.ir.rewrite import walk, walk_exprs
from mlc.ir.stmt import Alloc, Buffer, Func, seq
from mlc.ir.work import Work, work_of
from mlc.passes.lower.group import Group, lower_group, param_values
from mlc.passes.lower.outputs import with_output_copies
from mlc.passes.lower.plan_memory import LiveRange, plan_memory
from mlc.passes.lower.storage import bind_storage, computing_nodes

ScheduleGroup = Callable[[Group], Func]


def lower_graph(graph: Graph, schedule: ScheduleGroup) -> Program:
    """Lower every node that computes; `schedule` turns plain loops into the loops to run."""
    return _Lowering(graph, schedule).run()


@dataclass(frozen=True, slots=True)
class _Step:
    """A call in the making: the values of all parameters by name, and the kernel."""

    node: Node
    values: Mapping[str, Value]
    params: tuple[str, ...]
    symbol: str
    func: Func


class _Lowering:
    def __init__(self, graph: Graph, schedule: ScheduleGroup) -> None:
        self.graph = with_output_copies(graph)
        self.schedule = schedule
        self.views = bind_storage(self.graph)
        self.kernels: dict[str, Func] = {}
        self.symbols: dict[tuple[Func, tuple[float, ...]], str] = {}
        self.work: dict[str, Work] = {}
        self.constants: dict[object, PlainConstant | PreparedConstant] = {}
        self.constant_bytes = 0
        self.inputs = {value: i for i, value in enumerate(self.graph.inputs)}
        self.outputs: dict[Value, int] = {}
        for number, value in enumerate(self.graph.outputs):
            self.outputs.setdefault(self.views[value].root, number)

    def run(self) -> Program:
        lowered = (self.lower(node) for node in computing_nodes(self.graph))
        steps = [step for step in lowered if step is not None]
        offsets, arena_bytes = plan_memory(self.live_ranges(steps))
        calls = tuple(self.call(number, step, offsets) for number, step in enumerate(steps))
        return Program(
            self.graph.name,
            self.graph.inputs,
            self.graph.outputs,
            self.kernels,
            calls,
            tuple(self.constants.values()),
            self.constant_bytes,
            arena_bytes,
        )

    def lower(self, node: Node) -> _Step | None:
        """The scheduled kernel of a node, shared by equal ones; None where nothing is to do."""
        group = lower_group(node, self.graph, self.views, self.graph.constants)
        if group.func.body == seq(()):
            return None
        plain = replace(group.func, name="", loc=())
        key = plain, _signs_of_zeros(plain)
        symbol = self.symbols.get(key)
        if symbol is None:
            symbol = f"k{len(self.symbols)}_{_identifier(group.func.name)}"
            self.symbols[key] = symbol
            self.work[symbol] = work_of(plain)
            func = self.schedule(group)
            self.kernels[symbol] = replace(func, name=symbol)
        params = tuple(param.name for param in group.func.params)
        return _Step(node, param_values(node), params, symbol, self.kernels[symbol])

    def live_ranges(self, steps: Sequence[_Step]) -> list[LiveRange]:
        """One range for each root in the arena, over all views of it, and one per workspace."""
        alive: dict[Value, tuple[int, int]] = {}
        ranges = []
        for number, step in enumerate(steps):
            for name in step.params:
                root = self.views[step.values[name]].root
                alive[root] = (alive.get(root, (number, number))[0], number)
            for buffer in _workspaces(step.func):
                size = buffer.span * buffer.dtype.bytes
                ranges.append(LiveRange((number, buffer.name), size, number, number))
        elsewhere = (self.inputs, self.outputs, self.graph.constants)
        for root, (first, last) in alive.items():
            if not any(root in place for place in elsewhere):
                ranges.append(LiveRange(root, root.type.bytes, first, last))
        return ranges

    def call(self, number: int, step: _Step, offsets: Mapping[object, int]) -> KernelCall:
        prepared = {part.params[-1].name: part for part in step.func.prepare}
        places = []
        for param in step.func.params:
            if param.name in prepared:
                places.append(self.prepared(prepared[param.name], step.values, prepared))
            else:
                places.append(self.place(step.values[param.name], offsets))
        workspaces = _workspaces(step.func)
        places += [Place("arena", 0, offsets[(number, buffer.name)]) for buffer in workspaces]
        return KernelCall(step.symbol, tuple(places), step.node.loc, self.work[step.symbol])

    def place(self, value: Value, offsets: Mapping[object, int]) -> Place:
        view = self.views[value]
        root, offset = view.root, view.offset * value.type.dtype.bytes
        if root in self.graph.constants:
            start = self.plain(root).place.offset
            return Place("constant", 0, start + offset)
        if root in self.inputs:
            return Place("input", self.inputs[root], offset)
        if root in self.outputs:
            return Place("output", self.outputs[root], offset)
        return Place("arena", 0, offsets[root] + offset)

    def plain(self, root: Value) -> PlainConstant:
        found = self.constants.get(root)
        if found is None:
            buffer = Buffer("constant", root.type.static_shape, root.type.strides, root.type.dtype)
            place = self.reserve(root.type.bytes)
            found = PlainConstant(self.graph.constants[root], buffer, place)
            self.constants[root] = found
        assert isinstance(found, PlainConstant)
        return found

    def prepared(
        self, func: Func, values: Mapping[str, Value], others: Mapping[str, Func]
    ) -> Place:
        """The place of a constant that `func` writes; shared by calls with the same sources."""
        sources = [values[param.name] for param in func.params[:-1]]
        key = (replace(func, name=""), *sources)
        found = self.constants.get(key)
        if found is None:
            target = func.params[-1]
            place = self.reserve(target.span * target.dtype.bytes)
            arrays = tuple(self.viewed(value) for value in sources)
            found = PreparedConstant(func, arrays, place)
            self.constants[key] = found
        return found.place

    def viewed(self, value: Value) -> np.ndarray:
        """The array of a constant value, with the strides that the kernel's parameter has."""
        view = self.views[value]
        root = self.graph.constants[view.root]
        order = view.root.type.memory_layout.order
        memory = np.ascontiguousarray(root.transpose(order)).reshape(-1)
        size = value.type.dtype.bytes
        strides = tuple(stride * size for stride in view.strides)
        start = memory[view.offset :]
        return np.lib.stride_tricks.as_strided(start, value.type.static_shape, strides)

    def reserve(self, size: int) -> Place:
        place = Place("constant", 0, self.constant_bytes)
        self.constant_bytes += align(size)
        return place


def _signs_of_zeros(func: Func) -> tuple[float, ...]:
    """What tells functions apart that are equal because −0.0 equals 0.0."""
    constants = (e for e in walk_exprs(func.body) if type(e) is Const and e.type.is_float)
    return tuple(math.copysign(1.0, e.value) for e in constants if e.value == 0)


def _workspaces(func: Func) -> list[Buffer]:
    return [p.buffer for p in walk(func.body) if type(p) is Alloc and p.buffer.scope == "arena"]


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name)[:40]
