"""Structural hash and equality of both IRs.

The hash is SHA-256 of canonical text, in which variables, buffers and values are numbered in order
of appearance: what things are called, and which nodes of the model they came from, does not count.
Two functions of one hash compile to the same code; two graphs of one hash compute the same, from
inputs in the same order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from mlc.ir.graph import Attr, Graph, Loc, Node, Value
from mlc.ir.stmt import Func
from mlc.ir.text.constants import Array, digest_of
from mlc.ir.text.lines import Line
from mlc.ir.text.print_graph import GraphStyle, graph_lines
from mlc.ir.text.print_loops import Names, func_lines


def structural_hash(ir: Func | Graph, digest: Callable[[Array], str] = digest_of) -> str:
    """SHA-256, in hexadecimal, of the structure of a function or a graph.

    `digest` gives the SHA-256 of a constant array; who hashes one graph many times may pass a
    function that remembers.
    """
    return hashlib.sha256(canonical_text(ir, digest).encode()).hexdigest()


def canonical_text(ir: Func | Graph, digest: Callable[[Array], str] = digest_of) -> str:
    """The text of a function or graph with all names replaced by numbers."""
    lines: Iterable[Line]
    if isinstance(ir, Func):
        lines = func_lines(ir, _CanonicalNames())
    else:
        lines = graph_lines(ir, _CanonicalStyle(digest))
    return "\n".join(map(str, lines))


class _CanonicalNames(Names):
    """Numbers variables and buffers; a prepare function shares its user's numbers of buffers."""

    def __init__(self, buffers: dict[str, str] | None = None) -> None:
        self._variables: dict[str, str] = {}
        self._buffers = dict(buffers or {})

    def variable(self, text: str) -> str:
        return self._variables.setdefault(text, f"i{len(self._variables)}")

    def buffer(self, text: str) -> str:
        return self._buffers.setdefault(text, f"b{len(self._buffers)}")

    def function(self, text: str) -> str:
        return "f"

    def location(self, loc: Loc) -> str:
        return ""

    def inner(self) -> Names:
        return _CanonicalNames(self._buffers)


class _CanonicalStyle(GraphStyle):
    """Numbers values, sorts attributes, leaves locations out."""

    def __init__(self, digest: Callable[[Array], str]) -> None:
        super().__init__(digest)
        self._values: dict[Value, str] = {}

    def graph(self, graph: Graph) -> str:
        return "g"

    def value(self, value: Value) -> str:
        return self._values.setdefault(value, f"%{len(self._values)}")

    def location(self, loc: Loc, usual: Loc = ()) -> str:
        return ""

    def attributes(self, node: Node) -> Iterable[tuple[str, Attr]]:
        return sorted(node.attrs.items())


def structurally_equal(left: Graph, right: Graph, names: bool = False) -> bool:
    """Whether two graphs are the same but for the identity of their parts.

    What things are called and where they came from counts only with `names`. Constants are compared
    bit by bit.
    """
    return _Comparison(names).graphs(left, right)


class _Comparison:
    """Compares two graphs while it pairs their values."""

    def __init__(self, names: bool) -> None:
        self._names = names
        self._partner: dict[Value, Value] = {}

    def graphs(self, left: Graph, right: Graph) -> bool:
        return (
            (not self._names or left.name == right.name)
            and self._defined(left.inputs, right.inputs)
            and self._defined(tuple(left.constants), tuple(right.constants))
            and all(map(_same_array, left.constants.values(), right.constants.values()))
            and len(left.nodes) == len(right.nodes)
            and all(map(self._nodes, left.nodes, right.nodes))
            and self._used(left.outputs, right.outputs)
        )

    def _nodes(self, left: Node, right: Node) -> bool:
        return (
            left.op == right.op
            and (not self._names or left.loc == right.loc)
            and self._used(left.inputs, right.inputs)
            and left.attrs.keys() == right.attrs.keys()
            and all(self._attributes(attr, right.attrs[key]) for key, attr in left.attrs.items())
            and self._defined(left.outputs, right.outputs)
        )

    def _attributes(self, left: Any, right: Any) -> bool:
        if isinstance(left, Graph) and isinstance(right, Graph):
            return self.graphs(left, right)
        return type(left) is type(right) and bool(left == right)

    def _defined(self, left: tuple[Value, ...], right: tuple[Value, ...]) -> bool:
        self._partner.update(zip(left, right, strict=False))
        return len(left) == len(right) and all(
            a.type == b.type and (not self._names or (a.name, a.loc) == (b.name, b.loc))
            for a, b in zip(left, right, strict=True)
        )

    def _used(self, left: tuple[Value, ...], right: tuple[Value, ...]) -> bool:
        return len(left) == len(right) and all(
            self._partner.get(a) is b for a, b in zip(left, right, strict=True)
        )


def _same_array(left: Array, right: Array) -> bool:
    return (
        left.dtype == right.dtype
        and left.shape == right.shape
        and np.ascontiguousarray(left).tobytes() == np.ascontiguousarray(right).tobytes()
    )
