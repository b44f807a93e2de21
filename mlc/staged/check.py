"""Finds what of a model cannot be compiled, before any data is there.

Shapes that are open stay symbols. A node that needs more is believed as long as its operator is
known; so is what depends on it. What is left over shows at the call that meets it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import onnx

from mlc.errors import MlcError, UnsupportedError
from mlc.importers.onnx.coverage import SurveyRow, unsupported_error
from mlc.importers.onnx.expansion import Origin
from mlc.importers.onnx.inputs import Declared
from mlc.importers.onnx.node import node_loc
from mlc.importers.onnx.reading import Source
from mlc.importers.onnx.registry import DOMAIN_ALIASES, find_converter, is_known
from mlc.importers.onnx.tensors import DTYPES
from mlc.ir.types import TensorType
from mlc.staged.importing import StageConversion, Waiting, WantsHost
from mlc.staged.region import Pending, Region


def check_supported(
    source: Source, part: Region, inputs: Sequence[Declared], wants_host: WantsHost
) -> None:
    """Raise `UnsupportedError` that lists all nodes of a model that surely cannot be compiled."""
    conversion = _Check(source, part, _types(inputs), {}, wants_host)
    conversion.import_region()
    rows = [*conversion.rows, *conversion.unknown()]
    error = unsupported_error(rows)
    if error is not None:
        raise error


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

    def unknown(self) -> Iterator[SurveyRow]:
        """Rows of the nodes that were put off, or lie in subgraphs, and that nobody can compute."""
        return self._unknown(item for item, _ in self.put_off)

    def _unknown(self, items: Iterable[Pending]) -> Iterator[SurveyRow]:
        for item in items:
            node = item.node
            domain = DOMAIN_ALIASES.get(node.domain, node.domain)
            opset = item.origin.opsets.get(domain, 0)
            reason = self._reason(node, domain, item.origin)
            if reason:
                types = tuple(map(self._type_of, node.input))
                yield SurveyRow(
                    node_loc(node),
                    node.op_type,
                    domain,
                    opset,
                    types,
                    False,
                    reason,
                )
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
