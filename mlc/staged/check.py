"""Finds what of a model cannot be compiled, before any data is there.

Shapes that are open stay symbols. A node that needs more is believed as long as its operator is
known; so is what depends on it. What is left over shows at the call that meets it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import onnx

from mlc.errors import MlcError, UnsupportedError
from mlc.importers.onnx.conversion import initializers
from mlc.importers.onnx.coverage import SurveyRow, unsupported_error
from mlc.importers.onnx.expansion import Origin
from mlc.importers.onnx.inputs import Declared, Shapes, declared_inputs
from mlc.importers.onnx.node import node_loc
from mlc.importers.onnx.reading import ModelLike, Source, read_model
from mlc.importers.onnx.registry import DOMAIN_ALIASES, find_converter, is_known
from mlc.importers.onnx.tensors import DTYPES
from mlc.ir.types import TensorType
from mlc.staged.importing import StageConversion, Waiting
from mlc.staged.region import Pending, Region, model_region
from mlc.staged.step import Steps, takes_step


def check_supported(source: Source, part: Region, inputs: Sequence[Declared], steps: Steps) -> None:
    """Raise `UnsupportedError` that lists all nodes of a model that surely cannot be compiled."""
    error = unsupported_error(_checked(source, part, inputs, steps).refused)
    if error is not None:
        raise error


def survey(model: ModelLike, shapes: Shapes, steps: Steps) -> list[SurveyRow]:
    """One row per node of the model's graph that the outputs need, and per unsupported inner node.

    Raises `ModelError` where the model cannot be read at all.
    """
    source = read_model(model)
    tensors = initializers(source.graph, source.spans)
    given = [value for value in source.graph.input if value.name not in tensors]
    part = model_region(source)
    check = _checked(source, part, declared_inputs(given, shapes), steps)
    refused = {row.node: row for row in check.refused}
    rows = [refused.pop(node_loc(item.node), check.row(item)) for item in part.nodes]
    return [*rows, *refused.values()]


def _checked(source: Source, part: Region, inputs: Sequence[Declared], steps: Steps) -> _Check:
    check = _Check(source, part, _types(inputs), {}, partial(takes_step, steps))
    check.import_region()
    return check


def _types(inputs: Sequence[Declared]) -> dict[str, TensorType | None]:
    """The types of those inputs that the check can tell something about."""
    types: dict[str, TensorType | None] = {}
    for value in inputs:
        if value.kind != "tensor" or value.elem_type == onnx.TensorProto.STRING:
            types[value.name] = None
        elif value.shape is not None and value.elem_type in DTYPES:
            types[value.name] = TensorType(value.shape, DTYPES[value.elem_type])
    return types


class _Check(StageConversion):
    """An import in which every error but a plain refusal counts as not knowing enough."""

    def import_region(self) -> None:
        for name in self._part.reads:
            self._scope.setdefault(name, Waiting())
        waiting = deque(self._part.nodes)
        while waiting:
            item = waiting.popleft()
            try:
                waiting.extendleft(reversed(self._place(item)))
            except UnsupportedError as error:
                self._refuse(item, error)
            except MlcError:
                self._put_off(item)

    @property
    def refused(self) -> list[SurveyRow]:
        """Rows of nodes that were refused, and of those nobody can compute that were put off."""
        return [*self.rows, *self._unknown(item for item, _ in self.put_off)]

    def row(self, item: Pending, reason: str = "") -> SurveyRow:
        """The row of a node: supported where there is no reason against it."""
        node = item.node
        domain = DOMAIN_ALIASES.get(node.domain, node.domain)
        opset = item.origin.opsets.get(domain, 0)
        types = tuple(map(self._type_of, node.input))
        return SurveyRow(node_loc(node), node.op_type, domain, opset, types, not reason, reason)

    def _unknown(self, items: Iterable[Pending]) -> Iterator[SurveyRow]:
        for item in items:
            node = item.node
            domain = DOMAIN_ALIASES.get(node.domain, node.domain)
            reason = self._reason(node, domain, item.origin)
            if reason:
                yield self.row(item, reason)
            for attribute in node.attribute:
                for graph in (attribute.g, *attribute.graphs):
                    yield from self._unknown(Pending(inner, item.origin) for inner in graph.node)

    def _reason(self, node: onnx.NodeProto, domain: str, origin: Origin) -> str:
        """Why nobody can compute the node; "" where somebody can."""
        opset = origin.opsets.get(domain, 0)
        if self._wants_host(node, domain, opset, False) or self._expander.has_body(node, origin):
            return ""
        if find_converter(domain, node.op_type, opset) is not None:
            return ""
        return "too old a version" if is_known(domain, node.op_type) else "no such operator"
