"""Checks that a `Graph` follows the rules of the graph IR."""

from __future__ import annotations

from typing import NoReturn

from mlc.errors import DtypeError, ShapeError, VerifyError
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.operator import REQUIRED, Operator
from mlc.ir.operators import OPERATORS
from mlc.ir.text.lines import excerpt
from mlc.ir.text.print_graph import GraphStyle, graph_lines, print_type, value_name
from mlc.ir.types import TensorType

_FUSED_ATTRIBUTES = frozenset(("body", "reason"))


def verify_graph(graph: Graph) -> None:
    """Raise `VerifyError`, pointing at the place, where `graph` breaks a rule.

    The rules: each value is defined once, under a name of its own, before it is used; every node
    applies a known operator to as many inputs as it takes, with attributes that it has; the types
    of its outputs are those that the operator infers, whatever their layout; a layout orders the
    axes of its type; constants are of their type. The body of a `fused` node follows the same rules
    and fits the node.
    """
    _GraphRules(graph).check()


class _GraphRules:
    """One pass over one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._defined: set[Value] = set()
        self._names: set[str] = set()

    def check(self) -> None:
        for value in self.graph.inputs:
            self._define(value, value)
        for value, array in self.graph.constants.items():
            self._define(value, value)
            if array.shape != value.type.shape or array.dtype != value.type.dtype.numpy:
                given = f"{array.dtype}{list(array.shape)}"
                self._fail(f"the constant '{value.name}' holds {given}", value)
        for node in self.graph.nodes:
            self._check_node(node)
        for value in self.graph.outputs:
            if value not in self._defined:
                self._fail(
                    f"the output '{value.name}' is not defined", self.graph, value_name(value)
                )

    def _fail(self, message: str, owner: Graph | Node | Value, focus: str = "") -> NoReturn:
        loc = () if isinstance(owner, Graph) else owner.loc
        # The digests of large constants cost time and say nothing here.
        style = GraphStyle(digest=lambda array: "…")
        raise VerifyError(
            f"{self.graph.name}: {message}",
            node=", ".join(loc) or None,
            excerpt=excerpt(graph_lines(self.graph, style), owner, focus),
        )

    def _define(self, value: Value, owner: Node | Value) -> None:
        if value in self._defined:
            self._fail(f"the value '{value.name}' is defined twice", owner, value_name(value))
        if value.name in self._names:
            self._fail(f"two values are called '{value.name}'", owner, value_name(value))
        self._defined.add(value)
        self._names.add(value.name)
        layout = value.type.layout
        if layout is not None and sorted(layout.order) != list(range(value.type.rank)):
            self._fail(f"the layout {layout} does not order {value.type.rank} axes", owner)
        if any(isinstance(dim, int) and dim < 0 for dim in value.type.shape):
            self._fail(f"the value '{value.name}' has a negative dimension", owner)

    def _check_node(self, node: Node) -> None:
        for value in node.inputs:
            if value not in self._defined:
                message = f"{node.op} reads '{value.name}', which is not defined before it"
                self._fail(message, node, value_name(value))
        if node.op == "fused":
            self._check_fused(node)
        else:
            self._check_operator(node)
        for value in node.outputs:
            self._define(value, node)

    def _check_operator(self, node: Node) -> None:
        operator = OPERATORS.get(node.op)
        if operator is None:
            self._fail(f"there is no operator '{node.op}'", node, f"{node.op}(")
        self._check_attributes(node, operator)
        least, most = operator.arity
        if len(node.inputs) < least or (most is not None and len(node.inputs) > most):
            expected = _count(least, most)
            self._fail(f"{node.op} takes {expected}, {len(node.inputs)} are given", node, "(")
        try:
            inferred = operator.infer([value.type for value in node.inputs], node.attrs)
        except (ShapeError, DtypeError, VerifyError) as error:
            self._fail(error.message, node, f"{node.op}(")
        self._check_types(node, inferred)

    def _check_attributes(self, node: Node, operator: Operator) -> None:
        for key in node.attrs:
            if key not in operator.attributes:
                self._fail(f"{node.op} has no attribute '{key}'", node, f"{key} = ")
        for key, default in operator.attributes.items():
            if default is REQUIRED and key not in node.attrs:
                self._fail(f"{node.op} lacks its attribute '{key}'", node, f"{node.op}(")

    def _check_types(self, node: Node, inferred: tuple[TensorType, ...]) -> None:
        if len(inferred) != len(node.outputs):
            self._fail(f"{node.op} gives {len(inferred)} results, not {len(node.outputs)}", node)
        for value, expected in zip(node.outputs, inferred, strict=True):
            if (value.type.shape, value.type.dtype) != (expected.shape, expected.dtype):
                message = f"{node.op} gives {print_type(expected)}, '{value.name}' is "
                self._fail(message + print_type(value.type), node, print_type(value.type))

    def _check_fused(self, node: Node) -> None:
        body = node.attrs.get("body")
        if not isinstance(body, Graph):
            self._fail("fused lacks its attribute 'body', a graph", node, "fused(")
        for key in node.attrs:
            if key not in _FUSED_ATTRIBUTES:
                self._fail(f"fused has no attribute '{key}'", node)
        if len(body.inputs) != len(node.inputs):
            self._fail(
                f"fused takes {len(body.inputs)} inputs, {len(node.inputs)} are given", node, "("
            )
        for outer, inner in zip(node.inputs, body.inputs, strict=True):
            if (outer.type.shape, outer.type.dtype) != (inner.type.shape, inner.type.dtype):
                message = f"'{outer.name}' is {print_type(outer.type)}, its body takes "
                self._fail(message + print_type(inner.type), node, value_name(outer))
        verify_graph(body)
        self._check_types(node, tuple([value.type for value in body.outputs]))


def _count(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least} inputs"
    number = str(least) if least == most else f"{least} to {most}"
    return f"{number} input{'' if most == 1 else 's'}"
