"""A model's graph → its tasks: the distinct kernels, and how often each is called."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from mlc.autotune.task import Task, plain_func, task_key
from mlc.ir.graph import Graph
from mlc.ir.stmt import Func
from mlc.ir.work import work_of
from mlc.passes.context import Context
from mlc.passes.lower.group import Group
from mlc.passes.lower.lower_graph import lower_graph
from mlc.passes.pipeline import graph_passes, run_passes
from mlc.passes.schedule.templates.base import Machine
from mlc.passes.schedule.templates.select import default_knobs
from mlc.target import Target


def extract_tasks(graph: Graph, target: Target, threads: int, exact: bool = False) -> list[Task]:
    """The tasks of an imported graph of static shapes, in the order in which they first run."""
    context = Context(target=target, verify="off")
    return tasks_of(run_passes(graph, graph_passes(target), context), target, threads, exact)


def tasks_of(optimized: Graph, target: Target, threads: int, exact: bool = False) -> list[Task]:
    """The tasks of a graph that the graph passes have made."""
    machine = Machine(target, threads, exact)
    groups: list[Group] = []

    def record(group: Group) -> Func:
        groups.append(group)
        return group.func

    program = lower_graph(optimized, record)
    counts = Counter(call.kernel for call in program.calls)
    locs: dict[str, dict[str, None]] = {}
    for call in program.calls:
        locs.setdefault(call.kernel, {}).update(dict.fromkeys(call.loc))
    return [
        _task(group, machine, counts[symbol], tuple(locs[symbol]))
        for symbol, group in zip(program.kernels, groups, strict=True)
    ]


def _task(group: Group, machine: Machine, count: int, locs: tuple[str, ...]) -> Task:
    func = plain_func(group.func)
    template = str(default_knobs(group, machine)["template"])
    key = task_key(func)
    return Task(key, func, replace(group, func=func), template, work_of(func), count, locs)
