"""Emits core operators while a model is imported: infers types, folds small constants.

Holds after each `emit`: the result is a value with an inferred type that fits in memory, produced
by a node, or a constant (all inputs were constant and small), or a shape known in part (computed
from symbolic dimensions, with no node behind it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlc.errors import ModelError, ShapeError
from mlc.importers.onnx.demand import NeedsValue
from mlc.importers.onnx.symbolic import EVALUATE, dim_of, dims_text
from mlc.importers.onnx.tensors import check_size
from mlc.ir.dtype import F32, I64, DType, dtype_of
from mlc.ir.expr import Expr, Var
from mlc.ir.graph import Attr, Graph, Node, Value
from mlc.ir.operators import OPERATORS
from mlc.ir.types import Dim, TensorType

FOLD_LIMIT = 1 << 16
"""Constants of more elements than this are not evaluated at import, so that weights exist once."""

_VIEWS = frozenset(("reshape", "identity"))
"""Operators whose NumPy result shares the memory of the input, so that size does not matter."""


@dataclass(frozen=True)
class Cut:
    """Of a value, only the first so many elements along `axis` count; `count` is one i64."""

    axis: int
    count: Value


class Builder:
    """Collects the nodes and constants of one graph.

    `cuts` are the results that the host has to cut when the graph has run. Where nobody would, not
    `staged`, a converter that asks for one fails with `NeedsValue`.
    """

    def __init__(self, *, staged: bool = False) -> None:
        self.cuts: dict[Value, Cut] = {}
        self._staged = staged
        self._inputs: list[Value] = []
        self._nodes: list[Node] = []
        self._constants: dict[Value, np.ndarray] = {}
        self._partial: dict[Value, np.ndarray] = {}
        self._scalars: dict[tuple[str, Any], Value] = {}
        self._produced: set[Value] = set()
        self._names: set[str] = set()
        self._renamed: dict[Value, str] = {}
        self._loc: tuple[str, ...] = ()
        self._stem = "value"

    # Context

    def begin(self, loc: str, stem: str) -> None:
        """What follows comes from the model's node `loc`; its values are named after `stem`."""
        self._loc, self._stem = (loc,), stem

    def name(self, value: Value, name: str) -> None:
        """Give a computed value the name it has in the model; the first name stays."""
        if value in self._produced and value not in self._renamed and name not in self._names:
            self._names.add(name)
            self._renamed[value] = name

    # Values

    def input(self, name: str, tensor_type: TensorType) -> Value:
        """A new input of the graph."""
        value = Value(self._fresh(name), tensor_type, (name,))
        self._inputs.append(value)
        return value

    def constant(self, array: np.ndarray, name: str | None = None) -> Value:
        """A constant; the array is not copied."""
        array = np.asarray(array)
        tensor_type = TensorType(array.shape, dtype_of(array.dtype))
        value = Value(self._fresh(name or f"{self._stem}.constant"), tensor_type, self._loc)
        self._constants[value] = array
        return value

    def scalar(self, number: float | bool, dtype: DType) -> Value:
        """A constant of shape (); equal ones are one value."""
        key = (dtype.name, repr(number))
        if key not in self._scalars:
            self._scalars[key] = self.constant(np.array(number).astype(dtype.numpy))
        return self._scalars[key]

    def integers(self, numbers: Sequence[int]) -> Value:
        """A constant i64[n]."""
        return self.constant(np.array(numbers, np.int64))

    def dimensions(self, dims: Sequence[Dim]) -> Value:
        """The value i64[n] of dimensions: a constant where all are numbers."""
        elements = np.empty(len(dims), object)
        elements[:] = list(dims)
        return self._known(elements, I64)

    # What is known of values

    def array(self, value: Value) -> np.ndarray | None:
        """The elements of a constant; None for anything else."""
        return self._constants.get(value)

    def elements(self, value: Value) -> np.ndarray | None:
        """The elements of a constant or of a shape known in part, as an object array."""
        array = self._constants.get(value)
        return self._partial.get(value) if array is None else array.astype(object)

    def required(self, value: Value, what: str) -> np.ndarray:
        """The elements of a constant; raises `NeedsValue` where `value` is computed at run time."""
        array = self._constants.get(value)
        if array is None:
            raise self.unresolved(what, value)
        return array

    def required_integers(self, value: Value, what: str) -> tuple[int, ...]:
        """The elements of a constant of integers, flattened."""
        array = self.required(value, what)
        if not dtype_of(array.dtype).is_integer:
            raise ModelError(f"{what} must be integers, not {value.type.dtype}")
        return tuple(int(number) for number in array.reshape(-1))

    def required_dims(self, value: Value, what: str) -> tuple[Dim, ...]:
        """The elements of a constant or of a shape known in part, flattened."""
        elements = self.elements(value)
        if elements is None:
            raise self.unresolved(what, value)
        if not value.type.dtype.is_integer:
            raise ModelError(f"{what} must be integers, not {value.type.dtype}")
        return tuple(dim_of(element) for element in elements.reshape(-1))

    def unresolved(self, what: str, *values: Value) -> NeedsValue:
        """The error for something that has to be known when the model is imported.

        `values` are those whose elements would tell; without any, all inputs of the node may.
        """
        return NeedsValue(
            f"{what} must be known at import, not computed from data", values, hint=self.hint()
        )

    def hint(self) -> str | None:
        """Which `shapes=` to give so that all dimensions are known; None if they are."""
        unknown = [value for value in self._inputs if not value.type.is_static]
        if not unknown:
            return None
        shown = ", ".join(f"{value.name!r}: {_tuple_text(value.type.shape)}" for value in unknown)
        symbols = sorted({str(d) for v in unknown for d in v.type.shape if isinstance(d, Var)})
        return f"give shapes={{{shown}}} with numbers for {', '.join(symbols)}"

    # Operators

    @property
    def nodes(self) -> tuple[Node, ...]:
        """What was emitted so far, in order."""
        return tuple(self._nodes)

    def emit(self, op: str, *inputs: Value, **attrs: Attr) -> Value:
        """Apply an operator with one output."""
        (value,) = self.emit_all(op, inputs, attrs)
        return value

    def emit_all(
        self, op: str, inputs: Sequence[Value], attrs: Mapping[str, Attr]
    ) -> tuple[Value, ...]:
        """Apply an operator; raises what its type inference raises."""
        if any(value in self._partial for value in inputs):
            return (self._evaluate_partial(op, inputs, attrs),)
        for name, attr in attrs.items():
            if isinstance(attr, tuple) and any(isinstance(part, Expr) for part in attr):
                shown = dims_text(attr, ", ")  # type: ignore[arg-type]
                raise ShapeError(f"{op}: {name} ({shown}) must be numbers", hint=self.hint())
        types = OPERATORS[op].infer([value.type for value in inputs], attrs)
        for tensor_type in types:
            if tensor_type.is_static:
                check_size(tensor_type.static_shape, tensor_type.dtype, f"the result of {op}")
        if self._folds(op, inputs, types):
            arrays = OPERATORS[op].reference([self._constants[value] for value in inputs], attrs)
            return tuple(self.constant(np.asarray(array)) for array in arrays)
        outputs = tuple(Value(self._fresh(f"{self._stem}.{op}"), t, self._loc) for t in types)
        self._nodes.append(Node(op, tuple(inputs), outputs, dict(attrs), self._loc))
        self._produced.update(outputs)
        return outputs

    def _folds(self, op: str, inputs: Sequence[Value], types: Iterable[TensorType]) -> bool:
        if not all(value in self._constants for value in inputs):
            return False
        if op in _VIEWS:
            return True
        sizes = [tensor_type.elements for tensor_type in (*types, *(v.type for v in inputs))]
        return max(sizes) <= FOLD_LIMIT

    def _evaluate_partial(
        self, op: str, inputs: Sequence[Value], attrs: Mapping[str, Attr]
    ) -> Value:
        """Apply an operator to shapes known in part."""
        arrays = [self.elements(value) for value in inputs]
        known = [array for array in arrays if array is not None]
        evaluate = EVALUATE.get(op)
        if evaluate is None or len(known) != len(arrays):
            raise self.unresolved(f"the shape that {op} reads")
        result = evaluate(known, attrs)
        if result is None:
            raise self.unresolved(f"the shape that {op} reads")
        types = OPERATORS[op].infer([value.type for value in inputs], attrs)
        return self._known(result, types[0].dtype)

    def _known(self, elements: np.ndarray, dtype: DType) -> Value:
        """A value with these elements, some of which may be symbolic."""
        if not any(isinstance(element, Expr) for element in elements.flat):
            return self.constant(elements.astype(dtype.numpy))
        value = Value(self._fresh(f"{self._stem}.shape"), TensorType(elements.shape, dtype))
        self._partial[value] = elements
        return value

    def _fresh(self, stem: str) -> str:
        name, number = stem, 1
        while name in self._names:
            name, number = f"{stem}.{number}", number + 1
        self._names.add(name)
        return name

    # Frequent operators

    def cast(self, value: Value, dtype: DType) -> Value:
        """`value` in another element type; itself if it has it already."""
        return value if value.type.dtype is dtype else self.emit("cast", value, to=dtype)

    def reshape(self, value: Value, shape: Sequence[Dim]) -> Value:
        """`value` in another shape of as many elements; itself if it has it already."""
        if value.type.shape == tuple(shape):
            return value
        return self.emit("reshape", value, shape=tuple(shape))  # type: ignore[arg-type]

    def transpose(self, value: Value, perm: Sequence[int]) -> Value:
        """`value` with axes permuted; itself if none moves."""
        if tuple(perm) == tuple(range(len(perm))):
            return value
        return self.emit("transpose", value, perm=tuple(perm))

    def expand(self, value: Value, shape: Sequence[Dim]) -> Value:
        """`value` broadcast to `shape`; itself if it has it already."""
        if value.type.shape == tuple(shape):
            return value
        return self.emit("expand", value, shape=tuple(shape))  # type: ignore[arg-type]

    def slice(
        self, value: Value, starts: Sequence[int], sizes: Sequence[Dim], steps: Sequence[int]
    ) -> Value:
        """The elements `start + i * step` along every axis, `size` of them."""
        attrs: dict[str, Any] = {
            "starts": tuple(starts), "sizes": tuple(sizes), "steps": tuple(steps)
        }  # fmt: skip
        return self.emit("slice", value, **attrs)

    def truncated(self, value: Value, axis: int, count: Value) -> Value:
        """The first `count` (one i64) elements of `value` along `axis`, as an output of a node.

        Where the count is not known, the host cuts the result, and the nodes that read it wait.
        """
        known = self._constants.get(count)
        if known is not None:
            sizes = list(value.type.shape)
            sizes[axis] = int(known.item())
            return self.slice(value, [0] * len(sizes), sizes, [1] * len(sizes))
        if not self._staged:
            raise self.unresolved(f"the size of axis {axis} of its result", count)
        self.cuts[value] = Cut(axis, count)
        return value

    def scaled(self, value: Value, factor: float) -> Value:
        """`value` times a number; itself where that is 1."""
        if factor == 1:
            return value
        return self.emit("mul", value, self.scalar(factor, value.type.dtype))

    def shifted(self, value: Value, offset: float) -> Value:
        """`value` plus a number; itself where that is 0."""
        if offset == 0:
            return value
        return self.emit("add", value, self.scalar(offset, value.type.dtype))

    def full(self, shape: Sequence[Dim], number: float | bool, dtype: DType = F32) -> Value:
        """A tensor of equal elements."""
        scalar = self.scalar(number, dtype)
        return self.expand(scalar, shape)

    def iota(self, shape: Sequence[Dim], axis: int, dtype: DType) -> Value:
        """A tensor whose elements count along `axis` from 0."""
        return self.emit("iota", shape=tuple(shape), axis=axis, dtype=dtype)  # type: ignore[arg-type]

    # The end

    def graph(self, name: str, outputs: Sequence[tuple[str, Value]]) -> Graph:
        """The graph of what has been emitted, without nodes and constants that no output needs.

        Outputs take the names given. An output that is an input of another name, or that repeats
        another output, is copied by an `identity`.
        """
        chosen: dict[Value, str] = {}
        finals: list[Value] = []
        for output_name, value in outputs:
            if value in self._partial:
                raise self.unresolved(f"output '{output_name}'")
            if value in self._inputs and value.name == output_name and value not in finals:
                finals.append(value)
                continue
            self.begin(f"output:{output_name}", output_name)
            if value in chosen or value in self._inputs:
                value = self._copy(value)
            chosen[value] = output_name
            finals.append(value)
        names = self._final_names(chosen)
        replaced: dict[Value, Value] = {}

        def final(value: Value) -> Value:
            if value in names and value not in replaced:
                replaced[value] = Value(names[value], value.type, value.loc)
            return replaced.get(value, value)

        nodes = [
            Node(node.op, tuple(map(final, node.inputs)), tuple(map(final, node.outputs)),
                 node.attrs, node.loc)
            for node in self._live(finals)
        ]  # fmt: skip
        used = {value for node in nodes for value in node.inputs} | {final(v) for v in finals}
        constants = {final(value): array for value, array in self._constants.items()}
        return Graph(
            name,
            tuple(self._inputs),
            tuple(final(value) for value in finals),
            tuple(nodes),
            {value: array for value, array in constants.items() if value in used},
        )

    def _copy(self, value: Value) -> Value:
        """A second value with the same elements."""
        array = self._constants.get(value)
        return self.constant(array) if array is not None else self.emit("identity", value)

    def _final_names(self, chosen: Mapping[Value, str]) -> dict[Value, str]:
        """Names of the values that change theirs; outputs come first, clashes get a number."""
        taken = {value.name for value in self._inputs} | set(chosen.values())
        names: dict[Value, str] = dict(chosen)
        every = [*self._constants, *(value for node in self._nodes for value in node.outputs)]
        for value in every:
            if value in chosen:
                continue
            wanted = stem = self._renamed.get(value, value.name)
            number = 1
            while wanted in taken:
                wanted, number = f"{stem}.{number}", number + 1
            taken.add(wanted)
            if wanted != value.name:
                names[value] = wanted
        return names

    def _live(self, outputs: Iterable[Value]) -> list[Node]:
        """The nodes that the outputs need, in order."""
        needed = set(outputs)
        live: list[Node] = []
        for node in reversed(self._nodes):
            if any(value in needed for value in node.outputs):
                needed.update(node.inputs)
                live.append(node)
        return live[::-1]


def _tuple_text(dims: Sequence[Dim]) -> str:
    return f"({dims_text(dims, ', ')}{',' if len(dims) == 1 else ''})"
