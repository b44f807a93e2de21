"""Reads the text of the graph IR that `print_graph` writes, or that somebody edited.

The grammar, with `#` comments and free use of white space:

    graph    = "graph" name "(" value, … ")" "->" "(" %name, … ")" "{" {constant} {node} "}"
    value    = %name ":" type [loc]
    type     = dtype "[" dimension, … "]" [@layout]
    constant = "const" value "=" ("[" element, … "]" | "sha256:" hexadecimal digits)
    node     = value, … "=" operator "(" %name, … ")" ["{" name "=" attribute, … "}"] [loc]
    attribute = number | "true" | "false" | string | dtype | "(" attribute, … ")" | graph

A value that states no loc has that of its node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlc.errors import ParseError
from mlc.ir.dtype import DType, dtype_of
from mlc.ir.expr import Const, Expr
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.layout import Layout
from mlc.ir.text.constants import Array, array_of
from mlc.ir.text.parse_loops import LoopParser
from mlc.ir.text.syntax import dtype_named
from mlc.ir.text.tokens import Token, Tokens
from mlc.ir.types import Dim, TensorType


def parse_graph(text: str, constants: Mapping[str, Array] | None = None) -> Graph:
    """The graph that `text` shows; raises `ParseError`.

    `constants` gives the arrays that the text names by digest; each must have the shape and dtype
    that the text says.

    >>> graph = parse_graph("graph g(%x: f32[2]) -> (%y) { %y: f32[2] = relu(%x) }")
    >>> graph.nodes[0].op, graph.outputs[0].name
    ('relu', 'y')
    """
    tokens = Tokens(text)
    try:
        graph = GraphParser(tokens, constants or {}).graph()
    except RecursionError:
        raise ParseError("the text is nested too deeply") from None
    tokens.expect_end()
    return graph


class GraphParser:
    """Recursive descent over one graph; graphs inside it have their own names."""

    def __init__(self, tokens: Tokens, constants: Mapping[str, Array]) -> None:
        self.tokens = tokens
        self.constants = constants
        self._values: dict[str, Value] = {}

    def graph(self) -> Graph:
        """A graph."""
        tokens = self.tokens
        tokens.expect("graph")
        name = tokens.name("a graph")
        inputs = tokens.listed(self._declared, "(", ")")
        tokens.expect("->")
        outputs = tokens.listed(lambda: (tokens.peek(), tokens.value_name()), "(", ")")
        tokens.expect("{")
        constants: dict[Value, Array] = {}
        while tokens.accept("const"):
            value = self._declared()
            tokens.expect("=")
            constants[value] = self._contents(value)
        nodes: list[Node] = []
        while not tokens.accept("}"):
            nodes.append(self._node())
        return Graph(
            name,
            inputs,
            tuple([self._known(at, output) for at, output in outputs]),
            tuple(nodes),
            constants,
        )

    def _known(self, at: Token, name: str) -> Value:
        value = self._values.get(name)
        if value is None:
            self.tokens.fail(f"no value '{name}' is defined before this", at)
        return value

    def _new(self, at: Token, value: Value) -> Value:
        if value.name in self._values:
            self.tokens.fail(f"the value '{value.name}' is defined twice", at)
        self._values[value.name] = value
        return value

    def _declared(self) -> Value:
        at = self.tokens.peek()
        name, tensor = self._typed()
        return self._new(at, Value(name, tensor, self.tokens.location() or ()))

    def _typed(self) -> tuple[str, TensorType]:
        name = self.tokens.value_name()
        self.tokens.expect(":")
        return name, self._type()

    def _type(self) -> TensorType:
        dtype = self.tokens.dtype()
        shape = self.tokens.listed(self._dimension, "[", "]")
        at = self.tokens.peek()
        if at.kind != "layout":
            return TensorType(shape, dtype)
        try:
            layout = Layout.parse(self.tokens.next().text[1:])
        except (ValueError, KeyError, IndexError):
            self.tokens.fail("expected a layout such as NHWC or 1.0", at)
        if sorted(layout.order) != list(range(len(shape))):
            self.tokens.fail(f"this layout does not order {len(shape)} axes", at)
        return TensorType(shape, dtype, layout)

    def _dimension(self) -> Dim:
        expr: Expr = LoopParser(self.tokens).expr()
        return int(expr.value) if isinstance(expr, Const) else expr

    def _contents(self, value: Value) -> Array:
        at = self.tokens.peek()
        if at.kind == "digest":
            array = self.constants.get(self.tokens.next().text.removeprefix("sha256:"))
            if array is None:
                self.tokens.fail("no array with this digest was given", at)
            if array.shape != value.type.shape or dtype_of(array.dtype) != value.type.dtype:
                self.tokens.fail("the array given with this digest has another type", at)
            return array
        elements = self.tokens.listed(self._element, "[", "]")
        if not value.type.is_static or len(elements) != value.type.elements:
            self.tokens.fail(f"{len(elements)} elements do not fill this type", at)
        try:
            return array_of(list(elements), value.type.dtype, value.type.static_shape)
        except (ValueError, OverflowError):
            self.tokens.fail("an element here does not fit the type", at)

    def _element(self) -> Any:
        if self.tokens.at("true") or self.tokens.at("false"):
            return self.tokens.next().text == "true"
        return self.tokens.number()

    def _node(self) -> Node:
        tokens = self.tokens
        outputs = [self._result()]
        while tokens.accept(","):
            outputs.append(self._result())
        tokens.expect("=")
        op = tokens.name("an operator")
        inputs = tokens.listed(lambda: self._known(tokens.peek(), tokens.value_name()), "(", ")")
        pairs = tokens.listed(self._pair, "{", "}") if tokens.at("{") else ()
        loc = tokens.location() or ()
        values = [
            self._new(at, Value(name, tensor, loc if own is None else own))
            for at, name, tensor, own in outputs
        ]
        return Node(op, inputs, tuple(values), dict(pairs), loc)

    def _result(self) -> tuple[Token, str, TensorType, tuple[str, ...] | None]:
        at = self.tokens.peek()
        return at, *self._typed(), self.tokens.location()

    def _pair(self) -> tuple[str, Any]:
        key = self.tokens.name("an attribute")
        self.tokens.expect("=")
        return key, self._attribute()

    def _attribute(self) -> Any:
        tokens = self.tokens
        token = tokens.peek()
        if token.kind == "string":
            return tokens.string()
        if tokens.at("("):
            return tokens.listed(self._attribute, "(", ")")
        if tokens.at("graph"):
            return GraphParser(tokens, self.constants).graph()
        found = self._dtype(token)
        return self._element() if found is None else found

    def _dtype(self, token: Token) -> DType | None:
        found = dtype_named(token.text) if token.kind == "name" else None
        if found is not None:
            self.tokens.next()
        return found
