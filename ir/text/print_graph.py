"""Prints the graph IR.

Each line remembers the node or value that it shows, so that errors can point at it. What values are
called can be replaced (`GraphStyle`), which is how the structural hash makes it canonical.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from mlc.ir.dtype import DType
from mlc.ir.expr import Expr
from mlc.ir.graph import Attr, Graph, Loc, Node, Value
from mlc.ir.text.constants import Array, digest_of, print_elements
from mlc.ir.text.lines import WIDTH, Line
from mlc.ir.text.print_loops import print_expr
from mlc.ir.text.syntax import is_plain, location, name, quote
from mlc.ir.types import Dim, TensorType


class GraphStyle:
    """How names, locations, attributes and constants appear: here, as they are in the IR."""

    def __init__(self, digest: Callable[[Array], str] = digest_of) -> None:
        self.digest = digest

    def graph(self, graph: Graph) -> str:
        """The name of a graph."""
        return name(graph.name)

    def value(self, value: Value) -> str:
        """The name of a value."""
        return value_name(value)

    def location(self, loc: Loc, usual: Loc = ()) -> str:
        """What follows a thing that comes from `loc`: nothing where that is the usual one."""
        return "" if loc == usual else f" {location(loc)}"

    def attributes(self, node: Node) -> Iterable[tuple[str, Attr]]:
        """The attributes of a node, in the order in which they are printed."""
        return node.attrs.items()

    def constant(self, array: Array) -> str:
        """The contents of a constant."""
        return print_elements(array) or f"sha256:{self.digest(array)}"


def value_name(value: Value) -> str:
    """How a value is called in text: `%` and its name, quoted unless it is letters and digits.

    >>> print(value_name(Value("12", TensorType((), DType("f32", "float", 32)))))
    %12
    """
    plain = is_plain("_" + value.name) and value.name
    return "%" + (value.name if plain else quote(value.name))


def print_graph(graph: Graph, digest: Callable[[Array], str] = digest_of) -> str:
    """The text of a graph; `parse_graph` reads it back.

    Large constants are given by `digest`; who prints one graph many times may pass a function that
    remembers.
    """
    return "\n".join(map(str, graph_lines(graph, GraphStyle(digest))))


def print_type(tensor: TensorType) -> str:
    """The text of a tensor type.

    >>> from mlc.ir.dtype import F32
    >>> from mlc.ir.expr import Var
    >>> print_type(TensorType((Var("batch"), 3), F32))
    'f32[batch,3]'
    """
    shape = ",".join([_print_dim(dim) for dim in tensor.shape])
    return f"{tensor.dtype}[{shape}]" + (f"@{tensor.layout}" if tensor.layout else "")


def _print_dim(dim: Dim) -> str:
    return print_expr(dim) if isinstance(dim, Expr) else str(dim)


def graph_lines(graph: Graph, style: GraphStyle, depth: int = 0, head: str = "") -> list[Line]:
    """The lines of a graph; `head` stands before it on its first line."""
    start = f"{head}graph {style.graph(graph)}("
    inputs = [_declared(value, style) for value in graph.inputs]
    end = f") -> ({', '.join(map(style.value, graph.outputs))}) {{"
    if len(start) + sum(map(len, inputs)) + 2 * len(inputs) + len(end) <= WIDTH:
        lines = [Line(depth, start + ", ".join(inputs) + end, graph)]
    else:
        lines = [Line(depth, start)]
        lines += [
            Line(depth + 1, f"{text},", value)
            for text, value in zip(inputs, graph.inputs, strict=True)
        ]
        lines.append(Line(depth, end, graph))
    for value, array in graph.constants.items():
        text = f"const {_declared(value, style)} = {style.constant(array)}"
        lines.append(Line(depth + 1, text, value))
    for node in graph.nodes:
        lines += _node_lines(node, style, depth + 1)
    lines.append(Line(depth, "}"))
    return lines


def _declared(value: Value, style: GraphStyle, usual: Loc = ()) -> str:
    return f"{style.value(value)}: {print_type(value.type)}{style.location(value.loc, usual)}"


def _node_lines(node: Node, style: GraphStyle, depth: int) -> list[Line]:
    outputs = ", ".join([_declared(value, style, node.loc) for value in node.outputs])
    inputs = ", ".join([style.value(value) for value in node.inputs])
    op = node.op if is_plain(node.op) else quote(node.op)
    start, end = f"{outputs} = {op}({inputs})", style.location(node.loc)
    attributes = list(style.attributes(node))
    if any(isinstance(attr, Graph) for _, attr in attributes):
        return _node_with_body(node, start, attributes, end, style, depth)
    shown = ", ".join([f"{_attr_name(key)} = {print_attr(attr)}" for key, attr in attributes])
    return [Line(depth, start + (f" {{{shown}}}" if shown else "") + end, node)]


def _node_with_body(
    node: Node,
    start: str,
    attributes: list[tuple[str, Attr]],
    end: str,
    style: GraphStyle,
    depth: int,
) -> list[Line]:
    lines = [Line(depth, f"{start} {{", node)]
    for key, attr in attributes:
        if isinstance(attr, Graph):
            *body, last = graph_lines(attr, style, depth + 1, f"{_attr_name(key)} = ")
            lines += [*body, Line(last.depth, f"{last.text},")]
        else:
            lines.append(Line(depth + 1, f"{_attr_name(key)} = {print_attr(attr)},"))
    lines.append(Line(depth, "}" + end))
    return lines


def _attr_name(key: str) -> str:
    return key if is_plain(key) else quote(key)


def print_attr(attr: Any) -> str:
    """The text of an attribute that is not a graph.

    >>> print(print_attr((2, 2)), print_attr("same"), print_attr((0.5,)), print_attr(True))
    (2, 2) "same" (0.5,) true
    """
    match attr:
        case bool() | np.bool_():
            return "true" if attr else "false"
        case int() | np.integer():
            return str(int(attr))
        case float() | np.floating():
            return repr(float(attr))
        case str():
            return quote(attr)
        case DType():
            return attr.name
        case (only,):
            return f"({print_attr(only)},)"
        case tuple():
            return f"({', '.join(map(print_attr, attr))})"
    raise TypeError(f"no text for an attribute of type {type(attr).__name__}")
