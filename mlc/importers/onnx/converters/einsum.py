"""Einsum as transposes, reductions and one matrix product per further operand.

Letters of two operands fall into four groups: those that both and the result have are batches,
those that both but not the result have are summed by the product, the others stay rows and columns.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView
from mlc.importers.onnx.symbolic import product
from mlc.ir.graph import Value
from mlc.ir.types import Dim


def _einsum(builder: Builder, node: NodeView) -> list[Value]:
    operands: Sequence[Value] = node.present()
    terms, result = _parsed(node.text("equation"), [value.type.rank for value in operands])
    diagonals = [_diagonal(builder, *pair) for pair in zip(operands, terms, strict=True)]
    operands, terms = [value for value, _ in diagonals], [term for _, term in diagonals]
    value, letters = _summed(builder, operands[0], terms[0], "".join([*terms[1:], result]))
    for position in range(1, len(operands)):
        later = "".join([*terms[position + 1 :], result])
        other, other_letters = _summed(
            builder, operands[position], terms[position], letters + later
        )
        value, letters = _product(builder, (value, letters), (other, other_letters), later)
    value, letters = _summed(builder, value, letters, result)
    return [builder.transpose(value, [letters.index(letter) for letter in result])]


def _parsed(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """One letter per axis of each operand, and of the result; ellipses become letters."""
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ModelError(f"Einsum: '{equation}' has {len(terms)} terms for {len(ranks)} inputs")
    free = [letter for letter in string.ascii_letters if letter not in equation]
    missing = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    most = max(
        (count for term, count in zip(terms, missing, strict=True) if "..." in term), default=0
    )
    hidden = "".join(free[: max(most, 0)])
    for position, (term, count) in enumerate(zip(terms, missing, strict=True)):
        if count < 0 or (count > 0 and "..." not in term):
            raise ModelError(f"Einsum: '{term}' does not fit {ranks[position]} axes")
        terms[position] = term.replace("...", hidden[len(hidden) - count :])
    if not arrow:
        seen = "".join(terms)
        explicit = sorted(
            letter for letter in set(seen) if seen.count(letter) == 1 and letter not in hidden
        )
        result = hidden + "".join(explicit)
    result = result.replace("...", hidden)
    if len(set(result)) != len(result) or not set(result) <= set("".join(terms)):
        raise ModelError(f"Einsum: '{equation}' has a bad result")
    for term in terms:
        if not term.isascii() or not (term == "" or term.isalpha()):
            raise ModelError(f"Einsum: '{equation}' is no equation")
    return terms, result


def _diagonal(builder: Builder, value: Value, letters: str) -> tuple[Value, str]:
    """Let a letter that repeats appear once: the axes it names become their diagonal.

    Row by row, the elements of a diagonal lie one row and one column apart.
    """
    for letter in sorted(set(letters)):
        while (first := letters.find(letter)) != (last := letters.rfind(letter)):
            size = value.type.shape[first]
            if not isinstance(size, int):
                raise builder.unresolved(f"Einsum: the size of '{letter}' in {value.type}")
            if value.type.shape[last] != size:
                raise ModelError(f"Einsum: '{letter}' has several sizes in {value.type}")
            others = [axis for axis in range(len(letters)) if axis not in (first, last)]
            value = builder.transpose(value, [*others, first, last])
            outer = value.type.shape[:-2]
            flat = builder.reshape(value, (*outer, size * size))
            starts, steps = [0] * flat.type.rank, [1] * len(outer) + [size + 1]
            value = builder.slice(flat, starts, (*outer, size), steps)
            letters = "".join(letters[axis] for axis in others) + letter
    return value, letters


def _summed(builder: Builder, value: Value, letters: str, needed: str) -> tuple[Value, str]:
    """Sum over the axes whose letters nobody needs."""
    axes = tuple(axis for axis, letter in enumerate(letters) if letter not in needed)
    if not axes:
        return value, letters
    kept = "".join(letter for letter in letters if letter in needed)
    return builder.emit("reduce_sum", value, axes=axes, keepdims=False), kept


def _product(
    builder: Builder, left: tuple[Value, str], right: tuple[Value, str], later: str
) -> tuple[Value, str]:
    (a, a_letters), (b, b_letters) = left, right
    sizes = _sizes((a, a_letters), (b, b_letters))
    shared = [letter for letter in a_letters if letter in b_letters]
    batch = [letter for letter in shared if letter in later]
    inner = [letter for letter in shared if letter not in later]
    rows = [letter for letter in a_letters if letter not in b_letters]
    columns = [letter for letter in b_letters if letter not in a_letters]
    a = _arranged(builder, a, a_letters, (batch, rows, inner), sizes)
    b = _arranged(builder, b, b_letters, (batch, inner, columns), sizes)
    result = builder.emit("matmul", a, b, transpose_a=False, transpose_b=False)
    letters = [*batch, *rows, *columns]
    return builder.reshape(result, [sizes[letter] for letter in letters]), "".join(letters)


def _sizes(*operands: tuple[Value, str]) -> dict[str, Dim]:
    sizes: dict[str, Dim] = {}
    for value, letters in operands:
        for letter, dim in zip(letters, value.type.shape, strict=True):
            if sizes.get(letter, 1) == 1:
                sizes[letter] = dim
            elif dim not in (1, sizes[letter]):
                raise ModelError(f"Einsum: '{letter}' is {sizes[letter]} and {dim}")
    return sizes


def _arranged(
    builder: Builder,
    value: Value,
    letters: str,
    groups: tuple[Sequence[str], Sequence[str], Sequence[str]],
    sizes: dict[str, Dim],
) -> Value:
    """Bring the axes into the order of the three groups; the last two become one axis each."""
    order = [letter for group in groups for letter in group]
    value = builder.transpose(value, [letters.index(letter) for letter in order])
    value = builder.expand(value, [sizes[letter] for letter in order])
    batch, second, third = groups
    shape = [sizes[letter] for letter in batch]
    shape.extend(product([sizes[letter] for letter in group]) for group in (second, third))
    return builder.reshape(value, shape)


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {"Einsum": _einsum}
