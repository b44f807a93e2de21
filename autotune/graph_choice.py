"""The variant of a graph that promises most, by the times of its kernels as they are by default.

Candidates are the layouts of convolutions, poolings and resizings, chosen together as a minimum cut
over what each costs in both layouts and what changes between them cost, and passes that may be left
out. Kernels that only a variant has are tasks like all others: they are measured, and recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlc.autotune.extract import tasks_of
from mlc.autotune.layout_cut import Changes, choose_row_major
from mlc.autotune.task import Task, task_key
from mlc.ir.graph import Graph, Node
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.choose_layout import ChooseLayout
from mlc.passes.graph.fuse_vertical import FuseVertical
from mlc.passes.graph.layout_rules import SPATIAL
from mlc.passes.lower.group import body_of, lower_group
from mlc.passes.lower.outputs import with_output_copies
from mlc.passes.lower.storage import bind_storage, computing_nodes
from mlc.passes.pipeline import graph_passes, run_passes
from mlc.passes.schedule.templates.base import Machine
from mlc.passes.variant import OPTIONAL, Variant

Seconds = Callable[[Sequence[Task]], Mapping[str, float]]
"""Measures the default of some tasks; gives seconds by key, of those that could be measured."""

_BYTES_PER_SECOND = 1e10
_AFTER = (ChooseLayout.name, FuseVertical.name)


@dataclass(frozen=True)
class Kernels:
    """A variant as kernels: its tasks, and the task behind each operator with a layout."""

    variant: Variant
    tasks: tuple[Task, ...]
    task_of: Mapping[str, Task]

    def seconds(self, known: Mapping[str, float]) -> float:
        """The sum over all calls; infinite where a task could not be measured."""
        return sum(task.count * known.get(task.key, float("inf")) for task in self.tasks)


def kernels_of(graph: Graph, variant: Variant, machine: Machine) -> Kernels:
    """What a variant makes of an imported graph."""
    optimized = _optimized(graph, variant.passes(machine.target), machine)
    tasks = tasks_of(optimized, machine.target, machine.threads, machine.exact)
    by_key = {task.key: task for task in tasks}
    task_of: dict[str, Task] = {}
    views = bind_storage(optimized)
    for node in computing_nodes(optimized):
        spatial = [each for each in body_of(node, optimized).nodes if each.op in SPATIAL]
        if spatial:
            func = lower_group(node, optimized, views, optimized.constants).func
            task_of.update((each.output.name, by_key[task_key(func)]) for each in spatial)
    return Kernels(variant, tuple(tasks), task_of)


def before_layout(graph: Graph, machine: Machine) -> Graph:
    """The graph whose layouts are chosen."""
    return _optimized(graph, graph_passes(machine.target, without=_AFTER), machine)


def _optimized(graph: Graph, passes: Sequence[Pass], machine: Machine) -> Graph:
    context = Context(target=machine.target, verify="off")
    return with_output_copies(run_passes(graph, passes, context))


def promising(graph: Graph, machine: Machine, measure: Seconds) -> list[Kernels]:
    """The variants with the least sum of times, best first; the one without choices is among them.

    Those that are slower than it are left out.
    """
    base = kernels_of(graph, Variant(), machine)
    candidates = [kernels_of(graph, Variant(without=(name,)), machine) for name in OPTIONAL]
    known = dict(measure(_distinct([base, *candidates])))
    candidates += _layouts(graph, machine, base, known, measure)
    default = base.seconds(known)
    faster = [each for each in candidates if each.seconds(known) < default]
    return [*sorted(faster, key=lambda each: each.seconds(known)), base]


def _layouts(
    graph: Graph,
    machine: Machine,
    base: Kernels,
    known: dict[str, float],
    measure: Seconds,
) -> Iterator[Kernels]:
    """The layouts that a minimum cut chooses, if they are any others."""
    plain = before_layout(graph, machine)
    spatial = (node.output for node in plain.nodes if node.op in SPATIAL)
    names = tuple(value.name for value in spatial if value not in plain.outputs)
    if not names:
        return
    other = kernels_of(graph, Variant(row_major=names), machine)
    known.update(measure([task for task in other.tasks if task.key not in known]))
    costs = {
        name: (_seconds_of(base, name, known), _seconds_of(other, name, known)) for name in names
    }
    chosen = choose_row_major(costs, changes(plain, names))
    if chosen:
        found = kernels_of(graph, Variant(row_major=tuple(sorted(chosen))), machine)
        known.update(measure([task for task in found.tasks if task.key not in known]))
        yield found


def changes(graph: Graph, names: Iterable[str]) -> Changes:
    """Seconds to reorder what lies between neighbouring operators of `names`, roughly.

    Neighbours are those that reach one another without passing a third.
    """
    wanted = set(names)
    sources: dict[str, set[str]] = {}
    found: dict[tuple[str, str], float] = {}
    for node in graph.nodes:
        before = set().union(*(sources.get(value.name, set()) for value in node.inputs))
        own = [value.name for value in node.outputs if value.name in wanted]
        for name in own:
            moved = 2 * _bytes_read(node) / _BYTES_PER_SECOND
            found.update({(source, name): moved for source in before})
        for value in node.outputs:
            sources[value.name] = {value.name} if own else before
    return found


def _bytes_read(node: Node) -> int:
    kind = node.inputs[0].type
    return kind.bytes if kind.is_static else 0


def _seconds_of(kernels: Kernels, name: str, known: Mapping[str, float]) -> float:
    task = kernels.task_of.get(name)
    return float("inf") if task is None else known.get(task.key, float("inf"))


def _distinct(kernels: Sequence[Kernels]) -> list[Task]:
    return list({task.key: task for each in kernels for task in each.tasks}.values())
