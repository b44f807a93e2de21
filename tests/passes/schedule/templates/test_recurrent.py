"""The template of recurrent layers: what it makes of the loops, and that they compute the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc
from mlc.ir.dtype import dtype_of
from mlc.ir.graph import Graph
from mlc.ir.graph_edit import GraphBuilder
from mlc.ir.interpret.loops import run_prepared
from mlc.ir.operators import OPERATORS
from mlc.ir.rewrite import sub_statements, walk
from mlc.ir.stmt import Alloc, For, Func, If, Stmt, Store
from mlc.ir.text import print_func
from mlc.ir.verify import verify_func
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.lower.group import Group, lower_group
from mlc.passes.lower.views import bind_views
from mlc.passes.schedule.replay import replay
from mlc.passes.schedule.templates import recurrent
from mlc.passes.schedule.templates.base import Machine
from mlc.passes.schedule.templates.recurrent import Recurrent
from mlc.passes.schedule.templates.select import template_for
from mlc.target import Target

SSE = Target("x", "x86_64-linux-gnu", "x86-64", "", 128, 16)
AVX2 = Target("x", "x86_64-linux-gnu", "haswell", "", 256, 16)
AVX512 = Target("x", "x86_64-linux-gnu", "skylake-avx512", "", 512, 32)
GATES = {"lstm_sequence": 4, "gru_sequence": 3, "rnn_sequence": 1}
BOTH = ("forward", "reverse")


@dataclass
class Layer:
    """A layer with random inputs; `fixed` says whether the weights are constants."""

    op: str
    steps: int = 3
    batch: int = 1
    units: int = 5
    attrs: dict[str, Any] = field(default_factory=dict)
    peepholes: bool = False
    fixed: bool = True

    def inputs(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(1)
        count = len(self.attrs.get("directions", ("forward",)))
        units, width = self.units, GATES[self.op] * self.units
        shapes = {
            "gates": (self.steps, count, self.batch, width),
            "recurrence": (count, width, units),
            "recurrent_bias": (count, width),
            "h0": (count, self.batch, units),
            "c0": (count, self.batch, units),
            "peepholes": (count, 3 * units),
        }
        made = {name: rng.standard_normal(s).astype("f4") for name, s in shapes.items()}
        made["lengths"] = rng.integers(0, self.steps + 1, self.batch).astype(np.int32)
        wanted = {"gru_sequence": ("recurrent_bias", "h0"), "lstm_sequence": ("h0", "c0")}
        names = ["gates", "recurrence", *wanted.get(self.op, ("h0",))]
        names += ["lengths"] if self.attrs.get("ragged", True) else []
        names += ["peepholes"] if self.peepholes else []
        return {name: made[name] for name in names}

    def graph(self) -> Graph:
        builder = GraphBuilder("layer")
        values = [
            builder.constant(array, name)
            if name == "recurrence" and self.fixed
            else builder.input(name, array.shape, dtype_of(array.dtype))
            for name, array in self.inputs().items()
        ]
        return builder.build(builder.emit_all(self.op, values, self.attrs))

    def group(self) -> Group:
        graph = self.graph()
        (node,) = graph.nodes
        return lower_group(node, graph, bind_views(graph), graph.constants)

    def reference(self) -> tuple[np.ndarray, ...]:
        return OPERATORS[self.op].reference(list(self.inputs().values()), self.attrs)

    def run(self, func: Func) -> list[np.ndarray]:
        """What `func` stores into its outputs, all that it prepares included."""
        params = [*func.params, *(p for part in func.prepare for p in part.params[:-1])]
        shapes = {param.name: param.shape for param in params}
        given = {f"in{k}": array for k, array in enumerate(self.inputs().values())}
        arrays = {name: array.reshape(shapes[name]) for name, array in given.items()}
        outputs = [np.full(part.shape, np.nan, part.dtype) for part in self.reference()]
        arrays |= {f"out{k}": array for k, array in enumerate(outputs)}
        run_prepared(func, arrays)
        return outputs


def schedule(layer: Layer, target: Target = AVX2, threads: int = 1, **knobs: int) -> Func:
    group, machine, template = layer.group(), Machine(target, threads), Recurrent()
    chosen = {**template.default(group, machine), **knobs}
    made = template.apply(group, chosen, machine)
    verify_func(made.func)
    assert replay(group.func, made.trace).func == made.func
    return made.func


def loop(func: Func, name: str) -> For:
    (found,) = (part for part in walk(func.body) if isinstance(part, For) and part.var == name)
    return found


def allocated(stmt: Stmt) -> dict[str, str]:
    """Temporary → scope."""
    return {part.buffer.name: part.buffer.scope for part in walk(stmt) if isinstance(part, Alloc)}


def around(stmt: Stmt, wanted: type[Stmt]) -> list[str]:
    """The loops with a statement of this kind somewhere inside."""
    inside = [name for part in sub_statements(stmt) for name in around(part, wanted)]
    here = isinstance(stmt, For) and any(isinstance(part, wanted) for part in walk(stmt.body))
    return [stmt.var, *inside] if isinstance(stmt, For) and here else inside


LAYERS = [
    Layer("lstm_sequence"),
    Layer("lstm_sequence", attrs={"input_forget": True, "clip": 0.5}, peepholes=True),
    Layer("gru_sequence", batch=3),
    Layer("gru_sequence", batch=2, attrs={"linear_before_reset": True}),
    Layer("rnn_sequence", batch=2, attrs={"directions": BOTH}),
    Layer("rnn_sequence", attrs={"directions": BOTH, "activations": ("relu", "tanh")}),
]


def test_all_gates_of_a_tile_are_in_registers_and_end_in_the_states() -> None:
    func = schedule(Layer("lstm_sequence", batch=2, units=32), rows=2, vectors=1)
    tile = loop(func, "n0_d0_i0_o")
    assert allocated(tile) == {"n0_d0_gates": "register"}
    assert allocated(finish_loops(func).body)["n0_d0_gates"] == "register"
    stored = {part.buffer.name for part in walk(tile) if isinstance(part, Store)}
    assert stored == {"n0_d0_gates", "out0", "out1", "out2"}
    reduction = loop(func, "n0_d0_gates_r0")
    kinds = [(part.kind, str(part.extent.value)) for part in walk(reduction) if type(part) is For]
    assert kinds == [("serial", "32"), ("unroll", "2"), ("unroll", "4"), ("vector", "8")]


def test_weights_lie_in_the_order_in_which_they_are_read() -> None:
    func = schedule(Layer("lstm_sequence", units=20, attrs={"directions": BOTH}), vectors=2)
    (packed,) = (param for param in func.params if param.name == "in1_packed")
    assert packed.shape == (2, 2, 20, 4, 16)  # direction, tile, unit of the state, gate, unit
    loops = ["n0_d0_d", "n0_d0_i1_o", "n0_d0_gates_r0", "n0_d0_gates_i1", "n0_d0_gates_i2"]
    names = [part.var for part in walk(func.body) if isinstance(part, For)]
    assert [name for name in names if name in loops] == loops


def test_gates_that_wait_for_each_other_are_packed_alone() -> None:
    func = schedule(Layer("gru_sequence", units=20), vectors=2)
    (packed,) = (param for param in func.params if param.name == "in1_packed")
    assert packed.shape == (1, 3, 2, 20, 16)
    inside = allocated(loop(func, "n0_d0_i0_o"))
    assert inside == {"n0_d0_update": "register", "n0_d0_hidden": "register"}
    assert allocated(loop(func, "n0_d0_reset_i0_o")) == {"n0_d0_gates": "register"}


def test_lengths_cost_nothing_where_there_are_none() -> None:
    whole = schedule(Layer("lstm_sequence", attrs={"ragged": False}))
    assert around(whole.body, If) == []
    ragged = schedule(Layer("lstm_sequence"))
    assert around(ragged.body, If)[-1] == "n0_d0_i1_i"


@pytest.mark.parametrize(("target", "most"), [(SSE, 16), (AVX2, 16), (AVX512, 32)])
@pytest.mark.parametrize("batch", [1, 2, 5, 16])
@pytest.mark.parametrize("op", sorted(GATES))
def test_the_default_tile_fits_the_registers(
    op: str, batch: int, target: Target, most: int
) -> None:
    group, machine = Layer(op, batch=batch, units=96).group(), Machine(target, 1)
    knobs = Recurrent().default(group, machine)
    gates = GATES[op] if op != "gru_sequence" else 1
    vectors = int(knobs["vectors"]) * gates
    assert 1 <= int(knobs["rows"]) <= batch
    assert int(knobs["rows"]) * vectors < most
    assert int(knobs["rows"]) * vectors >= target.fma_latency


def test_directions_are_shared_by_threads_unless_they_differ() -> None:
    same = {"directions": BOTH, "activations": ("relu", "relu")}
    func = schedule(Layer("rnn_sequence", attrs=same), threads=2)
    assert loop(func, "n0_d0_d").kind == "parallel"
    assert set(allocated(func.body).values()) == {"stack", "register"}
    other = {**same, "activations": ("relu", "tanh")}
    func = schedule(Layer("rnn_sequence", attrs=other), threads=2)
    assert {part.kind for part in walk(func.body) if type(part) is For} == {
        "serial",
        "unroll",
        "vector",
    }


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("directions", [("forward",), BOTH])
def test_weights_larger_than_the_cache_are_read_to_and_fro(
    directions: tuple[str, ...], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurrent, "SHARED_PRODUCTS", 0)
    layer = Layer("lstm_sequence", steps=4, units=16, attrs={"directions": directions})
    small = replace(SSE, l2_bytes=1024)
    for target, turns in ((SSE, False), (small, True)):
        func = schedule(layer, target, threads, vectors=1)
        kinds = {part.kind for part in walk(func.body) if isinstance(part, For)}
        assert ("parallel" in kinds) == (threads == 2)
        assert ("n0_d0_t % 2" in print_func(func)) == turns
        for got, want in zip(layer.run(func), layer.reference(), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_it_is_chosen_for_layers_that_compute_something() -> None:
    assert template_for(Layer("gru_sequence").group()).name == "recurrent"
    assert template_for(Layer("gru_sequence", steps=0).group()).name == "elementwise"


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    op = draw(st.sampled_from(sorted(GATES)))
    directions = draw(st.sampled_from([("forward",), ("reverse",), BOTH]))
    each = {"lstm_sequence": 3, "gru_sequence": 2, "rnn_sequence": 1}[op]
    count = each * len(directions)
    function = st.sampled_from(["tanh", "sigmoid", "relu"])
    attrs: dict[str, Any] = {
        "directions": directions,
        "activations": tuple(draw(st.lists(function, min_size=count, max_size=count))),
        "clip": draw(st.sampled_from([0.0, 0.5])),
        "ragged": draw(st.booleans()),
    }
    if op == "gru_sequence":
        attrs["linear_before_reset"] = draw(st.booleans())
    if op == "lstm_sequence":
        attrs["input_forget"] = draw(st.booleans())
    return Layer(
        op,
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 9)),
        attrs,
        peepholes=op == "lstm_sequence" and draw(st.booleans()),
        fixed=draw(st.booleans()),
    )


def points() -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries(
        {
            "rows": st.integers(1, 4),
            "vectors": st.integers(1, 2),
            "unroll": st.sampled_from([1, 2, 4]),
            "backwards": st.booleans(),
        }
    )


@settings(max_examples=25, deadline=None)
@given(layers(), points(), st.sampled_from([1, 2]))
def test_any_point_computes_the_same(layer: Layer, point: dict[str, int], threads: int) -> None:
    func = schedule(layer, SSE, threads, **point)
    for made in (func, finish_loops(func)):
        for got, want in zip(layer.run(made), layer.reference(), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: f"{layer.op}-{len(layer.attrs)}")
def test_compiled_code(layer: Layer, threads: int) -> None:
    module = mlc.compile(layer.graph(), num_threads=threads, cache=False, check_bounds=True)
    feeds = {name: array for name, array in layer.inputs().items() if name != "recurrence"}
    for got, want in zip(module.run(feeds).values(), layer.reference(), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
