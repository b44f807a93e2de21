"""The one place that orders passes, and the loop that runs them."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from functools import partial

from mlc.ir.graph import Graph
from mlc.ir.text import digest_of, print_graph
from mlc.ir.text.constants import Array
from mlc.passes.base import Pass
from mlc.passes.context import Context, Timing
from mlc.passes.graph.choose_layout import ChooseLayout
from mlc.passes.graph.explicit_padding import ExplicitPadding
from mlc.passes.graph.fold_batch_norm import FoldBatchNorm
from mlc.passes.graph.fuse_vertical import FuseVertical
from mlc.passes.graph.simplify import Simplify
from mlc.target import Target


def graph_passes(
    target: Target | None = None, *, without: Collection[str] = ()
) -> tuple[Pass, ...]:
    """The passes from an imported graph to one of fused nodes, in order.

    `without` leaves some out by name, to see what each is good for. No pass needs another to have
    run before it, except that what comes after needs `batch_norm` folded.
    """
    passes = (
        Simplify(),
        FoldBatchNorm(),
        Simplify(),
        ExplicitPadding(),
        ChooseLayout(),
        FuseVertical(),
    )
    return tuple(graph_pass for graph_pass in passes if graph_pass.name not in without)


def run_passes(graph: Graph, passes: Sequence[Pass], context: Context) -> Graph:
    """Run `passes` in order; time and dump as the context says."""
    digest = _Digests()
    for graph_pass in passes:
        start = time.perf_counter()
        result = graph_pass.run(graph, context)
        changed = result is not graph
        context.timings.append(Timing(graph_pass.name, time.perf_counter() - start, changed))
        render = partial(print_graph, result, digest)
        context.end_stage(graph_pass.name, render, changed=changed)
        graph = result
    return graph


class _Digests:
    """Digests of constants, computed once for all dumps of one run."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[Array, str]] = {}

    def __call__(self, array: Array) -> str:
        if id(array) not in self.known:
            self.known[id(array)] = (array, digest_of(array))
        return self.known[id(array)][1]
