"""Runs a region: stage after stage, each compiled when its signature is met for the first time.

A value is dropped as soon as no later stage reads it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import onnx

from mlc.errors import InputError, MlcError
from mlc.importers.onnx.node import NodeView, checked_attributes, node_loc
from mlc.importers.onnx.reading import Source
from mlc.importers.onnx.registry import DOMAIN_ALIASES
from mlc.ir.dtype import dtype_of
from mlc.ir.graph import Graph, Value
from mlc.ir.types import TensorType
from mlc.runtime.executable import Threads
from mlc.runtime.module import Module
from mlc.staged.held import Held, is_tensor
from mlc.staged.importing import import_stage
from mlc.staged.region import Environment, Pending, Region
from mlc.staged.stage import CompileGraph, HostCall, Stage, made_stage
from mlc.staged.step import Body, SingleStage, Steps, takes_step
from mlc.staged.variants import Variants, array_of


class Runner:
    """Runs the regions of one model; calls may come from many threads at once."""

    def __init__(
        self, source: Source, compile_graph: CompileGraph, steps: Steps, max_variants: int
    ) -> None:
        self._source = source
        self._compile_graph = compile_graph
        self._steps = steps
        self._variants = Variants(max_variants)
        self._compiling = threading.RLock()
        self._threads: Threads | None = None

    @property
    def variants(self) -> int:
        """How many compiled stages are kept."""
        return len(self._variants)

    def clear(self) -> None:
        """Forget all stages; calls that run go on."""
        with self._compiling:
            self._variants.clear()
            self._threads = None

    def run(self, part: Region, live: dict[str, Held]) -> dict[str, Held]:
        """The outputs of a region; `live` gives what it reads, and is used up."""
        outputs = part.outputs
        remaining: Region | None = part
        while remaining is not None:
            stage = self._stage(remaining, live)
            stage.compute(live)
            for call in stage.hosts:
                self._take(call, live)
            remaining = stage.rest
            kept = set(outputs) if remaining is None else {*outputs, *remaining.reads}
            for name in live.keys() - kept:
                del live[name]
        return {name: live[name] for name in outputs}

    def _stage(self, part: Region, live: Mapping[str, Held]) -> Stage:
        stage = self._variants.find(part, live)
        if stage is not None:
            return stage
        with self._compiling:
            stage = self._variants.find(part, live)
            if stage is None:
                stage = self._made(part, live)
                self._variants.keep(part, live, stage)
            return stage

    def _made(self, part: Region, live: Mapping[str, Held]) -> Stage:
        """Import and compile a stage; once more where values turn out to be demanded."""
        types = {name: _type_of(live[name]) for name in part.reads}
        wants_host = partial(takes_step, self._steps)
        demands = self._variants.demands(part, live)
        while True:
            known = {name: array_of(live[name]).copy() for name in demands}
            found = import_stage(self._source, part, types, known, wants_host)
            if not found.demands:
                break
            demands += found.demands
        hosts = tuple(self._host_call(item, found.environment) for item in found.hosts)
        if found.rest is not None and found.rest.digest == part.digest and not hosts:
            raise MlcError(f"{node_loc(part.nodes[0].node)} waits for what nobody computes")
        return made_stage(found, self._compiled, hosts, demands)

    def _compiled(self, graph: Graph) -> Module:
        """The module of a graph; all modules share the threads of the first."""
        module = self._compile_graph(graph)
        self._threads = module.share_threads(self._threads)
        return module

    def _host_call(self, item: Pending, environment: Environment) -> HostCall:
        node = item.node
        domain = DOMAIN_ALIASES.get(node.domain, node.domain)
        opset = item.origin.opsets.get(domain, 0)
        attributes = checked_attributes(node, domain, opset)
        view = NodeView(node, domain, opset, (), attributes, self._source.files, _no_body)
        return HostCall(view, self._steps[domain, node.op_type], item.origin, environment)

    def _take(self, call: HostCall, live: dict[str, Held]) -> None:
        """Take a step of the host; its outputs join the live values."""
        node = call.view.proto
        inputs = [live[name] if name else None for name in node.input]
        try:
            outputs = call.step.run(call.view, inputs, partial(self._body, call, live))
        except MlcError as error:
            error.node = error.node or node_loc(node)
            raise
        for position, name in enumerate(node.output):
            if name:
                live[name] = outputs[position]

    def _body(self, call: HostCall, live: Mapping[str, Held], graph: onnx.GraphProto) -> Body:
        return _RegionBody(self, graph, call.body(graph), live)

    def single_stage(
        self, part: Region, live: Mapping[str, Held], constant: Collection[str]
    ) -> Stage | None:
        """The stage that computes all of `part`, whatever the elements of the live values.

        Elements of `constant` ones may matter. None where one stage is not enough.
        """
        stage = self._stage(part, live)
        whole = stage.rest is None and not stage.hosts and not stage.cuts
        return stage if whole and set(stage.demands) <= set(constant) else None


class _RegionBody:
    """A subgraph where it stands: a region, and the captured values."""

    def __init__(
        self, runner: Runner, graph: onnx.GraphProto, part: Region, live: Mapping[str, Held]
    ) -> None:
        self.inputs = tuple(value.name for value in graph.input)
        self.outputs = tuple(value.name for value in graph.output)
        self._runner, self._part = runner, part
        self._captured = {name: live[name] for name in part.reads if name not in self.inputs}

    def __call__(self, inputs: Sequence[Held]) -> list[Held]:
        results = self._runner.run(self._part, self._live(inputs))
        return [results[name] for name in self.outputs]

    def single_stage(self, inputs: Sequence[Held]) -> SingleStage | None:
        live = self._live(inputs)
        stage = self._runner.single_stage(self._part, live, self._captured)
        if stage is None:
            return None
        return SingleStage(
            stage.module, stage.inputs, live, stage.results, stage.fixed, stage.aliases
        )

    def _live(self, inputs: Sequence[Held]) -> dict[str, Held]:
        if len(inputs) != len(self.inputs):
            raise InputError(f"a subgraph takes {len(self.inputs)} inputs, {len(inputs)} are given")
        return {**self._captured, **dict(zip(self.inputs, inputs, strict=True))}


def _no_body(graph: onnx.GraphProto) -> list[Value]:
    raise MlcError("a step of the host imports no subgraph")


def _type_of(value: Held) -> TensorType | None:
    return TensorType(value.shape, dtype_of(value.dtype)) if is_tensor(value) else None
