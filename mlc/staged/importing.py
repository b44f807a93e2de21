"""Imports as much of a region as can be compiled now.

A node whose converter asks for elements that are not known yet is put off, and so is what depends
on it, on a result that the host has to cut, or on a step of the host. An `If` whose condition is
known is replaced by its branch, a call of a function by the function's body.

Holds after `import_stage`: `results` of the stage's graph, `fixed` arrays, live values and the
environment of `rest` together give everything that the nodes of `rest`, the steps in `hosts` and
the outputs of the region read and that is not put off itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import onnx

from mlc.errors import MlcError, ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder, Cut
from mlc.importers.onnx.conversion import Conversion, Initializer, Operand, Scope, Unavailable
from mlc.importers.onnx.coverage import SurveyRow, unsupported_error
from mlc.importers.onnx.demand import NeedsValue
from mlc.importers.onnx.node import checked_attributes, node_loc
from mlc.importers.onnx.ordering import sorted_nodes
from mlc.importers.onnx.reading import Source
from mlc.importers.onnx.registry import DOMAIN_ALIASES
from mlc.ir.graph import Graph, Value
from mlc.ir.types import TensorType
from mlc.staged.handover import HandOver
from mlc.staged.held import Array, strings_from_onnx
from mlc.staged.region import Environment, Pending, Region, region
from mlc.staged.splice import spliced

DEMAND_LIMIT = 1 << 12
"""So many elements may be demanded of one value: they become part of the compiled code."""

WantsHost = Callable[[onnx.NodeProto, str, int, bool], bool]
"""(node, domain, operator set, whether it reads what is no plain tensor) → whether the host does
it."""


@dataclass(frozen=True)
class HostCut:
    """After the stage, `name` keeps its first elements along `axis`: as many as `count` holds."""

    name: str
    axis: int
    count: str


@dataclass(frozen=True)
class StageImport:
    """One stage: what to compile, what the host does after, and what remains.

    `demands` names live values whose elements must be known first; then nothing else counts.
    `inputs` and `results` are the names of the graph's inputs and outputs. `fixed` arrays are there
    without computing, `aliases` are live values under a second name.
    """

    demands: tuple[str, ...] = ()
    graph: Graph | None = None
    inputs: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    cuts: tuple[HostCut, ...] = ()
    fixed: Mapping[str, Array] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[Pending, ...] = ()
    environment: Environment = field(default_factory=Environment)
    rest: Region | None = None


def import_stage(
    source: Source,
    part: Region,
    types: Mapping[str, TensorType | None],
    known: Mapping[str, Array],
    wants_host: WantsHost,
) -> StageImport:
    """Import what can be imported of `part`.

    `types` are those of the live values that it reads, None for what is no plain tensor; `known`
    are the elements of some of them. Raises `UnsupportedError` that lists what of this stage is not
    supported, and what converters raise for nodes that are wrong.
    """
    conversion = StageConversion(source, part, types, known, wants_host)
    conversion.import_region()
    error = unsupported_error(conversion.rows)
    if error is not None:
        raise error
    return conversion.finish()


@dataclass(frozen=True, kw_only=True)
class _Live(Unavailable):
    """A live value that no node has read yet."""

    type: TensorType


@dataclass(frozen=True, kw_only=True)
class _Known(Unavailable):
    """An array that no node has read yet."""

    array: Array


class _Foreign(Unavailable):
    """A live value that is no plain tensor."""


class Waiting(Unavailable):
    """The output of a node that was put off, or a result that is still to be cut."""


def _is_foreign(found: object) -> bool:
    if isinstance(found, Initializer):
        return found.tensor.data_type == onnx.TensorProto.STRING
    return isinstance(found, _Foreign)


class StageConversion(Conversion):
    """The import of one stage."""

    def __init__(
        self,
        source: Source,
        part: Region,
        types: Mapping[str, TensorType | None],
        known: Mapping[str, Array],
        wants_host: WantsHost,
    ) -> None:
        super().__init__(source, {}, strict=True)
        self.builder = Builder(staged=True)
        self._expander.reserve(name for item in part.nodes for name in (*item.reads, *item.writes))
        self.put_off: list[tuple[Pending, bool]] = []
        self._part = part
        self._types = types
        self._wants_host = wants_host
        self._initializers = dict(part.environment.initializers)
        self._static: dict[str, Pending] = {}
        self._demands: dict[str, None] = {}
        self._live: dict[Value, str] = {}
        self._cuts: dict[str, tuple[Value, Cut]] = {}
        self._scope: Scope = dict(self._initializers)
        arrays = {**part.environment.constants, **known}
        self._scope.update((name, _Known(array=array)) for name, array in arrays.items())
        for name, tensor_type in types.items():
            if tensor_type is None:
                self._scope[name] = _Foreign("it reads a value that is no tensor of numbers")
            elif name not in known:
                self._scope[name] = _Live(type=tensor_type)

    # Nodes

    def import_region(self) -> None:
        """Import or put off every node; notes what is unsupported."""
        waiting = deque(self._part.nodes)
        while waiting:
            item = waiting.popleft()
            try:
                waiting.extendleft(reversed(self._place(item)))
            except UnsupportedError as error:
                self._refuse(item, error)
            except MlcError as error:
                error.node = error.node or node_loc(item.node)
                raise

    def _place(self, item: Pending) -> Sequence[Pending]:
        """Import one node, or put it off; gives the nodes that take its place."""
        node, origin = item.node, item.origin
        domain = DOMAIN_ALIASES.get(node.domain, node.domain)
        opset = origin.opsets.get(domain, 0)
        found = [self._scope[name] for name in node.input if name]
        if any(isinstance(operand, Waiting) for operand in found):
            return self._put_off(item)
        foreign = any(map(_is_foreign, found))
        if self._wants_host(node, domain, opset, foreign):
            return self._put_off(item, host=True)
        operands = self._operands(node, self._scope)
        before = len(self.rows)
        try:
            if (domain, node.op_type) == ("", "If"):
                checked_attributes(node, domain, opset)
                if self._is_decided(operands[0]):
                    return self._branch(item, operands[0])
            expansion = self._expansion(node, domain, opset, operands, origin)
            if expansion is not None:
                nodes = sorted_nodes(expansion.graph, self._scope)
                return [Pending(inner, expansion.origin) for inner in nodes]
            outputs = self._convert(node, domain, opset, operands, self._scope, origin)
            del self.rows[before:]
        except NeedsValue as error:
            del self.rows[before:]
            self._demand(error, operands)
            return self._put_off(item)
        self._keep(item, outputs)
        return ()

    def _is_decided(self, condition: Operand) -> bool:
        """Whether it is known which branch is taken, or nothing can be known of it."""
        return not isinstance(condition, Value) or self.builder.array(condition) is not None

    def _branch(self, item: Pending, condition: Operand) -> Sequence[Pending]:
        """The nodes of the branch that is taken."""
        if condition is None:
            raise ModelError("If: input 0 is missing")
        if not isinstance(condition, Value):
            self._keep(item, None)
            return ()
        elements = self.builder.required(condition, "If: the condition")
        if elements.size != 1:
            raise ModelError(f"If: the condition must be one element, not {condition.type}")
        taken = bool(elements.item())
        name = "then_branch" if taken else "else_branch"
        branches = [entry.g for entry in item.node.attribute if entry.name == name]
        if not branches:
            raise ModelError(f"If: attribute {name} is missing")
        nodes, tensors = spliced(item, branches[0], self._expander.fresh)
        self._initializers.update(tensors)
        self._scope.update(tensors)
        return nodes

    def _put_off(self, item: Pending, *, host: bool = False) -> Sequence[Pending]:
        self._scope.update((name, Waiting()) for name in item.writes)
        self.put_off.append((item, host))
        return ()

    def _demand(self, error: NeedsValue, operands: Sequence[Operand]) -> None:
        """Note which live values must be known before this can go on.

        A value that this stage computes is live in the next one, and is demanded there.
        """
        values = [value for value in operands if isinstance(value, Value)]
        asked = [value for value in error.values if value in values] or values
        open_values = [value for value in asked if self.builder.array(value) is None]
        if not open_values:
            raise error
        for value in open_values:
            if value in self._live:
                if value.type.elements > DEMAND_LIMIT:
                    raise UnsupportedError(
                        f"{error.message}; {value.type} has more than {DEMAND_LIMIT} elements"
                    )
                self._demands[self._live[value]] = None

    def _keep(self, item: Pending, outputs: Sequence[Value] | None) -> None:
        if all(name in self._initializers or name in self._static for name in item.reads):
            self._static.update((name, item) for name in item.writes)
        for position, name in enumerate(item.node.output):
            if not name:
                continue
            value = None if outputs is None else outputs[position]
            if value is None:
                self._scope[name] = Unavailable()
                continue
            self.builder.name(value, name)
            cut = self.builder.cuts.get(value)
            self._scope[name] = value if cut is None else Waiting()
            if cut is not None:
                self._cuts[name] = value, cut

    def _refuse(self, item: Pending, error: UnsupportedError) -> None:
        """Note an unsupported node; what depends on it is passed over."""
        node = item.node
        types = tuple(self._type_of(name) for name in node.input)
        opset = item.origin.opsets.get(DOMAIN_ALIASES.get(node.domain, node.domain), 0)
        reason = error.message.removeprefix(f"{node.op_type}: ")
        self.rows.append(
            SurveyRow(node_loc(node), node.op_type, node.domain, opset, types, False, reason)
        )
        self._scope.update((name, Unavailable()) for name in item.writes)

    def _type_of(self, name: str) -> str:
        found = self._scope.get(name)
        tensor_type = found.type if isinstance(found, Value | _Live) else None
        return str(tensor_type) if tensor_type is not None else "?" if name else "-"

    def _read(self, name: str, scope: Scope) -> Value | Unavailable:
        """What is first read becomes an input of the graph, or a constant of it."""
        found = scope[name]
        if isinstance(found, _Live):
            value = scope[name] = self.builder.input(name, found.type)
            if self._scope.get(name) is found:
                # Read in a branch: what comes after reads the same input.
                self._scope[name] = value
            self._live[value] = name
        elif isinstance(found, _Known):
            scope[name] = self.builder.constant(found.array, name)
        return super()._read(name, scope)

    # The end

    def finish(self) -> StageImport:
        """The stage, when every node is placed."""
        if self._demands:
            return StageImport(demands=tuple(self._demands))
        hosts, later = self._scheduled()
        written = {name for item in later for name in item.writes}
        returned = {name for name in self._part.outputs if name not in written}
        returned.update(name for item in hosts for name in item.node.input if name)
        wanted = returned.union(name for item in (*hosts, *later) for name in item.reads)
        around = self._part.environment
        ready = {*self._initializers, *around.constants, *self._static}
        handed = HandOver(self.builder, self._live, ready)
        for name in sorted((wanted & self._scope.keys()) - self._types.keys()):
            found = self._scope[name]
            if name in returned and isinstance(found, Initializer):
                if _is_foreign(found):
                    handed.fixed[name] = strings_from_onnx(found.tensor)
                    continue
                found = self._read(name, self._scope)
            elif name in returned and isinstance(found, _Known):
                found = self._read(name, self._scope)
            handed.hand_on(name, found, returned=name in returned)
        environment = Environment(
            self._initializers,
            {**around.constants, **handed.constants},
            {**around.producers, **self._static},
        )
        rest = None
        if later:
            outputs = [name for name in self._part.outputs if name in written]
            rest = region(self._part.name, later, outputs, environment)
        cuts = {name: found for name, found in self._cuts.items() if name in wanted}
        return self._stage(handed, cuts, tuple(hosts), environment, rest)

    def _stage(
        self,
        handed: HandOver,
        cut_values: Mapping[str, tuple[Value, Cut]],
        hosts: tuple[Pending, ...],
        environment: Environment,
        rest: Region | None,
    ) -> StageImport:
        results = dict(handed.results)
        cuts = []
        for name, (value, cut) in cut_values.items():
            count = self._expander.fresh(f"{name}.count")
            results[name], results[count] = value, cut.count
            cuts.append(HostCut(name, cut.axis, count))
        graph = self.builder.graph(self._part.name, list(results.items())) if results else None
        return StageImport(
            graph=graph,
            inputs=tuple(self._live.values()) if graph is not None else (),
            results=tuple(results),
            cuts=tuple(cuts),
            fixed=handed.fixed,
            aliases=handed.aliases,
            hosts=hosts,
            environment=environment,
            rest=rest,
        )

    def _scheduled(self) -> tuple[list[Pending], list[Pending]]:
        """The steps that the host can take when this stage has run, and the nodes after those."""
        hosts, later = [], []
        missing: set[str] = set()
        for item, host in self.put_off:
            if host and missing.isdisjoint(item.reads):
                hosts.append(item)
            else:
                later.append(item)
                missing.update(item.writes)
        return hosts, later
