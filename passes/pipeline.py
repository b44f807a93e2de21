"""The one place that orders passes, and the loop that runs them."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from functools import partial

from mlc.errors import VerifyError
from mlc.ir.graph import Graph
from mlc.ir.text import print_graph
from mlc.ir.verify import verify_graph
from mlc.passes.base import Pass
from mlc.passes.context import Context, Timing
from mlc.passes.graph.choose_layout import ChooseLayout
from mlc.passes.graph.decompose_conv_transpose import DecomposeConvTranspose
from mlc.passes.graph.explicit_padding import ExplicitPadding
from mlc.passes.graph.fold_batch_norm import FoldBatchNorm
from mlc.passes.graph.fuse_horizontal import FuseHorizontal
from mlc.passes.graph.fuse_vertical import FuseVertical
from mlc.passes.graph.recognize_gelu import RecognizeGelu
from mlc.passes.graph.recognize_hard_swish import RecognizeHardSwish
from mlc.passes.graph.recognize_layer_norm import RecognizeLayerNorm
from mlc.passes.graph.recognize_softmax import RecognizeSoftmax
from mlc.passes.graph.simplify import Simplify
from mlc.passes.graph.split_groups import SplitGroups
from mlc.passes.graph.widen_sums import WidenSums
from mlc.target import Target


def graph_passes(
    target: Target | None = None,
    *,
    without: Collection[str] = (),
    row_major: Collection[str] = (),
) -> tuple[Pass, ...]:
    """The passes from an imported graph to one of fused nodes, in order.

    `without` leaves some out by name, to see what each is good for. Every one of them is right
    without the others; what each needs to be of use stands before it. `row_major` names values that
    do not become channels-last, see `ChooseLayout`.
    """
    passes = (
        Simplify(),
        RecognizeLayerNorm(),
        RecognizeGelu(),
        RecognizeSoftmax(),
        RecognizeHardSwish(),
        FoldBatchNorm(),
        DecomposeConvTranspose(),
        WidenSums(),
        Simplify(),
        FuseHorizontal(),
        ExplicitPadding(),
        SplitGroups(),
        ChooseLayout(row_major=frozenset(row_major)),
        FuseVertical(),
    )
    return tuple(graph_pass for graph_pass in passes if graph_pass.name not in without)


def run_passes(graph: Graph, passes: Sequence[Pass], context: Context) -> Graph:
    """Run `passes` in order; verify, time and dump as the context says.

    A `VerifyError` names the pass after which the graph was broken.
    """
    for graph_pass in passes:
        start = time.perf_counter()
        result = graph_pass.run(graph, context)
        changed = result is not graph
        context.timings.append(Timing(graph_pass.name, time.perf_counter() - start, changed))
        if context.verify == "all" or (changed and context.verify == "changed"):
            _verify(result, graph_pass.name)
        render = partial(print_graph, result, context.digests)
        context.end_stage(graph_pass.name, render, changed=changed)
        graph = result
    return graph


def _verify(graph: Graph, pass_name: str) -> None:
    try:
        verify_graph(graph)
    except VerifyError as error:
        error.node = f"{error.node or graph.name} → {pass_name}"
        raise
