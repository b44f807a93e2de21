"""Index arithmetic against brute force: every value of every variable."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.affine import Linear, Range, bounds_of, join, linear_form, simplify, to_expr
from mlc.ir.dtype import F32, U32
from mlc.ir.expr import COMPARISONS, Binary, Const, Expr, Load, Select, Unary, Var
from mlc.ir.stmt import Buffer
from mlc.ir.text import parse_func, print_func

VALUES = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "min": min,
    "max": max,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
}


def value_of(expr: Expr, values: Mapping[str, int]) -> int:
    match expr:
        case Const(value=value):
            return int(value)
        case Var(name=name):
            return values[name]
        case Binary(op, left, right):
            return VALUES[op](value_of(left, values), value_of(right, values))
        case Unary("not", operand):
            return not value_of(operand, values)
        case Select(condition, on_true, on_false):
            return value_of(on_true if value_of(condition, values) else on_false, values)
    raise AssertionError(expr)


ranges = st.tuples(st.integers(-3, 4), st.integers(0, 5)).map(lambda r: (r[0], r[0] + r[1]))
all_bounds = st.fixed_dictionaries(dict.fromkeys("ijk", ranges))


def assignments(bounds: Mapping[str, Range]) -> Iterator[dict[str, int]]:
    for values in itertools.product(*(range(low, high + 1) for low, high in bounds.values())):
        yield dict(zip(bounds, values, strict=True))


@st.composite
def indices(draw: st.DrawFn, depth: int = 3) -> Expr:
    """Index expressions of three variables, with the divisors that tiling makes."""
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(st.one_of(st.sampled_from("ijk").map(Var), st.integers(-9, 16).map(Const)))
    inner = indices(depth - 1)
    op = draw(st.sampled_from(["add", "add", "sub", "mul", "floordiv", "mod", "min", "max"]))
    if op in ("floordiv", "mod"):
        return Binary(op, draw(inner), Const(draw(st.sampled_from([1, 2, 3, 4, 6, 7, 12]))))
    if op == "mul":
        return Binary(op, draw(inner), Const(draw(st.integers(-3, 7))))
    return Binary(op, draw(inner), draw(inner))


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> Expr:
    if depth == 0 or draw(st.booleans()):
        return Binary(draw(st.sampled_from(COMPARISONS)), draw(indices(2)), draw(indices(1)))
    inner = conditions(depth - 1)
    if draw(st.integers(0, 3)) == 0:
        return Unary("not", draw(inner))
    return Binary(draw(st.sampled_from(["and", "or"])), draw(inner), draw(inner))


@settings(max_examples=150)
@given(indices(), all_bounds)
def test_simplified_indices_have_the_same_values(expr: Expr, bounds: dict[str, Range]) -> None:
    simple = simplify(expr, bounds)
    known = bounds_of(expr, bounds)
    narrow = bounds_of(simple, bounds)
    for values in assignments(bounds):
        exact = value_of(expr, values)
        assert value_of(simple, values) == exact
        for found in (known, narrow):
            assert found is None or found[0] <= exact <= found[1]


@settings(max_examples=80)
@given(conditions(), all_bounds)
def test_simplified_conditions_have_the_same_values(expr: Expr, bounds: dict[str, Range]) -> None:
    simple = simplify(expr, bounds)
    for values in assignments(bounds):
        assert bool(value_of(simple, values)) == bool(value_of(expr, values))


@settings(max_examples=40)
@given(conditions(1), indices(2), indices(2), all_bounds)
def test_simplified_selections_have_the_same_values(
    condition: Expr, left: Expr, right: Expr, bounds: dict[str, Range]
) -> None:
    expr = Select(condition, left, right)
    simple, known = simplify(expr, bounds), bounds_of(expr, bounds)
    for values in assignments(bounds):
        exact = value_of(expr, values)
        assert value_of(simple, values) == exact
        assert known is None or known[0] <= exact <= known[1]


@settings(max_examples=40)
@given(indices(), all_bounds)
def test_simplifying_again_changes_nothing_of_note(expr: Expr, bounds: dict[str, Range]) -> None:
    once = simplify(expr, bounds)
    assert linear_form(simplify(once, bounds)) == linear_form(once)


@settings(max_examples=80)
@given(indices(), indices(), st.integers(-4, 4), all_bounds)
def test_linear_forms_have_the_same_values(
    left: Expr, right: Expr, factor: int, bounds: dict[str, Range]
) -> None:
    one, other = linear_form(left), linear_form(right)
    total, joined = one.plus(other, factor), join(one)
    assert 0 not in total.terms.values()
    for values in assignments(bounds):
        first, second = value_of(left, values), value_of(right, values)
        assert value_of(to_expr(one), values) == first
        assert value_of(to_expr(joined), values) == first
        assert value_of(to_expr(total), values) == first + factor * second
        assert value_of(to_expr(one.times(factor)), values) == factor * first


def text_of(expr: str, **extents: int) -> str:
    """The simplified index of a store inside loops, as text."""
    heads = "".join(f"for {name} in {extent} {{ " for name, extent in extents.items())
    func = parse_func(
        f"func f(y: f32[99999]) {{ {heads} y[{expr}] = 0.0:f32 {'} ' * len(extents)} }}"
    )
    bounds = {name: (0, extent - 1) for name, extent in extents.items()}
    stmt = func.body
    while hasattr(stmt, "body"):
        stmt = stmt.body
    simple = simplify(stmt.index[0], bounds)
    buffer = Buffer.dense("y", (99999,), F32)
    body = type(stmt)(buffer, (simple,), Const(0.0, F32))
    line = print_func(type(func)("f", (buffer,), body)).splitlines()[1]
    return line.strip().removeprefix("y[").removesuffix("] = 0.0:f32")


@pytest.mark.parametrize(
    ("index", "simple"),
    [
        ("(o*16 + i) // 16", "o"),
        ("(o*16 + i) % 16", "i"),
        ("(o*16 + i) // 4", "o * 4 + i // 4"),
        ("i // 7 * 7 + i % 7", "i"),
        ("(o*32 + i) // 8 % 4", "i // 8"),
        ("min(16, 64 - o*16)", "16"),
        ("max(i, 0)", "i"),
        ("i // 2 // 3", "i // 6"),
        ("i % 12 % 4", "i % 4"),
        ("i - i", "0"),
        ("60 - o*7 - i", "60 - i - o * 7"),
    ],
)
def test_normal_forms(index: str, simple: str) -> None:
    assert text_of(index, o=4, i=16) == simple


def test_loads_are_atoms_whose_indices_are_simplified() -> None:
    table = Buffer.dense("t", (8,), F32)
    expr = Load(table, (Binary("floordiv", Var("i") * 4 + 3, Const(4)),))
    assert simplify(expr, {"i": (0, 7)}) == Load(table, (Var("i"),))


def test_nothing_is_known_of_unbounded_variables() -> None:
    assert bounds_of(Var("n") * 2, {}) is None
    assert bounds_of(Var("n") % 5, {}) == (0, 4)
    assert simplify(Binary("min", Var("n"), Const(3)), {}) == Binary("min", Var("n"), Const(3))


def test_a_linear_form_without_terms_is_a_number() -> None:
    assert to_expr(Linear({}, 7)) == Const(7)
    assert to_expr(Linear({Var("i"): -1}, 7)) == Const(7) - Var("i")


@pytest.mark.parametrize("op", ["and", "or"])
def test_bits_of_integers_stay(op: str) -> None:
    word = Load(Buffer.dense("word", (), U32), ())
    masked = Binary(op, word, Const(6, U32))
    assert simplify(masked, {}) == masked
    inverted = Unary("not", Const(6, U32))
    assert simplify(inverted, {}) == inverted


@pytest.mark.parametrize("tile", [1, 2, 3, 4, 6, 12])
def test_the_digits_of_a_tiled_number_are_the_number(tile: int) -> None:
    number = Var("outer") * tile + Var("inner")
    bounds = {"outer": (0, 12 // tile - 1), "inner": (0, tile - 1)}
    digits = (number // 2 // 2, number // 2 % 2, number % 2)
    high, middle, low = (simplify(digit, bounds) for digit in digits)
    assert linear_form(simplify(high * 4 + middle * 2 + low, bounds)) == linear_form(
        simplify(number, bounds)
    )
