"""lower-graph: a fused graph → a `Program` of scheduled kernels and a static plan.

Holds before: every value has a static type; every node that computes is fused or stands alone.
After: views are gone, equal kernels exist once, every buffer has its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.program import (
    KernelCall,
    Place,
    PlainConstant,
    PreparedConstant,
    Program,
    align,
)
from mlc.ir.rewrite import walk
from mlc.ir.stmt import Alloc, Buffer, Func
from mlc.passes.lower.group import Group, group_inputs, lower_group
from mlc.passes.lower.plan_memory import LiveRange, plan_memory
from mlc.passes.lower.views import bind_views

ScheduleGroup = Callable[[Group], Func]


def lower_graph(graph: Graph, schedule: ScheduleGroup) -> Program:
    """Lower every node that computes; `schedule` turns plain loops into the loops to run."""
    return _Lowering(graph, schedule).run()


class _Lowering:
    def __init__(self, graph: Graph, schedule: ScheduleGroup) -> None:
        self.graph = _with_output_copies(graph)
        self.schedule = schedule
        self.views = bind_views(self.graph)
        self.kernels: dict[str, Func] = {}
        self.symbols: dict[Func, str] = {}
        self.constants: dict[object, PlainConstant | PreparedConstant] = {}
        self.constant_bytes = 0
        self.inputs = {value: i for i, value in enumerate(self.graph.inputs)}
        self.outputs: dict[Value, int] = {}
        for number, value in enumerate(self.graph.outputs):
            self.outputs.setdefault(self.views[value].root, number)

    def run(self) -> Program:
        nodes = [node for node in self.graph.nodes if self.computes(node)]
        lowered = [self.lower(node) for node in nodes]
        offsets, arena_bytes = plan_memory(self.live_ranges(nodes, lowered))
        calls = tuple(
            self.call(step, node, *result, offsets)
            for step, (node, result) in enumerate(zip(nodes, lowered, strict=True))
        )
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

    def computes(self, node: Node) -> bool:
        own = any(self.views[value].root is value for value in node.outputs)
        return own and any(math.prod(v.type.static_shape) for v in node.outputs)

    def lower(self, node: Node) -> tuple[str, Func]:
        """The symbol and the scheduled kernel of a node; equal kernels share one symbol."""
        group = lower_group(node, self.graph, self.views, self.graph.constants)
        plain = replace(group.func, name="", loc=())
        symbol = self.symbols.get(plain)
        if symbol is None:
            symbol = f"k{len(self.symbols)}_{_identifier(group.func.name)}"
            self.symbols[plain] = symbol
            func = self.schedule(group)
            self.kernels[symbol] = replace(func, name=symbol)
        return symbol, self.kernels[symbol]

    def live_ranges(self, nodes: list[Node], lowered: list[tuple[str, Func]]) -> list[LiveRange]:
        ranges = []
        last = {self.views[v].root: i for i, node in enumerate(nodes) for v in node.inputs}
        for step, (node, (_, func)) in enumerate(zip(nodes, lowered, strict=True)):
            for value in node.outputs:
                if value not in self.outputs:
                    end = last.get(value, step)
                    ranges.append(LiveRange(value, value.type.bytes, step, end))
            for buffer in _workspaces(func):
                size = buffer.span * buffer.dtype.bytes
                ranges.append(LiveRange((step, buffer.name), size, step, step))
        return ranges

    def call(
        self, step: int, node: Node, symbol: str, func: Func, offsets: Mapping[object, int]
    ) -> KernelCall:
        values = {f"in{i}": value for i, value in enumerate(group_inputs(node))}
        values |= {f"out{i}": value for i, value in enumerate(node.outputs)}
        prepared = {part.params[-1].name: part for part in func.prepare}
        places = []
        for param in func.params:
            if param.name in prepared:
                places.append(self.prepared(prepared[param.name], values, prepared))
            else:
                places.append(self.place(values[param.name], offsets))
        places += [Place("arena", 0, offsets[(step, b.name)]) for b in _workspaces(func)]
        return KernelCall(symbol, tuple(places), node.loc)

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


def _workspaces(func: Func) -> list[Buffer]:
    return [p.buffer for p in walk(func.body) if type(p) is Alloc and p.buffer.scope == "arena"]


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name)[:40]


def _with_output_copies(graph: Graph) -> Graph:
    """Give every output memory of its own.

    An output that is an input, a constant, a second name of another output, or a view of part of
    some memory is copied by an `identity` node; what shows the whole of a computed value in order
    is not.
    """
    views = bind_views(graph)
    taken: set[Value] = set()
    nodes, outputs = list(graph.nodes), []
    for value in graph.outputs:
        view = views[value]
        fixed = view.root in graph.constants or view.root in graph.inputs
        row_major = value.type.with_layout(None).strides
        whole = _dense(value, view.strides) == _dense(value, row_major) and view.offset == 0
        same_size = value.type.elements == view.root.type.elements
        if fixed or view.root in taken or not (whole and same_size):
            copy = Value(f"{value.name}.out", value.type.with_layout(None), value.loc)
            nodes.append(Node("identity", (value,), (copy,), {}, value.loc))
            outputs.append(copy)
        else:
            outputs.append(value)
            taken.add(view.root)
    if all(a is b for a, b in zip(outputs, graph.outputs, strict=True)):
        return graph
    return replace(graph, nodes=tuple(nodes), outputs=tuple(outputs))


def _dense(value: Value, strides: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of the axes that have more than one element."""
    return tuple(s for s, d in zip(strides, value.type.static_shape, strict=True) if d > 1)


